"""Schedules and triggers through the native door, on both databases; the worker's chore is called by the tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.tables import builds, schedules
from modelyard.domain.actor import Role
from modelyard.domain.times import seconds
from modelyard.registry.builds.pools import Pool, Pools
from modelyard.registry.retention import usecases as retention
from modelyard.registry.schedules import firing, queries, rules
from tests.contract.test_builds import RECIPE, Yard
from tests.support.clock import Clock
from tests.support.door import Door, assert_problem, open_door
from tests.support.executors import ScriptedExecutor
from tests.support.registry import Registry, unique

DAY = 86_400
NOON = 1_796_126_400_000_000
"""2026-12-01 12:00 UTC."""


class Place(Yard):
    """A yard with its schedules."""

    def add(self, door: Door | None = None, expect: int = 201, **options: Any) -> Any:
        options.setdefault("recipe", RECIPE.format(model=options.pop("of", self.model)))
        if not {"cron", "on_dataset", "on_version"} & {*options}:
            options.setdefault("every", "1h")
        answer = (door or self.door).call("POST", "schedules", json=options)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def ask(
        self, schedule: Any, verb: str = "", door: Door | None = None, method: str = "POST", **body: Any
    ) -> Any:
        path = f"schedules/{schedule['id']}" + (f"/{verb}" if verb else "")
        return (door or self.door).call(method, path, json=body)

    def now(self, schedule: Any) -> Any:
        return self.door.get(f"schedules/{schedule['id']}").json()

    def fire(self, pass_seconds: float = 0) -> None:
        """What every server process does twice a second."""
        self.clock.pass_seconds(pass_seconds)
        services = self.door.services
        while firing.follow_events(self.registry.db):
            pass
        while firing.fire_due(self.registry.db, services.catalog, self.pools):
            pass

    def firings(self, schedule: Any) -> list[Any]:
        """The oldest first."""
        items = self.door.get(f"schedules/{schedule['id']}/firings").json()["items"]
        return [*reversed(items)]

    def outcomes(self, schedule: Any) -> list[tuple[str, int]]:
        return [(each["outcome"], each["count"]) for each in self.firings(schedule)]

    def built(self, schedule: Any) -> list[Any]:
        """The builds of a schedule, the oldest first."""
        items = self.door.get("builds?limit=1000").json()["items"]
        return [each for each in reversed(items) if each["schedule"] == schedule["id"]]

    def finish(self, build: Any, status: str = "succeeded", **more: Any) -> None:
        """Carry out a build to its end."""
        self.work()
        agent = self.agent(build)
        assert agent.claim().status_code == 200
        if status == "succeeded":
            more.setdefault("version", None)
        agent.end(status, **{name: value for name, value in more.items() if value is not None})
        self.executor.end(f"{build['id']}-1")
        self.work()

    def dataset(self, name: str, content: str) -> None:
        space = self.model.partition("/")[0]
        entry = {"name": name, "digest": "sha256:" + content * 64}
        answer = self.door.call("POST", f"namespaces/{space}/datasets", json={"entry": entry})
        assert answer.status_code < 300, answer.text


@pytest.fixture
def place(own_url: str) -> Iterator[Place]:
    clock = Clock(NOON)
    db = Database(own_url, clock=clock)
    registry = Registry(db)
    with open_door(registry) as door:
        executor = ScriptedExecutor()
        pools = Pools([Pool("local", executor, 5, "contributors", "setting local_builds", "http://here")])
        door.services.pools = pools  # type: ignore[misc]
        firing.begin_events(db)
        yield Place(registry, door, clock, pools, executor)
    db.close()


# --- times ----------------------------------------------------------------------------------------------


def test_a_schedule_starts_a_build_at_each_of_its_times(place: Place) -> None:
    bundle = place.door.send(b"the source")["digest"]
    made = place.add(
        cron="0 13 * * *", zone="Europe/Berlin", bundle=bundle, params={"depth": 8}, overlap="queue"
    )
    # 13:00 in Berlin was now.
    assert (made["words"], made["next"]) == (
        "every day at 13:00 Europe/Berlin",
        "next in 24 h: 2026-12-02 13:00 Europe/Berlin",
    )
    assert made["times"][:2] == ["2026-12-02T12:00:00.000000Z", "2026-12-03T12:00:00.000000Z"]
    place.fire(DAY - 1)
    assert place.built(made) == []
    place.fire(2)
    (first,) = place.built(made)
    assert (first["params"], first["requested_by"], first["status"]) == ({"depth": 8}, "root", "queued")
    place.finish(first)
    place.fire(DAY)
    assert len(place.built(made)) == 2
    assert [(f["due_at"][:16], f["outcome"], f["build"] is not None) for f in place.firings(made)] == [
        ("2026-12-02T12:00", "started", True),
        ("2026-12-03T12:00", "started", True),
    ]
    assert place.now(made)["last"]["build"] == place.built(made)[-1]["id"]
    page = place.door.get("/metrics").text
    assert 'modelyard_schedules{state="active"} 1.0' in page


def test_a_bundle_stays_while_a_schedule_names_it(place: Place) -> None:
    bundle = place.door.send(b"scheduled")["digest"]
    made = place.add(bundle=bundle)
    place.clock.pass_seconds(10 * DAY)
    retention.collect(place.registry.db, place.registry.blobs, place.registry.root, dry_run=False)
    assert bundle in {str(blob.digest) for blob in place.registry.blobs.list()}
    assert place.ask(made, method="DELETE").status_code == 204
    retention.collect(place.registry.db, place.registry.blobs, place.registry.root, dry_run=False)
    assert bundle not in {str(blob.digest) for blob in place.registry.blobs.list()}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cron": "0 30 2 * * *"}, "6 fields"),
    ({"cron": "0 0 30 2 *"}, "bad day-of-month"),
    ({"cron": "@fortnightly"}, "no such short form"),
    ({"cron": "0 2 * * *", "zone": "Europe/Atlantis"}, "no time zone"),
    ({"cron": "0 2 * * *", "every": "1h"}, "given together"),
    ({"every": "0s"}, "not an interval"),
    ({"every": "10m", "jitter": "20m"}, "too long"),
    ({"every": "1h", "zone": "UTC"}, "only a cron expression"),
    ({"overlap": "both"}, "not a value of overlap"),
    ({"pause_after": -1}, "number of builds"),
    ({"recipe": "version: 1\n"}, "model"),
]


def test_wrong_options_are_refused_at_once(place: Place) -> None:
    for options, words in WRONG:
        answer = place.add(expect=400, **options)
        assert words in answer["detail"], answer
    assert place.door.get("schedules").json()["items"] == []


def test_of_missed_times_the_latest_counts_and_all_are_recorded(place: Place) -> None:
    latest, skip = place.add(), place.add(missed="skip")
    # No server for ten and a half hours.
    place.fire(10.5 * 3600)
    assert place.outcomes(latest) == [("skipped", 9), ("started", 1)]
    assert place.firings(latest)[0]["reason"].startswith("missed")
    assert place.outcomes(skip) == [("skipped", 10)]
    assert (len(place.built(latest)), len(place.built(skip))) == (1, 0)
    place.finish(place.built(latest)[0])
    place.fire(1800)
    assert place.outcomes(skip) == [("skipped", 10), ("started", 1)]


def test_the_clock_goes_back_and_far_ahead(place: Place) -> None:
    made = place.add(overlap="replace")
    place.fire(3600)
    for _ in range(3):
        place.fire(-3600)
        place.fire(3600)
    assert len(place.built(made)) == 1
    # A year ahead by mistake, and back: it goes on from now, without doing again what it did.
    place.fire(365 * DAY)
    assert len(place.built(made)) == 2
    place.clock.pass_seconds(-365 * DAY)
    firing.set_right(place.registry.db)
    assert place.now(made)["next"].startswith("next in 1 h:")
    place.fire(3600)
    assert len(place.built(made)) == 3


def test_a_change_counts_from_now(place: Place) -> None:
    made = place.add(cron="0 13 * * *")
    changed = place.ask(made, method="PATCH", cron="0 11 * * *", params={"depth": 2}).json()
    assert changed["next"] == "next in 23 h: 2026-12-02 11:00 UTC"
    assert changed["params"] == {"depth": 2}
    place.fire(3600)
    assert place.built(made) == []
    assert_problem(place.ask(made, method="PATCH"), 400, "invalid")
    zone = place.ask(made, method="PATCH", zone="Asia/Tokyo").json()
    assert zone["words"] == "every day at 11:00 Asia/Tokyo"


# --- builds that are still running ----------------------------------------------------------------------


def test_overlap_skip_queue_and_replace(place: Place) -> None:
    skip, queue, replace = (place.add(overlap=word) for word in ("skip", "queue", "replace"))
    for _ in range(3):
        place.fire(3600)
    assert place.outcomes(skip) == [("started", 1), ("skipped", 2)]
    assert "was still running" in place.firings(skip)[1]["reason"]
    assert [each["status"] for each in place.built(replace)] == ["cancelled", "cancelled", "queued"]
    # Only one waits, however many times have passed.
    (first,) = place.built(queue)
    assert place.now(queue)["next"] == f"next when build {first['id'][:12]} has ended"
    place.finish(first)
    place.fire()
    assert len(place.built(queue)) == 2
    assert place.outcomes(queue) == [("started", 1), ("skipped", 1), ("started", 1)]


def test_it_is_paused_after_failures_in_a_row(place: Place) -> None:
    made = place.add(pause_after=2)
    for status in ("failed", "succeeded", "failed", "failed"):
        assert place.now(made)["state"] == "active"
        place.fire(3600)
        place.finish(place.built(made)[-1], status, reason="it broke" if status == "failed" else None)
        place.fire()
    paused = place.now(made)
    assert (paused["state"], paused["next_at"], paused["failures"]) == ("paused", None, 2)
    assert paused["state_reason"].startswith("its last 2 builds did not succeed (")
    assert "it broke" in paused["next"]
    needs = place.door.get("needs").json()["items"]
    assert [(need["kind"], need["words"]) for need in needs if need["kind"] == "schedule"] == [
        ("schedule", f"Schedule {made['id']} of {place.model} was paused")
    ]
    place.fire(5 * 3600)
    assert len(place.built(made)) == 4
    resumed = place.ask(made, "resume").json()
    assert (resumed["state"], resumed["failures"]) == ("active", 0)
    place.fire(3600)
    assert len(place.built(made)) == 5


def test_pause_resume_fire_and_delete(place: Place) -> None:
    made = place.add()
    assert place.ask(made, "pause", reason="a move").json()["next"] == "paused by root: a move"
    place.fire(10 * 3600)
    assert place.built(made) == []
    fired = place.ask(made, "fire").json()
    assert (fired["schedule"], fired["status"]) == (made["id"], "queued")
    assert place.firings(made)[0]["cause"] == "by root"
    assert place.ask(made, "resume").json()["next"].startswith("next in 1 h")
    assert place.ask(made, method="DELETE").status_code == 204
    assert_problem(place.door.get(f"schedules/{made['id']}"), 404, "schedule_not_found")
    assert place.status(fired) == "queued"
    history = place.door.get(f"models/{place.model}/history").json()["items"]
    kinds = [each["kind"] for each in reversed(history) if each["kind"].startswith("schedule.")]
    assert kinds == ["schedule.created", "schedule.paused", "schedule.resumed", "schedule.deleted"]
    # Its number is not given again, since its builds name it.
    assert place.add()["id"] > made["id"]


def test_a_build_may_be_the_source(place: Place) -> None:
    build = place.submit(bundle=place.door.send(b"code")["digest"], params={"depth": 3})
    made = place.add(recipe=None, build=build["id"][:12], params={"depth": 4})
    assert (made["model"], made["params"], made["bundle"]) == (
        place.model,
        {"depth": 4},
        build["bundle"] if "bundle" in build else made["bundle"],
    )
    other = place.submit(of=f"{place.model}-other")
    refused = place.add(expect=400, recipe=None, build=other["id"], model=place.model)
    assert "not of" in refused["detail"]


# --- rights ---------------------------------------------------------------------------------------------


def test_rights_are_asked_at_each_firing(place: Place) -> None:
    place.submit()
    member = place.member(Role.MAINTAINER)
    name = member.get("whoami").json()["name"]
    made, kept = place.add(member), place.add()
    place.fire(3600)
    assert place.built(made)[0]["requested_by"] == name
    place.finish(place.built(made)[0])
    space = place.model.partition("/")[0]
    assert place.door.call("DELETE", f"namespaces/{space}/members/{name}").status_code == 204
    place.fire(3600)
    paused = place.now(made)
    assert paused["state"] == "paused"
    assert place.outcomes(made) == [("started", 1), ("skipped", 1)]
    assert place.firings(made)[1]["reason"] == paused["state_reason"]
    assert place.now(kept)["state"] == "active"
    # Somebody else takes it over.
    assert place.ask(made, "resume").json()["owner"] == "root"


def test_a_disabled_account_pauses_its_schedules(place: Place) -> None:
    place.submit()
    member = place.member(Role.MAINTAINER)
    name = member.get("whoami").json()["name"]
    made = place.add(member)
    assert place.door.call("PATCH", f"accounts/{name}", json={"disabled": True}).status_code == 200
    place.fire(3600)
    assert place.now(made)["state_reason"] == f"the account {name} was disabled or deleted"
    assert place.built(made) == []


def test_who_may_do_what(place: Place) -> None:
    made = place.add()
    reader, contributor = place.member(Role.READER), place.member(Role.CONTRIBUTOR)
    stranger = place.door.as_(place.door.token_of(place.registry.user()))
    assert reader.get(f"schedules/{made['id']}").status_code == 200
    for verb in ("pause", "resume", "fire"):
        assert_problem(place.ask(made, verb, reader), 403, "denied")
        assert_problem(place.ask(made, verb, stranger), 404, "schedule_not_found")
    assert_problem(place.ask(made, door=reader, method="PATCH", every="2h"), 403, "denied")
    assert_problem(place.ask(made, door=reader, method="DELETE"), 403, "denied")
    assert stranger.get("schedules").json()["items"] == []
    assert place.ask(made, "fire", contributor).json()["requested_by"] != "root"
    for verb in ("pause", "resume"):
        assert_problem(place.ask(made, verb, contributor), 403, "denied")
    body = {"recipe": RECIPE.format(model=place.model), "every": "1h"}
    assert_problem(contributor.call("POST", "schedules", json=body), 403, "denied")
    # An edit must not lend the rights of somebody else to other code.
    maintainer = place.member(Role.MAINTAINER)
    changed = place.ask(made, door=maintainer, method="PATCH", params={"depth": 1}).json()
    assert changed["owner"] == maintainer.get("whoami").json()["name"]


# --- triggers -------------------------------------------------------------------------------------------


def test_new_data_starts_one_build_that_reads_the_newest(place: Place) -> None:
    place.submit()
    place.dataset("rows", "a")
    made = place.add(on_dataset="rows", debounce="1m")
    space = place.model.partition("/")[0]
    assert (made["words"], made["next"]) == (f"when {space}/rows has new content", "next when it happens")
    place.dataset("rows", "a")
    place.fire(3600)
    assert place.built(made) == []
    place.dataset("rows", "b")
    place.fire()
    assert place.now(made)["next"].startswith("next in 1 min")
    place.fire(30)
    place.dataset("rows", "c")
    place.dataset("other", "c")
    place.fire(31)
    (build,) = place.built(made)
    assert place.firings(made)[0]["cause"].startswith(f"{space}/rows@sha256:ccc")
    # While it runs, more data waits for its end, and starts one more.
    for content in "def":
        place.dataset("rows", content)
        place.fire(61)
    assert len(place.built(made)) == 1
    place.finish(build)
    place.fire()
    assert len(place.built(made)) == 2
    assert place.firings(made)[-1]["cause"].startswith(f"{space}/rows@sha256:fff")


def test_a_new_version_of_a_parent_starts_a_build(place: Place) -> None:
    parent = f"{unique('base')}/encoder"
    place.door.register(parent)
    every, champion = place.add(on_version=parent), place.add(on_version=f"{parent}@champion")
    assert champion["words"] == f"when a version of {parent} gets to @champion"
    own = place.add(on_version=place.model, expect=400)
    assert "would start the next build" in own["detail"]
    place.door.register(parent)
    place.fire(1)
    assert (len(place.built(every)), len(place.built(champion))) == (1, 0)
    answer = place.door.call("PUT", f"models/{parent}/aliases/champion", json={"version": 2})
    assert answer.status_code == 200, answer.text
    place.fire(1)
    assert (len(place.built(every)), len(place.built(champion))) == (1, 1)
    assert place.firings(champion)[0]["cause"] == f"{parent}:2 at @champion"


def test_a_circle_of_triggers_ends(place: Place) -> None:
    space = place.model.partition("/")[0]
    other = f"{space}/other"
    place.door.register(place.model)
    place.door.register(other)
    schedules = {place.model: place.add(on_version=other), other: place.add(of=other, on_version=place.model)}
    place.door.register(other)
    place.fire(1)
    started = 0
    while open_builds := place.door.get("builds?status=queued").json()["items"]:
        (build,) = open_builds
        started += 1
        assert started < 20
        place.work()
        agent = place.agent(build)
        agent.claim()
        made = agent.door.register(build["model"])
        agent.end(version=f"{build['model']}:{made['version']}")
        place.executor.end(f"{build['id']}-1")
        place.work()
        place.fire(1)
    assert started == rules.MOST_DEPTH
    ends = [place.firings(each)[-1] for each in schedules.values()]
    assert [("circle" in end["reason"]) for end in ends].count(True) == 1


# --- several servers ------------------------------------------------------------------------------------


def test_servers_that_race_start_each_build_once(place: Place) -> None:
    """All of them see the same times as due, before the first decides."""
    count, racers = 5, 4
    made = [place.add(overlap="queue") for _ in range(count)]
    place.clock.pass_seconds(3600)
    db, services = place.registry.db, place.door.services
    due = db.read(lambda tx: queries.list_due(tx, 100))
    assert len(due) == count
    meeting = threading.Barrier(racers)
    errors: list[Exception] = []

    def race() -> None:
        try:
            meeting.wait()
            for schedule_id, seen in due:
                db.write(
                    lambda tx, s=schedule_id, n=seen: firing.decide(tx, services.catalog, place.pools, s, n)  # type: ignore[misc]
                )
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=race) for _ in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [len(place.built(each)) for each in made] == [1] * count
    assert [place.outcomes(each) for each in made] == [[("started", 1)]] * count


def test_servers_that_follow_events_take_each_once(place: Place) -> None:
    place.submit()
    place.dataset("rows", "a")
    made = place.add(on_dataset="rows")
    place.dataset("rows", "b")
    db = place.registry.db
    start, end = db.read(lambda tx: (queries.find_cursor(tx), queries.find_log_size(tx)))
    assert start is not None
    db.write(lambda tx: firing._follow(tx, start, end))
    place.fire(1)
    db.write(lambda tx: firing._follow(tx, start, end))
    place.fire(1)
    assert len(place.built(made)) == 1


def test_a_process_that_dies_while_it_fires_leaves_nothing_half_done(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = place.add()
    place.clock.pass_seconds(3600)

    def die(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    for where in ("insert_firing", "move_on"):
        with monkeypatch.context() as patch:
            patch.setattr(queries, where, die)
            with pytest.raises(RuntimeError, match="killed"):
                place.fire()
        assert place.built(made) == []
        assert (
            place.registry.db.read(lambda tx: tx.rows(sa.select(sa.func.count()).select_from(builds)))[0][0]
            == 0
        )
    place.fire()
    assert len(place.built(made)) == 1


def test_jitter_is_bounded_and_the_same_everywhere(place: Place) -> None:
    made = place.add(jitter="10m")
    due, next_at = place.registry.db.read(
        lambda tx: tx.rows(sa.select(schedules.c.due_at, schedules.c.next_at))
    )[0]
    assert 0 <= next_at - due <= seconds(600)
    for _ in range(4):
        place.fire(3600)
        for build in place.built(made):
            if build["status"] == "queued":
                place.finish(build)
    assert len(place.built(made)) in (3, 4)
    assert all(outcome == "started" for outcome, _ in place.outcomes(made))
