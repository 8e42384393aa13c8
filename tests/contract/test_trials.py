"""Canaries and shadows through the native door, on both databases, with a target in memory; the worker is called by the tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from modelyard.domain.actor import Role
from modelyard.domain.judging import latency_bucket
from modelyard.wire.scorer import MinuteFigures, ShadowFigures
from tests.contract.test_deployments import Port, open_port
from tests.support.clock import Clock
from tests.support.door import Visitor, assert_problem

FAST = str(latency_bucket(0.01))


@pytest.fixture
def port(own_url: str) -> Iterator[Port]:
    with open_port(own_url, pages=True) as opened:
        yield opened


def start(port: Port, version: int, role: str = "canary", expect: int = 201, **body: Any) -> Any:
    answer = port.ask("trials", version=f"{port.model}:{version}", role=role, **body)
    assert answer.status_code == expect, answer.text
    return answer.json()


def trials(shown: Any) -> list[tuple[str, int, int]]:
    return [(each["role"], each["version"], each["weight"]) for each in shown["trials"]]


def minutes(clock: Clock, requests: int, errors: int = 0, count: int = 1, bucket: str = FAST) -> list[Any]:
    """The last minutes, each with as many requests."""
    present = clock() // 60_000_000
    return [
        MinuteFigures(start=start, requests=requests, errors=errors, latency={bucket: requests})
        for start in range(present - count + 1, present + 1)
    ]


def served(port: Port) -> None:
    """v1 serves and is held there; v2, the version in the stage, can be tried."""
    port.push()
    port.deploy()
    port.work()
    port.push()
    port.work()
    port.rollback()
    port.work()


def roles(port: Port) -> dict[str, tuple[str, int]]:
    key = next(iter(port.target.wanted))
    return {
        each.role: (each.reference.rpartition(":")[2], each.weight)
        for each in port.target.wanted[key].revisions
    }


# --- the story ---------------------------------------------------------------------------------------------


def test_a_canary_is_tried_raised_and_serves(port: Port) -> None:
    served(port)
    found = start(port, 2, weight=10, sticky="X-User-Id", reason="new features")
    assert trials(found) == [("canary", 2, 10)]
    assert found["version"].endswith(":1")
    port.work()
    assert roles(port)["canary"] == ("2", 10)
    assert roles(port)["serving"][0] == "1"
    key = next(iter(port.target.wanted))
    assert [each.sticky for each in port.target.wanted[key].revisions if each.role == "canary"] == ["x-user-id"]
    answer = port.ask("trials/canary", method="PATCH", weight=25, from_weight=10)
    assert trials(answer.json()) == [("canary", 2, 25)]
    assert_problem(port.ask("trials/canary", method="PATCH", weight=50, from_weight=10), 409, "conflict")
    port.work()
    assert roles(port)["canary"] == ("2", 25)
    done = port.ask("finish", reason="it is better")
    assert done.status_code == 201, done.text
    port.work()
    shown = port.show()
    assert (shown["version"][-2:], shown["trials"], shown["held"], shown["state"]) == (
        ":2",
        [],
        False,
        "serving",
    )
    assert roles(port) == {"serving": ("2", 100), "warm": ("1", 100)}
    kinds = [(move["kind"], move["tried"], move["weight"]) for move in port.moves()][-3:]
    assert kinds == [("canary", 3, 10), ("weight", 3, 25), ("finish", None, None)]
    assert [kind for kind in port.kinds() if "trial" in kind] == [
        "deployment.trial_started", "deployment.trial_weighed", "deployment.trial_ended",
    ]  # fmt: skip
    # The way back is the one that served before.
    assert port.rollback()["version"].endswith(":1")


def test_a_rollback_ends_a_canary_and_the_next_one_goes_further_back(port: Port) -> None:
    served(port)
    port.push()
    port.work()
    start(port, 2)
    port.work()
    plan = port.door.get(f"deployments/{port.model}/rollback").json()
    assert (plan["before"]["version"], plan["after"]["version"], plan["is_warm"]) == (2, 3, True)
    found = port.rollback(reason="users complain")
    assert (found["version"][-2:], found["trials"]) == (":3", [])
    port.work()
    assert "canary" not in roles(port)
    assert port.rollback()["version"].endswith(":1"), "v2 was rolled back from, so that v1 is the last good one"


def test_a_deployment_that_lost_its_canary_is_held_against_its_stage(port: Port) -> None:
    served(port)
    port.ask("release")
    port.work()
    port.rollback(reason="first")
    port.work()
    start(port, 2)
    found = port.ask("trials/canary/drop", reason="too slow").json()
    assert (found["held"], found["trials"]) == (True, [])
    assert_problem(port.ask("trials/canary/drop"), 409, "conflict")
    assert_problem(port.ask("finish"), 409, "conflict")


def test_what_cannot_be_tried_is_refused(port: Port) -> None:
    served(port)
    port.push(promote=False)
    assert_problem(port.ask("trials", version=f"{port.model}:1", role="canary"), 409, "conflict")
    for body in (
        {"role": "boss"}, {"weight": 101}, {"weight": -1}, {"steps": [5, 1]}, {"sticky": "two words"}, {"auto": True},
        {"role": "shadow", "steps": [1]}, {"step_minutes": 0, "steps": [1]}, {"role": "shadow", "weight": 0},
    ):  # fmt: skip
        answer = port.ask("trials", version=f"{port.model}:2", **{"role": "canary", **body})
        assert answer.status_code in (400, 422), (body, answer.text)
    start(port, 2)
    answer = port.ask("trials", version=f"{port.model}:2", role="canary")
    assert_problem(answer, 409, "conflict")
    port.ask("stop")
    assert port.ask("trials", version=f"{port.model}:2", role="shadow").status_code == 409


@pytest.mark.parametrize(
    ("stage", "role", "expected"),
    [
        (None, "canary", 409), (None, "shadow", 409), ("development", "canary", 409), ("development", "shadow", 409),
        ("staging", "canary", 409), ("staging", "shadow", 201), ("production", "canary", 201), ("production", "shadow", 201),
    ],
)  # fmt: skip
def test_admission_of_trials(port: Port, stage: str | None, role: str, expected: int) -> None:
    port.push()
    port.deploy(follow=False)
    port.work()
    port.push(promote=False)
    if stage is not None:
        port.promote(2, stage)
    answer = port.ask("trials", version=f"{port.model}:2", role=role)
    assert answer.status_code == expected, answer.text
    if expected == 409:
        assert_problem(answer, 409, "version_not_admitted")
        return
    # Who may try: those who may deploy.
    for member, code in ((Role.READER, 403), (Role.CONTRIBUTOR, 403), (Role.MAINTAINER, 200)):
        door = port.member(member)
        assert port.ask(f"trials/{role}", door, "PATCH", weight=50).status_code == code
        assert port.ask(f"trials/{role}/drop", door).status_code == code
    # Once recalled, held in quarantine or archived, nothing is tried.
    port.recall(2)
    assert port.ask("trials", version=f"{port.model}:2", role=role).status_code == 409


@pytest.mark.parametrize("role", ["canary", "shadow"])
def test_a_trial_ends_when_its_version_is_withdrawn(port: Port, role: str) -> None:
    served(port)
    start(port, 2, role)
    port.work()
    assert role in roles(port)
    port.recall(2)
    shown = port.show()
    assert (shown["trials"], shown["alarm"]) == ([], None)
    port.work()
    assert role not in roles(port)
    assert port.moves()[-1]["kind"] == "recall"


def test_what_is_tried_is_not_deleted(port: Port) -> None:
    served(port)
    port.push()
    port.work()
    start(port, 2, "shadow")
    port.work()
    answer = port.door.call("DELETE", f"models/{port.model}/versions/2", json={"reason": "old"})
    assert answer.status_code == 409, answer.text
    assert f"the trial {port.model}" in answer.text


# --- the judge ---------------------------------------------------------------------------------------------


def test_a_bad_canary_ends_by_itself_and_says_why(port: Port) -> None:
    served(port)
    start(port, 2)
    port.work()
    port.target.minutes = {1: minutes(port.clock, 900), 3: minutes(port.clock, 100, errors=30)}
    port.watch()
    shown = port.show()
    assert (shown["trials"], shown["version"][-2:], shown["held"]) == ([], ":1", True)
    move = port.moves()[-1]
    assert (move["kind"], move["by"], move["tried"]) == ("judged", None, 3)
    assert "errors 30 % against 0 %, limit +2 %" in move["reason"]
    assert [each["state"] for each in port.revisions()] == ["good", "good", "bad"]
    assert port.kinds()[-1] == "deployment.trial_ended"
    port.work()
    assert "canary" not in roles(port)


def test_steps_go_on_by_themselves_and_stop_where_it_is_not_clear(port: Port) -> None:
    served(port)
    start(port, 2, steps=[5, 50, 100], step_minutes=6, auto=True)
    port.work()
    port.watch()
    assert trials(port.show()) == [("canary", 2, 5)]
    port.clock.pass_seconds(400)
    port.watch()
    (trial,) = port.show()["trials"]
    assert (trial["weight"], trial["outcome"]) == (5, "inconclusive")
    assert "0 of 200 requests answered by the new revision" in trial["paused"]
    assert port.kinds().count("deployment.trial_paused") == 1
    port.watch()
    assert port.kinds().count("deployment.trial_paused") == 1
    # Enough requests: it goes on, and starts to count again.
    port.target.minutes = {1: minutes(port.clock, 900, count=6), 3: minutes(port.clock, 100, count=6)}
    port.watch()
    (trial,) = port.show()["trials"]
    assert (trial["weight"], trial["paused"]) == (50, "")
    port.clock.pass_seconds(361)
    port.target.minutes = {1: minutes(port.clock, 900, count=6), 3: minutes(port.clock, 100, count=6)}
    port.watch()
    port.work()
    shown = port.show()
    assert (shown["version"][-2:], shown["trials"]) == (":2", [])
    assert [(move["kind"], move["by"]) for move in port.moves()[-2:]] == [("weight", None), ("finish", None)]


def test_without_auto_the_last_step_waits_for_somebody(port: Port) -> None:
    served(port)
    start(port, 2, steps=[50, 100], step_minutes=6)
    port.work()
    port.clock.pass_seconds(361)
    port.target.minutes = {1: minutes(port.clock, 900, count=6), 3: minutes(port.clock, 900, count=6)}
    port.watch()
    (trial,) = port.show()["trials"]
    assert (trial["weight"], trial["outcome"]) == (50, "good")
    assert "modelyard deployment finish" in trial["paused"]


def test_a_canary_that_cannot_start_ends(port: Port) -> None:
    served(port)
    port.target.fails[f"{port.model}:2"] = "no environment"
    start(port, 2)
    port.work()
    port.watch()
    assert port.show()["trials"] == []
    assert port.revisions()[-1]["state"] == "failed"
    assert "no environment" in port.moves()[-1]["reason"]


@pytest.mark.parametrize("guard", [0, 10])
def test_a_guarded_new_revision_is_taken_back(port: Port, guard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import tests.support.targets as targets
    from modelyard.domain.times import time_text

    port.push()
    port.deploy()
    port.work()
    for _ in range(2):
        changed = port.ask("", method="PATCH", guard_minutes=guard, least_requests=100).json()
    assert (changed["guard_minutes"], changed["limits"]["requests"]) == (guard, 100)
    assert port.kinds().count("deployment.edited") == 1
    assert port.ask("", method="PATCH", latency_ratio=0.5).status_code == 400
    port.push()
    monkeypatch.setattr(targets, "STARTED", time_text(port.clock()))
    port.work()
    assert port.show()["version"].endswith(":2")
    port.clock.pass_seconds(60)
    before = minutes(port.clock, 500, count=4)[:2]
    port.target.minutes = {1: before, 2: minutes(port.clock, 100, errors=50)}
    port.watch()
    shown = port.show()
    if not guard:
        assert shown["version"].endswith(":2")
        return
    assert (shown["version"][-2:], shown["held"], shown["held_by"]) == (":1", True, None)
    assert port.moves()[-1]["kind"] == "judged"
    assert "errors 50 % against 0 %" in shown["held_reason"]
    assert shown["back"] is None, "one that was worse is not a way back"


# --- the page ----------------------------------------------------------------------------------------------


def test_the_page_shows_both_and_acts(port: Port) -> None:
    served(port)
    start(port, 2, steps=[10, 60, 100], step_minutes=1, sticky="x-user-id")
    port.push(promote=False)
    port.promote(3, "staging")
    start(port, 3, "shadow", weight=50)
    port.work()
    port.clock.pass_seconds(61)
    port.target.minutes = {
        1: minutes(port.clock, 900, 9),
        3: minutes(port.clock, 100, 1),
        4: minutes(port.clock, 9),
    }
    key = next(iter(port.target.states))
    shadow = next(each for each in port.target.states[key].revisions if each.role == "shadow")
    shadow.shadow = ShadowFigures(sent=9, compared=9, agreed=8, largest_difference=0.25)
    port.watch()
    page = f"/deployments/{port.model}"
    visitor = Visitor.of(port.door, port.registry.root)
    html = visitor.html(page)
    for words in ("10 % canary", "Canary against stable", "not clear yet", "100 of 200 requests answered by", "paused",
                  "88.89 % of 9 rows", "Let v2 serve", 'value="60"', "sticky by x-user-id"):  # fmt: skip
        assert words in html, words
    reader = Visitor.of(port.door, port.registry.user())
    assert reader.see(page).status_code == 404
    assert visitor.send(page, f"{page}/weight", role="canary", weight="60", **{"from": "10"}).status_code == 303
    assert trials(port.show())[0] == ("canary", 2, 60)
    assert visitor.send(page, f"{page}/drop", role="shadow").status_code == 303
    assert visitor.send(page, f"{page}/finish", **{"from": "3"}).status_code == 303
    assert (port.show()["version"][-2:], port.show()["trials"]) == (":2", [])
    port.work()
    assert "changed the share of" in visitor.html(page)
    assert "got from its canary" in visitor.html("/deployments")


# --- comparing, races --------------------------------------------------------------------------------------


def test_comparing_a_canary_and_a_shadow(port: Port) -> None:
    served(port)
    assert port.door.get(f"deployments/{port.model}/comparison").status_code == 404
    start(port, 2)
    port.work()
    port.target.minutes = {1: minutes(port.clock, 900, 9), 3: minutes(port.clock, 100, 1)}
    port.clock.pass_seconds(16)
    port.watch()
    found = port.door.get(f"deployments/{port.model}/comparison").json()
    assert (found["stable"]["requests"], found["tried"]["requests"], found["outcome"]) == (
        900,
        100,
        "inconclusive",
    )
    assert found["tried"]["error_low"] < 0.01 < found["tried"]["error_high"]
    assert found["stable"]["p99_ms"] == pytest.approx(10)
    assert [each["what"] for each in found["findings"]] == ["errors", "latency"]


def test_two_people_set_the_weight_and_one_rolls_back(port: Port) -> None:
    served(port)
    start(port, 2)
    done: list[int] = []

    def weigh(weight: int) -> None:
        done.append(port.ask("trials/canary", method="PATCH", weight=weight, from_weight=10).status_code)

    def back() -> None:
        done.append(port.ask("rollback", reason="race").status_code)

    threads = [threading.Thread(target=weigh, args=(weight,)) for weight in (20, 30, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [200, 409, 409], "one of them saw what was there"
    done.clear()
    present = trials(port.show())[0][2]
    threads = [threading.Thread(target=back), threading.Thread(target=weigh, args=(99,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert present in (20, 30, 40)
    assert sorted(done) == [201, 409]
    assert port.show()["trials"] == []
    generations = [move["generation"] for move in port.moves()]
    assert generations == sorted(set(generations))
