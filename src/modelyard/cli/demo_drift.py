"""The demo's thread: callers change, and the registry trains, gates and deploys the next version by itself.

The rows are made up from a fixed seed: amounts of card payments, first of one country, then of a dearer one.
"""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from modelyard.domain.errors import Conflict, ExtraMissing

if TYPE_CHECKING:
    from modelyard.sdk.client import Client

T = TypeVar("T")
WINDOW_SECONDS = 5
SHIFT = 1.5
_ROWS, _REQUEST_ROWS = 4000, 300
_PAUSE_SECONDS = 0.5
_SOURCE = '''\
"""Train on the payments of this week: the same as before, but dearer."""
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import modelyard as my

rng = np.random.default_rng({seed})
rows = {rows}
frame = pd.DataFrame({{"amount": rng.lognormal(3.0 + {shift}, 0.6, rows), "age": rng.uniform(18, 90, rows)}})
fraud = (frame["amount"] > np.exp(4.0 + {shift})).astype(int)
half = rows // 2
my.log_dataset(frame[:half], name="payments", namespace="{namespace}", split="train")
model = LogisticRegression(max_iter=1000).fit(frame[:half], fraud[:half])
my.log_metrics({{"accuracy": float(model.score(frame[half:], fraud[half:]))}})
'''
_RECIPE = """\
version: 1
model: {model}
train: python train.py
promote: {{to: production}}
"""
_POLICY = """\
version: 1
stages: [{name: production}]
promote:
  - to: production
    complete: automatically
    rules:
      - metric: {name: accuracy, min: 0.7}
"""


def tell_drift(client: Client, namespace: str, say: Callable[[str], None], patience_seconds: float) -> None:
    """Go through the whole thread, and say at each step what happened and how to undo it. Raises Conflict if a step does not come."""
    try:
        from sklearn.linear_model import LogisticRegression

        import modelyard as my
        from modelyard.sdk.datasets import tables  # noqa: F401 - needs what describing needs
    except ImportError as exc:
        raise ExtraMissing(what="the demo", package="scikit-learn", extra="demo") from exc
    model = f"{namespace}/drift"
    frame, fraud = _payments(0.0, 1)
    half = len(frame) // 2
    trained = LogisticRegression(max_iter=1000).fit(frame[:half], fraud[:half])
    accuracy = float(trained.score(frame[half:], fraud[half:]))
    pushed = client.push(
        trained,
        model,
        example=frame.head(),
        data=my.describe(frame[:half], name="payments", split="train"),
        metrics={"accuracy": accuracy},
    )
    client.policies.set(model, _POLICY)
    client.promotions.promote(pushed.reference, "production")
    say(f"{pushed.reference} is trained on this year's payments, and in production")
    client.deploy(f"{model}@production", public=True, reason="demo")
    client.monitoring.edit(
        model, window=f"{WINDOW_SECONDS}s", least_rows=500, over=2, of=3, newer_data=False, cool_down="1h"
    )

    def until(what: str, holds: Callable[[], T | None], between: Callable[[], Any] = lambda: None) -> T:
        ends = time.monotonic() + patience_seconds
        while not (found := holds()):
            if time.monotonic() > ends:
                raise Conflict(
                    reason=f"{what} did not come within {patience_seconds:g} s",
                    fix=f"Look at it with: modelyard monitor show {model}",
                )
            between()
            time.sleep(_PAUSE_SECONDS)
        return found

    served = client.deployments.wait(model, patience_seconds)
    if served.url is None:
        raise Conflict(
            reason=f"{model} does not answer: {served.state_reason}", fix=f"modelyard deployment log {model}"
        )
    say(f"{model} answers at {served.url}; undo: modelyard deployment stop {model}")
    schedule = _add_trigger(client, model)
    say(f"a build starts when it needs retraining: schedule {schedule}; undo: modelyard schedule rm {schedule}")
    until(
        "the first window",
        lambda: [w for w in client.monitoring.get(model).windows if w.state == "judged"],
        lambda: _call(served.url, _payments(0.0, 2)[0]),
    )
    say("the callers are those of the training: no column is over its limit")
    until(
        "the drift",
        lambda: client.monitoring.get(model).needs_retraining,
        lambda: _call(served.url, _payments(SHIFT, 3)[0]),
    )
    for reason in client.monitoring.get(model).reasons:
        say(
            f"{model} needs retraining: {reason.words}, {reason.value} over {reason.limit} in {reason.windows} windows; "
            f"undo: modelyard monitor edit {model} --limit 10"
        )
    (build,) = until("the build", lambda: [*client.builds.list(model=model, limit=1)])
    say(f"build {build.id[:12]} started by itself; undo: modelyard builds cancel {build.id[:12]}")
    ended = until(
        "the end of the build",
        lambda: found if (found := client.builds.get(build.id)).ended_at is not None else None,
        lambda: _call(served.url, _payments(SHIFT, 4)[0]),
    )
    if ended.status != "succeeded":
        raise Conflict(
            reason=f"the build {ended.status}: {ended.reason}", fix=f"modelyard builds show {build.id}"
        )
    say(f"{ended.version} met the gate of production; undo: modelyard rollback {model} production")
    now = until(
        "the new version",
        lambda: (
            found if (found := client.deployments.get(model)).settled and found.revision.number > 1 else None
        ),
    )
    dropped = 0 if now.last is None or now.last.dropped is None else now.last.dropped
    say(f"{model} serves {now.version}, {dropped} requests were dropped; undo: modelyard rollback {model}")
    until("the end of the need", lambda: client.monitoring.get(model).needs_retraining is None)
    say(f"{model} does not need retraining any more")


def _payments(shift: float, seed: int) -> tuple[Any, Any]:
    import numpy as np

    pd: Any = import_module("pandas")

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"amount": rng.lognormal(3.0 + shift, 0.6, _ROWS), "age": rng.uniform(18, 90, _ROWS)})
    return frame, (frame["amount"] > np.exp(4.0 + shift)).astype(int)


def _call(url: str | None, rows: Any) -> None:
    body = json.dumps(rows.head(_REQUEST_ROWS).to_dict("records")).encode()
    request = urllib.request.Request(f"{url}/predict", data=body, headers={"content-type": "application/json"})  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        answer.read()


def _add_trigger(client: Client, model: str) -> int:
    with tempfile.TemporaryDirectory(prefix="modelyard-demo-") as folder:
        (Path(folder) / "modelyard.yaml").write_text(_RECIPE.format(model=model))
        source = _SOURCE.format(seed=5, rows=_ROWS, shift=SHIFT, namespace=model.partition("/")[0])
        (Path(folder) / "train.py").write_text(source)
        return client.schedules.add(folder, on_retraining=model).id
