"""Deployments through the native door, on both databases, with a target in memory; the worker is called by the tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.tables import jobs, tokens
from modelyard.domain.actor import SYSTEM, Role
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.deployments import running
from modelyard.registry.deployments.targets import Targets
from modelyard.registry.quarantine import judging
from modelyard.registry.scan import queries as scans
from modelyard.registry.versions import queries as version_queries
from modelyard.wire.deployments import AwayRollback
from modelyard.worker.works import deployment_works
from tests.support.clock import Clock
from tests.support.door import Door, Visitor, assert_problem, open_door
from tests.support.jobs import open_jobs, work_off
from tests.support.registry import Registry, name_of, unique
from tests.support.targets import ScriptedTarget


@dataclass
class Port:
    """A server with a target, its worker called by the tests."""

    registry: Registry
    door: Door
    clock: Clock
    targets: Targets
    target: ScriptedTarget
    model: str = field(default_factory=lambda: f"{unique('space')}/scorer")

    @property
    def space(self) -> str:
        return self.model.partition("/")[0]

    def member(self, role: Role) -> Door:
        user = self.registry.user()
        answer = self.door.call("PUT", f"namespaces/{self.space}/members/{user.name}", json={"role": role.word})
        assert answer.status_code in (200, 201, 204), answer.text
        return self.door.as_(self.door.token_of(user))

    def push(self, count: int = 1, promote: bool = True) -> None:
        for _ in range(count):
            made = self.door.register(self.model)
            if promote:
                self.promote(made["version"])

    def promote(self, version: int, stage: str = "production") -> None:
        answer = self.door.call(
            "POST", f"models/{self.model}/promotions", json={"version": version, "stage": stage}
        )
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["outcome"] == "done", answer.text

    def deploy(self, ref: str = "@production", door: Door | None = None, expect: int = 201, **body: Any) -> Any:
        answer = (door or self.door).call("POST", "deployments", json={"version": self.model + ref, **body})
        assert answer.status_code == expect, answer.text
        return answer.json()

    def ask(
        self, verb: str, door: Door | None = None, method: str = "POST", name: str = "", **body: Any
    ) -> Any:
        path = f"deployments/{name or self.model}" + (f"/{verb}" if verb else "")
        options = {"json": body} if method != "DELETE" else {}
        return (door or self.door).call(method, path, **options)

    def rollback(self, expect: int = 201, door: Door | None = None, **body: Any) -> Any:
        answer = self.ask("rollback", door, **{"reason": "errors", **body})
        assert answer.status_code == expect, answer.text
        return answer.json()

    def rollback_named(self, name: str) -> None:
        answer = self.ask("rollback", name=name, reason="errors")
        assert answer.status_code == 201, answer.text

    def show(self, name: str = "") -> Any:
        answer = self.door.get(f"deployments/{name or self.model}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def moves(self) -> list[Any]:
        """The oldest first."""
        return [*reversed(self.door.get(f"deployments/{self.model}/moves").json()["items"])]

    def revisions(self) -> list[Any]:
        return [*reversed(self.door.get(f"deployments/{self.model}/revisions").json()["items"])]

    def kinds(self) -> list[str]:
        items = self.door.get(f"models/{self.model}/history?limit=1000").json()["items"]
        return [each["kind"] for each in reversed(items) if each["kind"].startswith("deployment.")]

    def work(self) -> None:
        """What the worker does until the target does what is wanted."""
        for _ in range(6):
            work_off(self.registry.db, deployment_works(self.registry.db, self.targets))
            self.clock.pass_seconds(1)

    def watch(self) -> None:
        running.watch_deployments(self.registry.db, self.targets)
        self.work()

    def quarantine(self, version: int) -> None:
        """As a later scan does that finds something."""

        def judge(tx: Any) -> None:
            model = catalog.find_model(tx, self.registry.root, name_of(self.model))
            found = version_queries.find_by_number(tx, model.id, version)
            assert found is not None
            scans.set_state(tx, found.manifest_id, "dangerous")
            changed = version_queries.find_by_number(tx, model.id, version)
            assert changed is not None
            judging.judge_version(tx, model, changed, SYSTEM, "a later scan says dangerous")

        self.registry.db.write(judge)

    def recall(self, version: int, mode: str = "refuse", expect: int = 200) -> None:
        answer = self.door.call(
            "PUT",
            f"models/{self.model}/versions/{version}/recall",
            json={"mode": mode, "reason": "leaked data"},
        )
        assert answer.status_code == expect, answer.text

    def free(self, version: int) -> None:
        """Archive a version, of which no stage and no deployment is in the way."""
        answer = self.door.call("PATCH", f"models/{self.model}/versions/{version}", json={"archived": True})
        assert answer.status_code == 200, answer.text


@pytest.fixture
def port(own_url: str) -> Iterator[Port]:
    with open_port(own_url) as opened:
        yield opened


@contextmanager
def open_port(own_url: str, *, pages: bool = False) -> Iterator[Port]:
    clock = Clock()
    db = Database(own_url, clock=clock)
    registry = Registry(db)
    with open_door(registry, pages=pages) as door:
        target = ScriptedTarget()
        targets = Targets([target], "http://here")
        door.services.targets = targets  # type: ignore[misc]
        yield Port(registry, door, clock, targets, target)
    db.close()


on_one = pytest.mark.parametrize("own_url", ["sqlite"], indirect=True)
"""For tests whose statements others run on both databases."""


def serving(shown: Any) -> tuple[str, int, str, bool]:
    return shown["version"].rpartition(":")[2], shown["revision"]["number"], shown["state"], shown["held"]


# --- the whole story ----------------------------------------------------------------------------------


def test_deploy_promote_roll_back_and_release(port: Port) -> None:
    port.push()
    made = port.deploy(reason="first")
    assert (made["name"], made["follows"], made["stage"], made["state"]) == (
        port.model, True, "production", "starting"
    )  # fmt: skip
    port.work()
    shown = port.show()
    assert serving(shown) == ("1", 1, "serving", False)
    assert shown["settled"]
    assert shown["url"] == "http://127.0.0.1:4101"
    assert shown["back"] is None
    wanted = port.target.wanted["1"]
    assert (wanted.registry, wanted.cache, wanted.revisions[0].digest) == (
        "http://here",
        "/cache",
        shown["digest"],
    )

    port.push()
    assert serving(port.show()) == ("2", 2, "starting", False), "in the transaction of the promotion"
    port.work()
    shown = port.show()
    assert serving(shown) == ("2", 2, "serving", False)
    assert shown["back"]["number"] == 1
    assert [(r.number, r.role) for r in port.target.wanted["1"].revisions] == [(2, "serving"), (1, "warm")]

    plan = port.door.get(f"deployments/{port.model}/rollback").json()
    assert (plan["before"]["number"], plan["after"]["number"], plan["holds"], plan["is_warm"]) == (
        2,
        1,
        True,
        True,
    )
    held = port.rollback()
    assert serving(held) == ("1", 1, "starting", True)
    assert (held["held_by"], held["held_reason"]) == ("root", "errors")
    port.work()
    shown = port.show()
    assert serving(shown) == ("1", 1, "serving", True)
    assert [
        (m["kind"], m["before"], m["after"], m["by"], m["dropped"], m["milliseconds"]) for m in port.moves()
    ] == [
        ("deploy", None, 1, "root", 0, 1.5),
        ("promote", 1, 2, "root", 0, 1.5),
        ("rollback", 2, 1, "root", 0, 1.5),
    ]

    released = port.ask("release", reason="fixed").json()
    assert serving(released) == ("2", 2, "starting", False), "the revision that was good is used again"
    port.work()
    assert serving(port.show()) == ("2", 2, "serving", False)
    assert len(port.revisions()) == 2
    assert port.kinds() == [
        "deployment.created", "deployment.revised", "deployment.swapped",
        "deployment.revised", "deployment.swapped",
        "deployment.rolled_back", "deployment.held", "deployment.swapped",
        "deployment.revised", "deployment.released", "deployment.swapped",
    ]  # fmt: skip


@on_one
def test_another_version_in_the_stage_ends_the_hold(port: Port) -> None:
    port.push()
    port.deploy()
    port.work()
    port.push()
    port.work()
    port.rollback()
    port.work()
    port.push()
    assert serving(port.show()) == ("3", 3, "starting", False)
    port.work()
    assert port.show()["back"]["version"] == 1, "the one that was rolled back is not returned to"


def test_rolling_back_with_the_stage_holds_nothing(port: Port) -> None:
    port.push(2)
    port.deploy(":1")
    port.work()
    port.deploy(":2")
    port.deploy("@production", name="other")
    port.work()
    shown = port.rollback(stage=True)
    assert serving(shown)[:2] == ("1", 1)
    assert (shown["held"], shown["standing"]) == (False, 1)
    other = port.show(f"{port.space}/other")
    assert serving(other) == ("1", 2, "starting", False), "a follower of the stage goes with it"
    assert other["last"]["kind"] == "stage"


@on_one
def test_the_rollback_of_a_stage_points_its_followers_at_the_revision_that_was_good(port: Port) -> None:
    port.push()
    port.deploy()
    port.work()
    port.push()
    port.work()
    answer = port.door.call(
        "POST", f"models/{port.model}/stages/production/rollback", json={"reason": "errors"}
    )
    assert answer.status_code == 201, answer.text
    port.work()
    assert serving(port.show()) == ("1", 1, "serving", False)
    assert len(port.revisions()) == 2


@on_one
def test_one_that_does_not_follow_stays(port: Port) -> None:
    port.push()
    port.deploy("@production", follow=False)
    port.push()
    assert serving(port.show())[:2] == ("1", 1)
    port.deploy("@production")
    shown = port.show()
    assert (serving(shown)[:2], shown["held"]) == (("2", 2), False)
    followed = port.ask("", method="PATCH", follow=True).json()
    assert followed["follows"]


@on_one
def test_deploying_by_hand_against_the_stage_holds(port: Port) -> None:
    port.push(2)
    port.deploy("@production")
    shown = port.deploy(":1", reason="compare")
    assert (shown["held"], shown["held_reason"], shown["standing"]) == (True, "compare", 2)
    again = port.deploy(":2")
    assert not again["held"]


# --- admission ----------------------------------------------------------------------------------------

SPOILED: dict[str, tuple[Callable[[Port, int], Any], str]] = {
    "never promoted": (lambda port, version: None, "version_not_admitted"),
    "only in staging": (lambda port, version: port.promote(version, "staging"), "version_not_admitted"),
    "quarantined": (lambda port, version: (port.promote(version), port.promote(1), port.quarantine(version)), "version_quarantined"),
    "recalled": (lambda port, version: (port.promote(version), port.promote(1), port.recall(version)), "version_recalled"),
    "archived": (lambda port, version: (port.promote(version), port.promote(1), port.free(version)), "version_archived"),
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILED)
def test_what_is_not_admitted_is_deployed_by_nothing(port: Port, how: str) -> None:
    spoil, code = SPOILED[how]
    port.push()
    port.deploy()
    port.push(promote=False)
    spoil(port, 2)
    before = port.show()["generation"]
    body = assert_problem(port.door.call("POST", "deployments", json={"version": f"{port.model}:2"}), 409, code)
    assert f"{port.model}:2" in body["detail"]
    assert_problem(
        port.door.call("POST", "deployments", json={"version": f"{port.model}:2", "name": "other"}), 409, code
    )
    assert port.show()["generation"] == before
    assert_problem(port.door.get(f"deployments/{port.space}/other"), 404, "deployment_not_found")


@pytest.mark.parametrize("how", ["quarantined", "recalled", "archived"])
def test_no_way_leads_back_to_what_is_not_admitted_any_more(port: Port, how: str) -> None:
    """By `--to`, without a target, by the plan, and at the start."""
    port.push()
    port.deploy()
    port.work()
    for _ in range(2):
        port.push()
        port.work()
    # Revision 2 was good; version 3 serves now.
    {"quarantined": port.quarantine, "recalled": port.recall, "archived": port.free}[how](2)
    body = assert_problem(port.ask("rollback", reason="errors", to=2), 409, f"version_{how}")
    assert f"{port.model}:2" in body["detail"]
    plan = port.door.get(f"deployments/{port.model}/rollback").json()
    assert plan["after"]["number"] == 1
    assert len(plan["passed_over"]) == 1
    assert f"{port.model}:2" in plan["passed_over"][0]
    assert port.rollback()["revision"]["number"] == 1
    port.work()
    assert [r.number for r in port.target.wanted["1"].revisions] == [1, 3]


@on_one
def test_a_version_is_asked_about_at_each_start(port: Port) -> None:
    port.push()
    port.deploy()
    port.quarantine(1)
    port.work()
    shown = port.show()
    assert (shown["state"], port.target.calls) == ("failed", [])
    assert "quarantine" in shown["state_reason"]
    assert shown["alarm"]


# --- what serves is withdrawn -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["quarantined", "recalled"])
@pytest.mark.parametrize("on_recall", ["alarm", "swap"])
def test_what_serves_is_withdrawn(port: Port, how: str, on_recall: str) -> None:
    port.push()
    port.deploy(on_recall=on_recall)
    port.work()
    port.push()
    port.work()
    {"quarantined": port.quarantine, "recalled": port.recall}[how](2)
    port.work()
    shown = port.show()
    assert "deployment.alarmed" in port.kinds()
    if on_recall == "alarm":
        assert serving(shown) == ("2", 2, "serving", False)
        assert f"{port.model}:2" in shown["alarm"]
        return
    assert serving(shown) == ("1", 1, "serving", True)
    assert (shown["alarm"], shown["held_by"], shown["last"]["kind"], shown["last"]["by"]) == (
        None, None, "recall", None
    )  # fmt: skip
    assert f"{port.model}:2" in shown["held_reason"]


def test_a_recall_that_only_warns_and_one_that_is_lifted(port: Port) -> None:
    port.push()
    port.deploy()
    port.work()
    port.recall(1, mode="warn")
    assert port.show()["alarm"] is None
    port.recall(1)
    assert "leaked data" in port.show()["alarm"]
    assert port.door.call("DELETE", f"models/{port.model}/versions/1/recall").status_code == 200
    assert port.show()["alarm"] is None
    assert port.kinds()[-2:] == ["deployment.alarmed", "deployment.cleared"]


@on_one
def test_without_a_way_back_the_alarm_says_so(port: Port) -> None:
    port.push()
    port.deploy(on_recall="swap")
    port.work()
    port.recall(1)
    port.work()
    shown = port.show()
    assert serving(shown)[:2] == ("1", 1)
    assert "no earlier revision" in shown["alarm"]


def test_what_serves_or_stays_warm_is_not_deleted(port: Port) -> None:
    port.push()
    port.deploy()
    port.work()
    port.push()
    port.work()
    port.push(promote=False)
    port.promote(3)
    port.rollback(expect=409, from_revision=2)
    port.work()
    # Version 3 serves, 2 is warm, 1 is neither.
    for version in (3, 2):
        body = assert_problem(
            port.door.call("DELETE", f"models/{port.model}/versions/{version}"), 409, "has_dependents"
        )
        assert port.model in body["detail"]
    assert "warm revision" in body["detail"]
    port.ask("", method="DELETE")
    port.work()
    assert port.target.states == {}
    assert_problem(port.door.get(f"deployments/{port.model}"), 404, "deployment_not_found")
    assert port.deploy()["revision"]["number"] == 1, "the name is free"


# --- two people ---------------------------------------------------------------------------------------


def test_two_rollbacks_at_once_are_one(port: Port) -> None:
    for _ in range(3):
        port.push()
        port.deploy()
        port.work()
    answers: list[Any] = []

    def roll() -> None:
        answers.append(port.ask("rollback", reason="errors", from_revision=3))

    threads = [threading.Thread(target=roll) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert_problem(refused, 409, "deployment_moved")
    assert [move["kind"] for move in port.moves()].count("rollback") == 1
    assert port.show()["revision"]["number"] == 2


def test_deploying_while_promoting_keeps_both(port: Port) -> None:
    port.push(2)
    port.deploy("@production")
    for _ in range(3):
        port.door.register(port.model)
    failures: list[str] = []

    def promote(version: int) -> None:
        answer = port.door.call(
            "POST", f"models/{port.model}/promotions", json={"version": version, "stage": "production"}
        )
        if answer.status_code >= 400 and answer.json()["code"] not in ("alias_moved", "changed_meanwhile"):
            failures.append(answer.text)

    def deploy() -> None:
        answer = port.door.call("POST", "deployments", json={"version": f"{port.model}:1"})
        if answer.status_code >= 400 and answer.json()["code"] != "changed_meanwhile":
            failures.append(answer.text)

    threads = [threading.Thread(target=promote, args=(n,)) for n in (3, 4, 5)] + [
        threading.Thread(target=deploy)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    moves, shown = port.moves(), port.show()
    assert [move["generation"] for move in moves] == [*range(1, len(moves) + 1)]
    assert [move["before"] for move in moves[1:]] == [move["after"] for move in moves[:-1]]
    assert shown["revision"]["number"] == moves[-1]["after"]
    assert shown["held"] == (shown["standing"] != shown["revision"]["version"])


# --- faults -------------------------------------------------------------------------------------------


def test_a_revision_that_cannot_start_goes_back_by_itself(port: Port) -> None:
    port.push()
    port.deploy()
    port.work()
    port.target.fails[f"{port.model}:2"] = "no environment: numpy 9 does not exist"
    port.push()
    port.work()
    shown = port.show()
    assert serving(shown) == ("1", 1, "serving", True)
    assert (shown["held_by"], shown["standing"]) == (None, 2)
    assert "revision 2 could not start: no environment: numpy 9" in shown["held_reason"]
    failed = port.revisions()[1]
    assert (failed["state"], failed["state_reason"]) == ("failed", "no environment: numpy 9 does not exist")
    assert [(m["kind"], m["after"], m["by"]) for m in port.moves()][-1] == ("return", 1, None)
    assert_problem(port.ask("rollback", reason="no", to=2), 409, "conflict")
    del port.target.fails[f"{port.model}:2"]
    assert serving(port.ask("release").json()) == ("2", 3, "starting", False), (
        "it is tried again as a new revision"
    )
    port.work()
    assert serving(port.show()) == ("2", 3, "serving", False)


@on_one
def test_a_first_revision_that_cannot_start_fails(port: Port) -> None:
    port.push()
    port.target.fails[f"{port.model}:1"] = "no environment"
    port.deploy()
    port.work()
    shown = port.show()
    assert serving(shown) == ("1", 1, "failed", False)
    assert "revision 1 could not start: no environment" in shown["state_reason"]
    port.watch()
    assert open_jobs(port.registry.db, "deploy") == [], "nobody decided yet"
    port.target.fails.clear()
    port.deploy()
    port.work()
    assert serving(port.show()) == ("1", 2, "serving", False)


@on_one
def test_a_program_that_died_is_started_again(port: Port) -> None:
    port.push()
    port.deploy()
    port.work()
    port.target.kill("1")
    port.watch()
    assert serving(port.show()) == ("1", 1, "serving", False)
    assert port.kinds()[-2:] == ["deployment.swapped", "deployment.mended"]
    assert [m["kind"] for m in port.moves()] == ["deploy"]


@on_one
@pytest.mark.parametrize("how", ["recorded", "not admitted", "without a note", "at the same time"])
def test_what_was_changed_at_the_target_while_the_server_was_away(port: Port, how: str) -> None:
    port.push()
    port.deploy()
    port.work()
    port.push()
    port.work()
    if how == "not admitted":
        port.recall(1)
    state = port.target.states["1"]
    state.generation, state.serving = 3, 1
    if how != "without a note":
        port.target.away = AwayRollback(
            generation=3,
            deployment=port.model,
            before=2,
            after=1,
            version=f"{port.model}:1",
            by="ada",
            reason="errors",
        )
    if how == "at the same time":
        port.ask("", method="PATCH", replicas=2)
        assert port.show()["generation"] == 3
    port.watch()
    shown = port.show()
    assert shown["settled"]
    if how == "recorded":
        assert serving(shown) == ("1", 1, "serving", True)
        assert "by ada on here, while the registry was away: errors" in shown["held_reason"]
        assert (port.moves()[-1]["kind"], shown["generation"]) == ("rollback", 3)
    else:
        assert serving(shown) == ("2", 2, "serving", False)
        assert port.target.states["1"].serving == 2
        assert "deployment.mended" in port.kinds()


@on_one
def test_a_program_that_ends_at_once_is_not_started_in_a_loop(port: Port) -> None:
    port.push()
    port.target.dies = True
    port.deploy()
    port.work()
    assert len(port.target.calls) <= 3
    assert "ended at once: the log of 1" in port.show()["state_reason"]
    port.target.dies = False
    port.clock.pass_seconds(10)
    port.work()
    assert port.show()["settled"]


@on_one
def test_a_target_that_is_away_decides_nothing(port: Port) -> None:
    port.push()
    port.deploy()
    port.target.is_away = True
    port.work()
    shown = port.show()
    assert (shown["state"], shown["settled"]) == ("starting", False)
    assert "it is away" in shown["state_reason"]
    where = tokens.c.name.like("deployment %")
    query = sa.select(tokens.c.id).where(where, tokens.c.revoked_at.is_(None))
    assert port.registry.db.read(lambda tx: tx.rows(query)) == [], "no token is left that nothing has"
    port.target.is_away = False
    port.clock.pass_seconds(10)
    port.work()
    assert port.show()["settled"]


def test_a_lost_job_is_queued_again_and_reports_are_stored(port: Port) -> None:
    port.push()
    made = port.deploy()
    port.registry.db.write(lambda tx: _cancel_jobs(tx))
    port.watch()
    assert port.show()["settled"]
    port.target.states["1"].revisions[0].requests = 42
    port.clock.pass_seconds(20)
    port.watch()
    assert port.show()["requests"] == 42
    assert made["requests"] is None


def _cancel_jobs(tx: Any) -> None:
    tx.execute(jobs.update().where(jobs.c.kind == "deploy").values(state="cancelled"))
    tx.leaves_rights = True


# --- changes and rights -------------------------------------------------------------------------------


def test_scale_stop_and_start(port: Port) -> None:
    port.push()
    port.deploy()
    port.work()
    assert_problem(port.ask("", method="PATCH", replicas=0), 400, "invalid")
    assert_problem(port.ask("", method="PATCH"), 400, "invalid")
    port.ask("", method="PATCH", replicas=3, public=True)
    port.work()
    wanted = port.target.wanted["1"]
    assert (wanted.replicas, wanted.public, wanted.generation) == (3, True, 2)
    assert port.moves()[-1]["reason"] == "1 to 3 replicas, public: true"
    assert port.ask("stop", reason="night").json()["state"] == "stopping"
    port.push()
    port.work()
    shown = port.show()
    assert (serving(shown)[:3], shown["url"], port.target.running) == (("2", 2, "stopped"), None, set())
    port.ask("start")
    port.work()
    assert serving(port.show()) == ("2", 2, "serving", False)
    assert port.target.wanted["1"].port == 4101, "callers find it at the same address"


ROLES = (Role.AUDITOR, Role.READER, Role.CONTRIBUTOR, Role.MAINTAINER)


def test_rights_by_verb_and_role(port: Port) -> None:
    port.push()
    port.deploy()
    port.push()
    port.work()
    stranger = port.door.as_(port.door.token_of(port.registry.user()))
    for role, door in [(None, stranger), *((role, port.member(role)) for role in ROLES)]:
        writes = {
            "deploy": port.door.as_(door.token).call(
                "POST", "deployments", json={"version": f"{port.model}:2"}
            ),
            "scale": port.ask("", door, "PATCH", replicas=2),
            "rollback": port.ask("rollback", door, reason="r", to=2),
            "plan": door.get(f"deployments/{port.model}/rollback"),
            "release": port.ask("release", door),
            "stop": port.ask("stop", door),
            "start": port.ask("start", door),
            "log": door.get(f"deployments/{port.model}/log"),
        }
        denied = {verb for verb, answer in writes.items() if answer.status_code in (403, 404)}
        assert denied == (set() if role is Role.MAINTAINER else {*writes}), (role, denied)
        shown = door.get(f"deployments/{port.model}").status_code
        assert shown == (404 if role is None else 200)
        predicting = door.get(f"deployments/{port.model}/predicting").status_code
        assert predicting == (404 if role is None else 403 if role is Role.AUDITOR else 204), role
    for path in ("", "/rollback", "/revisions", "/moves", "/log", "/state", "/predicting"):
        assert port.door.get(f"deployments/{port.model}{path}", token=None).status_code == 401, path
    port.ask("", method="PATCH", public=True)
    assert port.door.get(f"deployments/{port.model}/predicting", token=None).status_code == 204


@on_one
def test_a_token_that_only_predicts(port: Port) -> None:
    port.push()
    port.deploy()
    made = port.door.token_of(port.registry.root, permissions=["deployment.predict"], namespace=port.space)
    caller = port.door.as_(made)
    assert caller.get(f"deployments/{port.model}/predicting").status_code == 204
    assert caller.get(f"deployments/{port.model}").status_code in (403, 404)


def test_the_token_of_the_program_reads_its_model_and_nothing_else(port: Port) -> None:
    port.push()
    port.deploy()
    port.work()
    program = port.door.as_(port.target.tokens["1"])
    assert program.get(f"models/{port.model}/versions/1").status_code == 200
    assert program.get(f"models/{port.model}/versions/1/manifest").status_code == 200
    port.door.register(f"{port.space}/other")
    assert program.get(f"models/{port.space}/other/versions/1").status_code == 404
    assert port.ask("rollback", program, reason="r").status_code == 403
    assert program.get("tokens").status_code == 403
    answer = port.door.call("POST", f"models/{port.model}/rename", json={"to": f"{port.space}/renamed"})
    assert answer.status_code in (200, 201), answer.text
    port.work()
    again = port.door.as_(port.target.tokens["1"])
    assert again.get(f"models/{port.space}/renamed/versions/1").status_code == 200
    assert program.get(f"models/{port.space}/renamed/versions/1").status_code == 401
    port.ask("", method="DELETE")
    port.work()
    assert again.get(f"models/{port.space}/renamed/versions/1").status_code == 401


def test_names(port: Port) -> None:
    port.push()
    port.deploy()
    made = port.deploy(name="cards")
    assert made["name"] == f"{port.space}/cards"
    assert port.door.get("deployments/cards").json()["name"] == f"{port.space}/cards"
    body = assert_problem(port.door.get(f"deployments/{port.space}"), 400, "invalid")
    assert f"{port.space}/cards" in body["detail"]
    port.ask("", method="DELETE", name=f"{port.space}/cards")
    assert port.door.get(f"deployments/{port.space}").json()["name"] == port.model, (
        "the only one of its namespace"
    )
    assert_problem(port.door.get("deployments/nothing"), 404, "deployment_not_found")
    port.deploy(name="elsewhere/cards", expect=400)
    port.door.register(f"{port.space}/other")
    answer = port.door.call(
        "POST",
        f"models/{port.space}/other/promotions",
        json={"version": 1, "stage": "production"},
    )
    assert answer.json()["outcome"] == "done"
    taken = port.door.call(
        "POST", "deployments", json={"version": f"{port.space}/other@production", "name": "scorer"}
    )
    assert_problem(taken, 409, "conflict")
    listed = port.door.get(f"deployments?namespace={port.space}").json()["items"]
    assert [each["name"] for each in listed] == [port.model]
    assert port.door.get(f"deployments?model={port.model}&version=1").json()["items"][0]["name"] == port.model
    assert port.door.get(f"deployments?model={port.model}&version=2").json()["items"] == []


@on_one
def test_a_server_without_targets_says_so(port: Port) -> None:
    port.push()
    port.door.services.targets = Targets([], "http://here")
    body = assert_problem(
        port.door.call("POST", "deployments", json={"version": f"{port.model}:1"}), 409, "conflict"
    )
    assert "local_deployments" in body["fix"]


@on_one
def test_a_model_that_serves_is_not_deleted(port: Port) -> None:
    port.push()
    port.deploy()
    port.push(promote=False)
    port.door.call("POST", f"models/{port.model}/stages/production/demote", json={})
    body = assert_problem(port.door.call("DELETE", f"models/{port.model}"), 409, "has_dependents")
    assert "modelyard deployment ls" in body["fix"]


# --- pages --------------------------------------------------------------------------------------------


@pytest.fixture
def pages(port: Port) -> Iterator[Visitor]:
    with open_door(port.registry, pages=True) as door:
        door.services.targets = port.targets
        yield Visitor.of(door, port.registry.root)


@on_one
def test_pages_deploy_roll_back_and_release(port: Port, pages: Visitor) -> None:
    assert "No deployments yet" in pages.html("/deployments")
    port.push()
    assert f"/deployments/new?version={port.model}%3A1" in pages.html(
        f"/models/{port.model}/versions/1"
    ).replace("%2F", "/")
    made = pages.send(
        "/deployments/new", "/deployments/new", version=f"{port.model}@production", reason="first"
    )
    assert made.status_code == 303, made.text
    here = f"/deployments/{port.model}"
    assert made.headers["location"].startswith(here)
    port.work()
    assert "there is none to return to yet" in pages.html(here)
    refused = pages.send("/deployments/new", "/deployments/new", version=f"{port.model}:7")
    assert (refused.status_code, "has no version" in refused.text or "no version" in refused.text) == (
        404,
        True,
    )
    port.push()
    port.work()
    page = pages.html(here)
    assert "Roll back to v1" in page
    assert "- version: 1" in page
    assert "+ version: 2" in page
    assert "http://127.0.0.1:4101/predict" in page
    form = pages.html(f"{here}/rollback")
    assert "Roll back" in form
    assert "Also move the stage production back to v1" in form
    assert "Takes milliseconds" in form
    assert pages.send(f"{here}/rollback", f"{here}/rollback", reason="").status_code == 400
    late = pages.send(f"{here}/rollback", f"{here}/rollback", reason="errors", **{"from": "1"})
    assert (late.status_code, "has moved" in late.text) == (409, True)
    done = pages.send(f"{here}/rollback", f"{here}/rollback", reason="errors doubled", **{"from": "2"})
    assert done.status_code == 303, done.text
    port.work()
    for path in (here, "/deployments"):
        assert "errors doubled" in pages.html(path)
    assert "held by root" in pages.html(f"/models/{port.model}")
    assert "Held" in pages.html(f"/models/{port.model}/versions/1")
    for verb in ("release", "scale", "stop", "start", "remove"):
        answer = pages.send(here, f"{here}/{verb}", **({"replicas": "2"} if verb == "scale" else {}))
        assert answer.status_code == 303, f"{verb}: {answer.text[:300]}"
        port.work()
    assert "No deployments yet" in pages.html("/deployments")


@on_one
def test_pages_say_what_needs_a_decision_first_and_readers_see_no_buttons(port: Port, pages: Visitor) -> None:
    port.push()
    port.deploy(name="aaa")
    port.deploy(name="zzz")
    port.work()
    port.push()
    port.work()
    port.ask("", method="PATCH", name=f"{port.space}/aaa", follow=False)
    port.rollback_named(f"{port.space}/aaa")
    port.work()
    port.recall(2)
    page = pages.html("/deployments")
    assert "1 of 2 are well" in page
    assert page.index(f"{port.space}/zzz") < page.index(f"{port.space}/aaa")
    assert "leaked data" in page
    reader = port.registry.user()
    port.door.call("PUT", f"namespaces/{port.space}/members/{reader.name}", json={"role": "reader"})
    seen = Visitor.of(pages.door, reader)
    for path in ("/deployments", f"/deployments/{port.space}/zzz"):
        text = seen.html(path)
        assert "leaked data" in text
        assert "/rollback" not in text
        assert "/stop" not in text
