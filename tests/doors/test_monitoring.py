"""A real front whose callers change: the drift is found, the need to retrain is entered once, and a build starts by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import urllib3
from sklearn.linear_model import LogisticRegression

import modelyard as my
from modelyard.sdk.client import Client
from tests.doors.test_deployments import end_all
from tests.support.server import running_server

MODEL = "fraud/scorer"
WINDOW = "5s"
PATIENCE_SECONDS = 120.0


def rows_of(count: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(count)
    return pd.DataFrame({"amount": rng.normal(shift, 1.0, count), "age": rng.uniform(18, 90, count)})


def wait_for(holds: Callable[[], Any], between: Callable[[], Any] = lambda: None) -> Any:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < ends, "it does not come true"
        between()
        time.sleep(0.3)
    return found


def push(client: Client) -> None:
    frame = rows_of(1000)
    model = LogisticRegression(max_iter=500).fit(frame, (frame.amount > 0).astype(int))
    pushed = client.push(
        model, MODEL, example=frame.head(), data=my.describe(frame, name="transactions", split="train")
    )
    client.promotions.promote(f"{MODEL}:{pushed.version}", "production")


def test_drift_is_found_and_a_build_starts_by_itself(tmp_path: Path) -> None:
    (tmp_path / "modelyard.yaml").write_text(f"version: 1\nmodel: {MODEL}\ntrain: echo trained > model.onnx\n")
    with running_server() as server, server.client() as client:
        try:
            push(client)
            client.deploy(f"{MODEL}@production", public=True)
            client.monitoring.edit(MODEL, window=WINDOW, least_rows=500, over=2, of=3)
            added = server.run("schedule", "add", str(tmp_path), "--on-retraining", MODEL)
            assert added.returncode == 0, added.stderr
            assert f"when {MODEL} needs retraining" in added.stderr
            url = client.deployments.wait(MODEL, PATIENCE_SECONDS).url
            assert url is not None

            def call(shift: float) -> None:
                rows = rows_of(250, shift).to_dict("records")
                assert urllib3.request("POST", f"{url}/predict", json=rows).status == 200

            def judged() -> list[Any]:
                return [each for each in client.monitoring.get(MODEL).windows if each.state == "judged"]

            wait_for(judged, lambda: call(0.0))
            seen = client.monitoring.get(MODEL)
            assert {each.name: each.verdict for each in seen.columns if each.side == "input"} == {
                "amount": "stable",
                "age": "stable",
            }
            assert [each.name for each in seen.columns if each.side == "output"] == ["prediction"]
            assert seen.windows[0].codes.keys() == {"200"}
            assert (seen.needs_retraining, seen.gaps) == (None, [])

            wait_for(lambda: client.monitoring.get(MODEL).needs_retraining, lambda: call(3.0))
            reason = client.monitoring.get(MODEL).reasons[0]
            assert (reason.words, reason.command) == ("inputs drift: amount", f"modelyard retrain {MODEL}:1")
            (build,) = wait_for(lambda: [*client.builds.list(model=MODEL)])
            assert build.schedule == int(added.stdout)
            (firing,) = client.schedules.firings(int(added.stdout))
            assert firing.cause.startswith(f"{MODEL} needs retraining: inputs drift: amount")
            wait_for(lambda: client.builds.get(build.id).ended_at)
            kinds = [each.kind for each in client.models.history(MODEL) if "retraining" in each.kind]
            assert kinds == ["deployment.needs_retraining"]

            shown = server.run("monitor", "show", MODEL)
            assert "inputs drift: amount" in shown.stdout
            assert "inputs drift" in server.run("monitor", "ls").stdout
            edited = server.run("monitor", "edit", MODEL, "--column", "amount=5", "--max-age", "90d")
            assert "amount 5" in edited.stdout, edited.stderr
        finally:
            end_all(client)
