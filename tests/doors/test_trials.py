"""Canaries and shadows of a running server, with its real scorer and scikit-learn models."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from modelyard.sdk.client import Client
from tests.support.scorer import Load
from tests.support.server import RunningServer, running_server

MODEL = "fraud/scorer"
KNOWN = {"age": 41.5, "country": "de"}
NEW = {"age": 71.0, "country": "xx"}
"""A country that training never saw: a model that is strict about it fails."""


@dataclass
class Served:
    server: RunningServer
    client: Client
    port: int

    def ask(self, row: dict[str, Any], **headers: str) -> tuple[int, str, Any]:
        """Return status, revision and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", "/predict", json.dumps(row), named)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, answer.getheader("modelyard-revision", ""), body

    def run(self, *arguments: str) -> str:
        done = self.server.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def until(self, holds: Callable[[], Any], seconds: float = 30) -> Any:
        ends = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < ends, self.client.deployments.get(MODEL)
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """v1 serves. v2 fails on countries that it does not know; v3 answers otherwise, and is in staging."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"age": rng.uniform(20, 80, 200), "country": rng.choice(["de", "fr"], 200)})
    target = (frame.age > 50).astype(int)

    def fitted(unknown: str, strength: float, *, turned: bool = False) -> Any:
        encoder = ColumnTransformer(
            [("country", OneHotEncoder(handle_unknown=unknown), ["country"])], remainder="passthrough"
        )
        return make_pipeline(encoder, LogisticRegression(C=strength, max_iter=2000)).fit(
            frame, 1 - target if turned else target
        )

    with running_server() as server, server.client() as client:
        models = [
            fitted("ignore", 1),
            fitted("error", 1),
            fitted("ignore", 1, turned=True),
        ]
        for number, model in enumerate(models, 1):
            client.push(model, MODEL, example=frame.head())
            client.promotions.promote(f"{MODEL}:{number}", "staging" if number == 3 else "production")
        found = client.deploy(f"{MODEL}:1", public=True, wait_seconds=120)
        assert found.settled, found
        yield Served(server, client, int(str(found.url).rpartition(":")[2]))
        client.deployments.remove(MODEL)
        ends = time.monotonic() + 30
        while [*client.deployments.list()] and time.monotonic() < ends:
            time.sleep(0.1)


def _live(served: Served, number: int) -> bool:
    state: Any = json.loads((next((served.server.data / "deployments").glob("*/state.json"))).read_text())
    return any(each["number"] == number and each["state"] == "ready" for each in state["revisions"])


def test_a_bad_canary_goes_back_by_itself_and_says_why(served: Served) -> None:
    said = served.run("deploy", f"{MODEL}:2", "--canary", "50", "--sticky", "x-user-id", "--wait")
    assert "Canary: v2 (revision 2), 50 % of the requests, sticky by x-user-id" in said
    served.until(lambda: _live(served, 2))
    assert {served.ask(KNOWN, x_canary="always")[1] for _ in range(5)} == {"2"}
    assert {served.ask(KNOWN, x_canary="never")[1] for _ in range(5)} == {"1"}
    sides: dict[int, set[str]] = {}
    answers: Counter[tuple[int, str]] = Counter()
    for turn in range(240):
        status, revision, body = served.ask(NEW, x_user_id=str(turn % 40))
        sides.setdefault(turn % 40, set()).add(revision)
        answers[status, revision] += 1
        if revision == "2" and turn < 40:
            assert status == 500, body
        if turn >= 40 and not served.client.deployments.get(MODEL).trials:
            break
    assert {len(found) for user, found in sides.items()} <= {1, 2}
    assert {status for (status, revision), _ in answers.items() if revision == "1"} == {200}
    found = served.until(lambda: (d := served.client.deployments.get(MODEL)).trials == [] and d)
    move = next(iter(served.client.deployments.moves(MODEL, limit=1)))
    assert (move.kind, move.by, move.tried, found.version) == ("judged", None, 2, f"{MODEL}:1")
    assert "the canary v2 was worse: errors " in move.reason
    assert "limit +2 %" in move.reason
    bad = next(each for each in served.client.deployments.revisions(MODEL) if each.number == 2)
    assert (bad.state, bad.state_reason) == ("bad", move.reason)
    served.client.deployments.wait(MODEL, 20)
    assert {served.ask(NEW, x_user_id=str(user))[:2] for user in range(20)} == {(200, "1")}
    assert "judged 0 %" in served.run("deployment", "history", MODEL)


def test_a_shadow_answers_no_one_and_is_compared(served: Served) -> None:
    assert "is not admitted to production" in str(served.server.run("deploy", f"{MODEL}:3", "--canary").stderr)
    served.run("deploy", f"{MODEL}:3", "--shadow", "--wait")
    served.until(lambda: _live(served, 3))
    given = [served.ask(KNOWN) for _ in range(30)]
    assert {(status, revision, body["prediction"]) for status, revision, body in given} == {(200, "1", 0)}

    def compared() -> Any:
        found = served.client.deployments.compare(MODEL).agreement
        return found if found is not None and found.compared >= 30 else None

    found = served.until(compared, 40)
    assert (found.errors, found.dropped, found.different, found.agreed) == (0, 0, 0, 0)
    assert (found.share, found.largest_difference) == (0, 1)
    assert "0 % of 30 rows agree" in served.run("deployment", "compare", MODEL)
    # It hangs: answers are given as before, and copies are dropped.
    workers = _descendants(_front(served))
    state: Any = _state(served)
    shadow = [pid for pid in workers if pid not in _before]
    for pid in shadow:
        os.kill(pid, signal.SIGSTOP)
    try:
        given = [served.ask(KNOWN) for _ in range(100)]
    finally:
        for pid in shadow:
            os.kill(pid, signal.SIGCONT)
    assert {(status, revision) for status, revision, _ in given} == {(200, "1")}
    served.until(lambda: _shadow(_state(served))["dropped"] == 36, 20)
    assert _shadow(_state(served))["sent"] == _shadow(state)["sent"] + 64
    served.run("deployment", "drop", MODEL, "--shadow")
    assert served.client.deployments.wait(MODEL, 20).trials == []


_before: set[int] = set()


def _front(served: Served) -> int:
    (note,) = (served.server.data / "deployments").glob("*/process")
    return int(note.read_text().split()[0])


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= {int(child)} | _descendants(int(child))
    return found


def _state(served: Served) -> Any:
    from modelyard.wire.scorer import ScorerState

    path = f"/api/v1/deployments/{MODEL}/state"
    return served.client.transport.call("GET", path, returns=ScorerState)


def _shadow(state: Any) -> dict[str, int]:
    found = next(each.shadow for each in state.revisions if each.shadow is not None)
    return {"sent": found.sent, "dropped": found.dropped}


@pytest.fixture(autouse=True)
def _workers_before(served: Served) -> None:
    _before.clear()
    _before.update(_descendants(_front(served)))


def test_weights_change_under_load_without_a_dropped_request(served: Served) -> None:
    load = Load(served.port, "/predict", json.dumps(KNOWN).encode())
    deployments = served.client.deployments
    with load.run():
        served.client.promotions.promote(f"{MODEL}:3", "production")
        started = deployments.try_canary(f"{MODEL}:3", weight=20, wait_seconds=60)
        number = str(started.trials[0].revision)
        served.until(lambda: any(revision == number for _, revision in load.answers))
        for weight in (60, 0, 100, 50):
            deployments.set_weight(MODEL, weight)
            deployments.wait(MODEL, 20)
            load.more(100)
        found = deployments.finish(MODEL, reason="as good", wait_seconds=20)
        load.more(100)
        assert (found.version, found.trials, found.back and found.back.version) == (f"{MODEL}:3", [], 1)
        back = deployments.rollback(MODEL, reason="only a try", wait_seconds=20)
        load.more(100)
    assert back.version == f"{MODEL}:1"
    assert load.broken == []
    assert {status for status, _ in load.answers} == {200}
    assert {revision for _, revision in load.answers} == {"1", number}
    assert back.last is not None
    assert back.last.dropped == 0
