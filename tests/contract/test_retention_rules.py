"""Retention rules of namespaces: what they retire, what they never touch, and who may set them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.tables import jobs, versions
from modelyard.domain.actor import Actor
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.retention import expiry
from modelyard.worker.works import retention_works
from tests.support.door import Door, assert_problem
from tests.support.jobs import open_jobs, work_off
from tests.support.registry import unique

DAY = 86_400 * MICROSECONDS


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


class Ruled:
    """A model with some versions in a namespace of its own, and the rule of that namespace."""

    def __init__(self, door: Door, model: str) -> None:
        self.door, self.model, self.space = door, model, model.partition("/")[0]
        self.path = f"namespaces/{self.space}/retention"

    def push(self, count: int, **body: Any) -> None:
        for _ in range(count):
            self.door.register(self.model, unique("weights").encode(), **body)

    def set(self, **rule: Any) -> None:
        ok(self.door.call("PUT", self.path, json=rule))

    def plan(self) -> dict[int, tuple[bool, str]]:
        found: dict[int, tuple[bool, str]] = {}
        cursor = ""
        while cursor is not None:
            page = ok(self.door.get(f"{self.path}/plan?limit=2{cursor and '&cursor=' + cursor}"))
            found |= {row["version"]: (row["stays"], row["reason"]) for row in page["items"]}
            cursor = page["next_cursor"]
        return found

    def going(self) -> list[int]:
        return sorted(number for number, (stays, _) in self.plan().items() if not stays)

    def run(self) -> Any:
        return ok(self.door.call("POST", f"{self.path}/run"))

    def states(self) -> dict[int, str]:
        query = f"models/{self.model}/versions?limit=1000&state=ready&state=archived&state=deleted"
        return {row["version"]: row["state"] for row in ok(self.door.get(query))["items"]}

    def age(self, number: int, days: int) -> None:
        """Move the registration of a version into the past."""

        def change(tx: Any) -> None:
            made = versions.c.created_at - days * DAY
            named = sa.and_(versions.c.number == number, versions.c.digest == digest)
            tx.execute(versions.update().where(named).values(created_at=made))

        digest = ok(self.door.get(f"models/{self.model}/versions/{number}"))["digest"]
        self.door.registry.db.write(change)


@pytest.fixture
def ruled(door: Door, model: str) -> Ruled:
    return Ruled(door, model)


def grant(door: Door, space: str, actor: Actor, role: str) -> None:
    answer = door.call("PUT", f"namespaces/{space}/members/{actor.name}", json={"role": role})
    assert answer.status_code in (200, 204), answer.text


def test_the_last_ones_stay_and_the_others_are_archived_with_the_reason(ruled: Ruled) -> None:
    ruled.push(5)
    ruled.set(keep_versions=2)
    assert ruled.plan() == {
        5: (True, "it is among the last 2"),
        4: (True, "it is among the last 2"),
        3: (False, "it is not among the last 2"),
        2: (False, "it is not among the last 2"),
        1: (False, "it is not among the last 2"),
    }
    assert set(ruled.states().values()) == {"ready"}, "a plan changes nothing"
    assert ruled.run()["versions"] == 3
    assert ruled.states() == {1: "archived", 2: "archived", 3: "archived", 4: "ready", 5: "ready"}
    logged = ok(ruled.door.get(f"models/{ruled.model}/history?kind=version.archived"))["items"]
    assert [(event["version"], event["actor"], event["data"]["reason"]) for event in logged] == [
        (number, "root", "retention rule: it is not among the last 2") for number in (1, 2, 3)
    ]
    assert ruled.run()["versions"] == 0
    assert ruled.plan()[1] == (True, "it is archived already")


def test_age_keeps_too_and_deleting_is_chosen(ruled: Ruled) -> None:
    ruled.push(3)
    ruled.age(1, 91)
    ruled.age(2, 89)
    ruled.set(keep_for="90d", action="delete")
    assert ruled.going() == [1]
    ruled.set(keep_for="90d", keep_versions=3, action="delete")
    assert ruled.going() == []
    ruled.set(keep_for="90d", action="delete")
    done = ruled.run()
    assert (done["action"], done["versions"]) == ("delete", 1)
    assert done["size_bytes"] > 0
    assert ruled.states() == {1: "deleted", 2: "ready", 3: "ready"}


def test_more_than_one_batch_goes(ruled: Ruled) -> None:
    ruled.push(25)
    ruled.set(keep_versions=1, action="delete")
    assert ruled.run()["versions"] == 24
    assert [state for state in ruled.states().values() if state != "deleted"] == ["ready"]


def test_what_something_needs_stays(ruled: Ruled) -> None:
    door, model = ruled.door, ruled.model
    ruled.push(8)
    ok(door.call("PUT", f"models/{model}/aliases/champion", json={"version": 1}))
    for number in (2, 3):
        moved = door.call(
            "POST", f"models/{model}/promotions", json={"version": number, "stage": "development"}
        )
        assert moved.status_code in (200, 201), moved.text
    ok(door.call("PUT", f"models/{model}/versions/4/keep", json={"reason": "trial 7"}))
    child = f"{unique('other')}/child"
    parent = {"ref": f"{model}:5", "relation": "finetune"}
    door.register(child, facts={"parents": [parent]})
    ruled.set(keep_versions=1, action="delete")
    plan = ruled.plan()
    assert {number: why for number, (stays, why) in plan.items() if stays} == {
        1: "the alias @champion points at it",
        2: "a rollback of development would return to it",
        3: "it is in the stage @development",
        4: "it is marked to be kept: trial 7",
        5: "1 version came from it",
        8: "it is among the last 1",
    }
    assert ruled.run()["versions"] == 2
    assert [number for number, state in ruled.states().items() if state == "deleted"] == [7, 6]
    # A child that is deleted no longer needs its parent.
    ok(door.call("DELETE", f"models/{child}/versions/1"), 204)
    assert ruled.going() == [5]


def test_an_open_promotion_keeps_its_version(ruled: Ruled) -> None:
    door, model = ruled.door, ruled.model
    ruled.push(3)
    gates = ("{to: development, rules: []}", "{to: staging, rules: [{approvals: {count: 1}}]}")
    policy = f"version: 1\npromote: [{', '.join(gates)}, {{to: production, rules: []}}]"
    put = door.call("PUT", f"namespaces/{ruled.space}/policy", json={"text": policy})
    assert put.status_code in (200, 201), put.text
    opened = door.call(
        "POST", f"models/{model}/promotions", json={"version": 1, "stage": "staging", "request": True}
    )
    assert opened.json()["outcome"] == "open", opened.text
    ruled.set(keep_versions=1)
    assert ruled.plan()[1] == (True, f"promotion {opened.json()['promotion']['id']} of it is open")
    assert ruled.going() == [2]


def test_versions_that_are_not_served_are_none_of_the_last(ruled: Ruled) -> None:
    ruled.push(3)
    ok(
        ruled.door.call(
            "PUT", f"models/{ruled.model}/versions/3/recall", json={"mode": "warn", "reason": "leaked"}
        )
    )
    ruled.set(keep_versions=1)
    assert ruled.going() == [1]


def test_the_queue_carries_it_out_and_comes_back(ruled: Ruled) -> None:
    db = ruled.door.registry.db
    ruled.push(3)
    ruled.set(keep_versions=1)

    def due(tx: Any) -> list[Any]:
        query = sa.select(jobs.c.key, jobs.c.due_at - tx.now, jobs.c.state).where(
            jobs.c.kind == "retention", jobs.c.namespace == ruled.space
        )
        return [tuple(row) for row in tx.rows(query)]

    ((key, wait, state),) = db.read(due)
    assert state == "waiting"
    assert 0 < wait <= expiry.FIRST_WAIT
    assert work_off(db, retention_works(db)) == 0, "there is an hour for a look at the plan"
    assert set(ruled.states().values()) == {"ready"}
    db.write(lambda tx: tx.execute(jobs.update().where(jobs.c.key == key).values(due_at=tx.now)))
    assert work_off(db, retention_works(db)) == 1
    assert ruled.states() == {1: "archived", 2: "archived", 3: "ready"}
    logged = ok(ruled.door.get(f"models/{ruled.model}/history?kind=version.archived"))["items"]
    assert {event["actor"] for event in logged} == {"server"}
    ((key, wait, state),) = db.read(due)
    assert state == "waiting"
    assert wait > expiry.EVERY - 3600 * MICROSECONDS
    # Without a rule the job ends, and with one that has no job a chore makes it.
    ok(ruled.door.call("DELETE", ruled.path), 204)
    db.write(lambda tx: tx.execute(jobs.update().where(jobs.c.key == key).values(due_at=tx.now)))
    assert work_off(db, retention_works(db)) == 1
    assert key not in open_jobs(db, "retention")
    expiry.queue_rules(db)
    assert key not in open_jobs(db, "retention")
    ruled.set(keep_versions=1)
    (job,) = ok(ruled.door.get(f"jobs?namespace={ruled.space}&state=waiting"))["items"]
    ok(ruled.door.call("POST", f"jobs/{job['id']}/cancel"))
    expiry.queue_rules(db)
    assert open_jobs(db, "retention").count(key) == 1


def test_a_rule_is_shown_and_removed_on_record(ruled: Ruled) -> None:
    ruled.push(1)
    door = ruled.door
    nothing = {"namespace": ruled.space, "action": None, "keep_versions": None, "keep_for": None}
    assert ok(door.get(ruled.path)) == nothing
    refused = assert_problem(door.get(f"{ruled.path}/plan"), 404, "no_retention_rule")
    assert f"modelyard retention set {ruled.space}" in refused["fix"]
    assert_problem(door.call("POST", f"{ruled.path}/run"), 404, "no_retention_rule")
    assert_problem(door.call("PUT", ruled.path, json={}), 400, "invalid")
    ruled.set(keep_versions=2, keep_for="2w", action="delete")
    ruled.set(keep_versions=2, keep_for="2w", action="delete")
    shown = {"namespace": ruled.space, "action": "delete", "keep_versions": 2, "keep_for": "2w"}
    assert ok(door.get(ruled.path)) == shown
    ok(door.call("DELETE", ruled.path), 204)
    assert ok(door.get(ruled.path)) == nothing
    logged = ok(door.get(f"audit/events?namespace={ruled.space}&kind=retention.*"))["items"]
    assert [event["kind"] for event in logged] == ["retention.rule_removed", "retention.rule_set"]


def test_only_owners_set_and_run_it(ruled: Ruled) -> None:
    ruled.push(2)
    ruled.set(keep_versions=1)
    door = ruled.door
    other = door.registry.user()
    grant(door, ruled.space, other, "maintainer")
    theirs = door.as_(door.token_of(other))
    assert ok(theirs.get(ruled.path))["keep_versions"] == 1
    for method, path in (("PUT", ""), ("DELETE", ""), ("GET", "/plan"), ("POST", "/run")):
        body = {"json": {"keep_versions": 1}} if method == "PUT" else {}
        assert_problem(theirs.call(method, ruled.path + path, **body), 403, "denied")
    stranger = door.as_(door.token_of(door.registry.user()))
    assert_problem(stranger.get(ruled.path), 404, "namespace_not_found")


def test_a_keep_mark_stops_everybody(ruled: Ruled) -> None:
    door, model = ruled.door, ruled.model
    ruled.push(2)
    keep = f"models/{model}/versions/1/keep"
    assert_problem(door.call("PUT", keep, json={"reason": " "}), 400, "invalid")
    marked = ok(door.call("PUT", keep, json={"reason": "complaint 2026-17"}))
    assert (marked["kept"]["reason"], marked["kept"]["by"]) == ("complaint 2026-17", "root")
    refused = assert_problem(door.call("DELETE", f"models/{model}/versions/1"), 409, "has_dependents")
    assert f"modelyard keep {model}:1 --undo" in refused["fix"]
    refused = assert_problem(door.call("DELETE", f"models/{model}"), 409, "has_dependents")
    assert f"modelyard keep {model}:1 --undo" in refused["fix"]
    # Archiving deletes nothing.
    ok(door.call("PATCH", f"models/{model}/versions/1", json={"archived": True}))
    other = door.registry.user()
    grant(door, ruled.space, other, "contributor")
    theirs = door.as_(door.token_of(other))
    assert_problem(theirs.call("DELETE", f"{keep}?reason=closed"), 403, "denied")
    assert_problem(door.call("DELETE", keep), 400, "invalid")
    assert ok(door.call("DELETE", f"{keep}?reason=closed"))["kept"] is None
    ok(door.call("DELETE", f"models/{model}/versions/1"), 204)
    logged = ok(door.get(f"models/{model}/history?kind=version.k*"))["items"]
    assert [(event["kind"], event["data"]["reason"]) for event in logged] == [
        ("version.keep_ended", "closed"),
        ("version.kept", "complaint 2026-17"),
    ]
