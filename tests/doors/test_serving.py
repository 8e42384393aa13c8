"""From a push to a rolled-back deployment with everything real: server, front, workers, callers."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from modelyard.wire.deployments import Deployment
from tests.support.scorer import Load
from tests.support.server import RunningServer, running_server

NOT_FOUND = 4
MODEL, NAME = "fraud/scorer", "fraud/cards"
ROW = {"age": 41.5, "income": 2.0}


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running
        with running.client() as client:
            for each in client.deployments.list():
                client.deployments.remove(each.name)
            wait_until(lambda: not list(client.deployments.list()), "a front did not end")


def wait_until(holds: Callable[[], Any], what: str) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def push(server: RunningServer, strength: float) -> str:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"age": rng.uniform(20, 80, 200), "income": rng.uniform(1, 9, 200)})
    model = LogisticRegression(C=strength).fit(frame, (frame.age > 50).astype(int))
    with server.client() as client:
        version = client.push(model, MODEL, example=frame.head())
        client.promotions.promote(version.reference, "production")
    return version.reference


def predict(port: int, token: str) -> tuple[int, Any, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/predict", json.dumps(ROW), {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.getheader("modelyard-revision")
    finally:
        connection.close()


def test_deploy_follow_roll_back_and_again_without_the_registry(server: RunningServer) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done = server.run(*arguments, env={"MODELYARD_DATA": str(server.data)})
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def found() -> Deployment:
        return client.deployments.get(NAME)

    push(server, 1.0)
    run("deploy", f"{MODEL}@production", "--name", "cards", "--public", "--wait")
    with server.client() as client:
        port = int((found().url or "").rpartition(":")[2])
        assert predict(port, server.token)[2] == "1"
        load = Load(port, "/predict", json.dumps(ROW).encode())
        with load.run():
            load.more(100)
            push(server, 0.1)
            wait_until(lambda: found().settled and found().revision.number == 2, "it did not follow")
            load.more(100)
            assert "revision 2 → 1" in run("rollback", NAME, "--reason", "worse")
            load.more(100)
            server.kill()
            # Back on its own machine: the warm one is revision 2 now.
            said = run("rollback", "cards", "--from", "1", "--reason", "at night")
            assert "revision 1 → 2" in said
            assert "it records this when it is back" in said
            load.more(100)
            assert "has moved" in run("rollback", NAME, "--from", "1", code=1)
            assert "has no such deployment" in run("rollback", "other", code=NOT_FOUND)
        assert load.broken == []
        assert {status for status, _ in load.answers} == {200}
        assert predict(port, server.token)[2] == "2"
        server.start()
        wait_until(lambda: found().revision.number == 2 and found().settled, "the registry was not told")
        moves = list(client.deployments.moves(NAME))
        assert [(m.kind, m.before, m.after) for m in moves] == [
            ("rollback", 1, 2),
            ("rollback", 2, 1),
            ("promote", 1, 2),
            ("deploy", None, 1),
        ]
        assert "at night" in moves[0].reason
        assert "while the registry was away" in moves[0].reason
        assert [m.dropped for m in moves] == [0, 0, 0, 0]
        # Version 2 is in the stage: what serves is what the stage says, so nothing holds it.
        assert not found().held
        assert predict(port, server.token)[2] == "2"
