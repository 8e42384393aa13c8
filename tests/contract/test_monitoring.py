"""Monitoring through the native door, on both databases: parts exactly once, windows judged once, the need to retrain entered once."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

import modelyard as my
from modelyard.db.tables import observations
from modelyard.domain.actor import Role
from modelyard.registry.monitoring import judging
from tests.contract.test_deployments import Port
from tests.contract.test_deployments import port as port
from tests.support.door import Door, Visitor, open_door

WINDOW = 60


def frame(count: int, shift: float = 0.0, seed: int = 1) -> pd.DataFrame:
    chance = random.Random(f"{seed}-{count}-{shift}")
    return pd.DataFrame(
        {
            "amount": [chance.gauss(shift, 1.0) for _ in range(count)],
            "kind": [chance.choice(["a", "b", "c"]) for _ in range(count)],
        }
    )


class Watched:
    """A deployed version with training data, and its windows."""

    def __init__(self, port: Port, **settings: Any) -> None:
        self.port = port
        self.training = my.describe(frame(2000), name="transactions")
        port.door.send(self.training.profile)
        self.push()
        port.deploy()
        port.work()
        self.edit(**{"window": f"{WINDOW}s", "newer_data": False, **settings})
        port.work()
        self.start = port.clock.now // 1_000_000 // WINDOW * WINDOW + WINDOW

    @property
    def door(self) -> Door:
        return self.port.door

    def push(self) -> None:
        made = self.door.register(self.port.model, facts={"data": [self.training.entry]})
        self.port.promote(made["version"])

    def edit(self, expect: int = 200, **settings: Any) -> Any:
        answer = self.door.call("PATCH", f"deployments/{self.port.model}/monitor", json=settings)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def send(
        self,
        rows: pd.DataFrame | None,
        part: str = "a-1",
        start: int | None = None,
        door: Door | None = None,
        expect: int = 200,
        revision: int = 1,
        **counts: Any,
    ) -> Any:
        count = 0 if rows is None else len(rows)
        body: dict[str, Any] = {"seconds": WINDOW, "requests": count, "rows": count, "codes": {"200": count}}
        if rows is not None:
            profile = my.describe(rows, name="observed", keep_values=False).profile
            body["profile"] = base64.b64encode(profile).decode()
        at = self.start if start is None else start
        path = f"deployments/{self.port.model}/observations/{revision}/{at}/{part}"
        answer = (door or self.door).call("PUT", path, json={**body, **counts})
        assert answer.status_code == expect, answer.text
        return answer.json()

    def judge(self) -> int:
        return judging.judge_windows(self.port.registry.db, self.door.services.blobs)

    def close(self) -> int:
        """Let the window end, judge it, and begin the next one."""
        self.port.clock.now = (self.start + WINDOW + 10) * 1_000_000
        self.start += WINDOW
        return self.judge()

    def see(self) -> Any:
        answer = self.door.get(f"deployments/{self.port.model}/monitor")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def parts(self) -> int:
        query = sa.select(sa.func.count()).select_from(observations)
        return int(self.port.registry.db.read(lambda tx: tx.execute(query).scalar_one()))

    def retraining_events(self) -> list[str]:
        return [kind for kind in self.port.kinds() if "retraining" in kind]


def needs_of(door: Door, port: Port, kind: str) -> list[str]:
    """What waits for the account of that kind in the space of the port."""
    found = door.get("needs?limit=100").json()["items"]
    return [each["words"] for each in found if each["kind"] == kind and each["model"].startswith(port.space)]


def over(columns: Sequence[Any]) -> list[str]:
    return [each["name"] for each in columns if each["verdict"] == "over"]


def test_a_part_counts_once_however_often_it_is_sent(port: Port) -> None:
    watched = Watched(port)
    assert watched.send(frame(600))["outcome"] == "stored"
    assert watched.send(frame(600))["outcome"] == "replaced"
    assert watched.send(frame(400, seed=2), "b-1", errors=3)["outcome"] == "stored"
    assert watched.close() == 1
    (window,) = watched.see()["windows"]
    assert (window["state"], window["rows"], window["requests"], window["errors"]) == ("judged", 1000, 1000, 3)
    assert window["codes"] == {"200": 1000}
    assert watched.send(frame(50), "c-1", start=watched.start - WINDOW)["outcome"] == "closed"
    assert watched.see()["windows"] == [window]


def test_a_window_is_judged_once_by_many_and_after_every_stop(port: Port) -> None:
    watched = Watched(port)
    watched.send(frame(600, 2.0))
    watched.port.clock.now = (watched.start + WINDOW + 10) * 1_000_000
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: watched.judge(), range(4))) == 1
    assert watched.judge() == 0
    shown = watched.see()
    assert over(shown["columns"]) == ["amount"]
    column = shown["columns"][0]
    assert (column["reference"], column["side"], column["type"]) == ("training", "input", "float")
    assert len(column["before"]) == len(column["after"]) == 10
    assert all(label.startswith("class ") for each in shown["columns"] for label in each["labels"]), "no values"


def test_three_of_five_windows_decide_and_the_state_is_entered_and_left_once(port: Port) -> None:
    watched = Watched(port)
    for shift in (0.0, 2.0, 2.0, 0.0):
        watched.send(frame(600, shift))
        watched.close()
    assert watched.see()["needs_retraining"] is None
    assert watched.retraining_events() == []
    for _ in range(2):
        watched.send(frame(600, 2.0))
        watched.close()
    shown = watched.see()
    assert shown["needs_retraining"] is not None
    (reason,) = shown["reasons"]
    assert (reason["reason"], reason["windows"], reason["limit"]) == ("inputs", "4 of 5", "0.25")
    assert reason["words"] == "inputs drift: amount"
    assert reason["value"].startswith("PSI ")
    judging.review_deployments(port.registry.db)
    assert watched.retraining_events() == ["deployment.needs_retraining"]
    assert needs_of(port.member(Role.MAINTAINER), port, "retraining") == [f"{port.model} needs retraining"]
    assert needs_of(port.member(Role.CONTRIBUTOR), port, "retraining") == []
    ann = port.registry.user()
    path = f"namespaces/{port.space}/members/{ann.name}"
    assert port.door.call("PUT", path, json={"role": "maintainer"}).status_code == 204
    with open_door(port.registry, pages=True) as door:
        home = Visitor.of(door, ann).see("/")
    assert home.status_code == 200, home.text
    assert f'href="/monitoring/{port.model}"' in home.text
    listed = port.door.get("monitoring?limit=100").json()
    assert [each["name"] for each in listed["items"] if each["needs_retraining"]] == [port.model]

    watched.push()
    port.work()
    judging.review_deployments(port.registry.db)
    shown = watched.see()
    assert (shown["needs_retraining"], shown["reasons"], shown["version"]) == (None, [], f"{port.model}:2")
    assert needs_of(port.door, port, "retraining") == []
    assert watched.retraining_events() == ["deployment.needs_retraining", "deployment.retraining_not_needed"]
    for _ in range(3):
        watched.send(frame(600, 2.0), revision=2)
        watched.close()
    shown = watched.see()
    assert shown["needs_retraining"] is None, "it rests"
    assert [each["reason"] for each in shown["reasons"]] == ["inputs"]
    assert shown["rests_until"] is not None
    port.clock.pass_seconds(86_400)
    judging.review_deployments(port.registry.db)
    assert watched.see()["needs_retraining"] is not None
    assert len(watched.retraining_events()) == 3


def test_small_windows_are_judged_together_and_old_parts_are_deleted(port: Port) -> None:
    watched = Watched(port)
    states = []
    for number in range(3):
        watched.send(frame(200, 2.0, seed=number))
        watched.close()
        states.append(watched.see()["windows"][0]["state"])
    assert states == ["small", "small", "judged"]
    shown = watched.see()
    assert over(shown["columns"]) == ["amount"]
    assert (shown["windows"][0]["start"], shown["windows"][0]["rows"]) == (shown["windows"][2]["start"], 200)
    for number in range(6):
        watched.send(frame(600, seed=number))
        watched.close()
    assert watched.parts() == 4, "those of the first judged window, and of the last one"


def test_outputs_without_training_data_are_compared_with_the_first_window(port: Port) -> None:
    watched = Watched(port, over=1, of=1)
    for shift in (0.0, 0.0, 2.0):
        rows = frame(600)
        rows["output:prediction"] = frame(600, shift, seed=9)["amount"]
        watched.send(rows)
        watched.close()
    shown = watched.see()
    found = next(each for each in shown["columns"] if each["side"] == "output")
    assert (found["name"], found["reference"], found["verdict"]) == ("prediction", "first", "over")
    assert [each["reason"] for each in shown["reasons"]] == ["outputs"]


def test_silence_is_said_and_counts_alone_are_a_gap(port: Port) -> None:
    watched = Watched(port)
    assert watched.see()["state"] == "waiting"
    watched.send(None, requests=10, not_described=10, durations=[0, 9, 1])
    watched.close()
    shown = watched.see()
    assert shown["state"] == "watched"
    assert (shown["windows"][0]["state"], shown["windows"][0]["p50_ms"]) == ("counted", 10.0)
    assert any("only counts" in gap for gap in shown["gaps"])
    port.clock.pass_seconds(4 * WINDOW)
    assert watched.see()["state"] == "silent"
    port.push()
    assert any("no training data" in gap for gap in watched.see()["gaps"])


def test_a_limit_of_a_column_and_newer_data_and_age_are_reasons(port: Port) -> None:
    watched = Watched(port, over=1, of=1, limits={"amount": 50.0})
    watched.send(frame(600, 2.0))
    watched.close()
    assert watched.see()["reasons"] == []
    watched.edit(limits={"amount": None}, newer_data=True, max_age="1d")
    other = my.describe(frame(300), name="transactions")
    space = port.space
    port.door.send(other.profile)
    sent = port.door.call("POST", f"namespaces/{space}/datasets", json={"entry": other.entry})
    assert sent.status_code in (200, 201), sent.text
    port.clock.pass_seconds(2 * 86_400)
    judging.review_deployments(port.registry.db)
    found = watched.see()["reasons"]
    assert [each["reason"] for each in found] == ["age", "data"]
    assert all(each["command"] for each in found)
    watched.edit(over=4, of=3, expect=400)
    watched.edit(window="1s", expect=400)
    watched.edit(limit=-1, expect=400)
    watched.edit(expect=400)


def test_only_its_own_token_and_those_who_may_report(port: Port) -> None:
    watched = Watched(port)
    port.deploy("@production", name="other")
    port.work()
    own, others = (port.door.as_(port.target.tokens[key]) for key in sorted(port.target.tokens))
    rows = frame(20)
    assert watched.send(rows, door=own)["outcome"] == "stored"
    watched.send(rows, door=others, expect=404)
    watched.send(rows, door=port.member(Role.READER), expect=403)
    assert watched.send(rows, "monitor-1", door=port.member(Role.CONTRIBUTOR))["outcome"] == "stored"
    refused = own.call("PATCH", f"deployments/{port.model}/monitor", json={"over": 1})
    assert refused.status_code == 403
    for wrong in (
        {"start": watched.start + 1},
        {"start": watched.start + 100 * WINDOW},
        {"part": "UPPER"},
        {"requests": -1},
        {"profile": base64.b64encode(b"nothing").decode()},
    ):
        watched.send(rows, **{"expect": 400, **wrong})  # type: ignore[arg-type]
    watched.send(rows, revision=9, expect=404)


def test_production_versions_that_no_deployment_serves_are_named(port: Port) -> None:
    port.push()
    assert f"{port.model}:1" in port.door.get("monitoring").json()["unwatched"]
    port.deploy()
    assert f"{port.model}:1" not in port.door.get("monitoring").json()["unwatched"]


def test_an_unwatched_version_waits_for_who_may_deploy_it_where_others_are_deployed(port: Port) -> None:
    port.push()
    maintainer, contributor = port.member(Role.MAINTAINER), port.member(Role.CONTRIBUTOR)
    assert needs_of(maintainer, port, "unwatched") == []
    other = replace(port, model=f"{port.space}/other")
    other.push()
    other.deploy()
    words = [f"{port.model} v1 in production is not watched"]
    assert needs_of(maintainer, port, "unwatched") == words
    assert needs_of(contributor, port, "unwatched") == []
    port.deploy()
    assert needs_of(maintainer, port, "unwatched") == []


@pytest.mark.parametrize("word", ["deployment", "version"])
def test_the_figures_name_drift(port: Port, word: str) -> None:
    watched = Watched(port)
    watched.send(frame(600, 2.0))
    watched.close()
    text = port.door.call("GET", "/metrics").text
    line = next(line for line in text.splitlines() if "drift_psi{" in line and port.model in line)
    assert f'{word}="' in line
