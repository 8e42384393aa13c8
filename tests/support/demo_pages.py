"""The registry in the pictures of docs/ui: `modelyard demo`, with people, a policy, promotions, runs and a dataset."""

from __future__ import annotations

import sys
from pathlib import Path

from modelyard.sdk.client import Client
from modelyard.wire.versions import LogQuery
from tests.support.server import RunningServer

MODEL = "demo/breast-cancer"
POLICY = """
version: 1
stages: [staging, production]
promote:
  - to: staging
    rules: []
  - to: production
    rules:
      - metric: {name: accuracy, split: test, min: 0.9}
      - card: {}
      - approvals: {count: 1, group: risk}
"""
PAGES = {
    "home": "/",
    "models": "/models",
    "model": f"/models/{MODEL}",
    "version": f"/models/{MODEL}/versions/3",
    "compare": f"/models/{MODEL}/compare?v=1&v=2&v=3",
    "model-about": f"/models/{MODEL}/about",
    "model-activity": f"/models/{MODEL}/activity",
    "catalogue": "/catalogue",
    "catalogue-model": f"/catalogue/{MODEL}",
    "version-files": f"/models/{MODEL}/versions/3/files",
    "version-card": f"/models/{MODEL}/versions/3/card",
    "version-evidence": f"/models/{MODEL}/versions/3/evidence",
    "recall": f"/models/{MODEL}/versions/2/recall",
    "rollback": f"/models/{MODEL}/stages/production/rollback",
    "approvals": "/approvals",
    "runs": "/runs",
    "datasets": "/datasets",
    "builds": "/builds",
    "pools": "/pools",
    "schedules": "/schedules",
    "schedule-new": "/schedules/new",
    "lineage": f"/lineage?node={MODEL}:3",
    "audit": f"/audit?stage=production&at=2091-01-01&model={MODEL}",
    "settings": "/settings",
    "settings-members": "/settings/members?of=demo",
    "settings-namespace": "/settings/namespaces/demo",
    "settings-accounts": "/settings/accounts",
    "settings-group": "/settings/accounts/risk",
    "settings-policy": "/settings/policies/demo",
    "settings-subscriptions": "/settings/subscriptions?of=demo",
    "settings-publishers": "/settings/publishers?of=demo",
    "settings-globals": "/settings/globals?of=demo",
    "measures": "/settings/measures",
}
_SCRIPT = """
import math, modelyard as my
my.log_params({"depth": DEPTH, "rate": 0.1})
for n in range(200):
    my.log_metric("train:loss", 1 / (1 + n / (10 * DEPTH)) + 0.02 * math.sin(n), n)
    my.log_metric("test:loss", 1.1 / (1 + n / (9 * DEPTH)) + 0.03 * math.cos(n), n)
print("trained")
"""


_RECIPE = """
version: 1
model: demo/patients
params: {depth: 5}
train: python train.py --depth {depth}
result: model
resources: {cpu: 2, memory: 1GB}
"""
_TRAINING = """
import argparse, json, pathlib, time
import modelyard as my
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
depth = parser.parse_args().depth
kept = []
for epoch in range(1, 49):
    kept.append(bytearray(2_000_000))
    loss = 1 / (1 + epoch * depth / 40)
    print(f"epoch {epoch}/48  loss {loss:.4f}  valid {loss * 1.06:.4f}", flush=True)
    if epoch % 16 == 0:
        print("warning: no gain of 0.0005 in 3 epochs, patience 8", flush=True)
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        sum(n * n for n in range(5000))
if depth < 0:
    raise ValueError("depth is negative")
my.log_metric("accuracy", 0.9 + depth / 100)
pathlib.Path("model").mkdir()
pathlib.Path("model/weights.json").write_text(json.dumps([depth, loss]))
"""


def fill_builds(client: Client, folder: Path) -> dict[str, str]:
    """Build three times, for half a minute: one that succeeds, one that fails, and one that is still running; and schedule the
    first. Returns name → path of their pages."""
    source = folder / "patients"
    source.mkdir()
    (source / "modelyard.yaml").write_text(_RECIPE)
    (source / "train.py").write_text(_TRAINING)
    made, failed = (client.builds.submit(source, params={"depth": depth}) for depth in (5, -2))
    for each in (made, failed):
        for _ in client.builds.follow(each.id):
            pass
    schedule = client.schedules.add(build=made.id, cron="30 2 * * *", zone="Europe/Berlin")
    running = client.builds.submit(source, params={"depth": 7})
    while client.builds.get(running.id, wait_seconds=5).step != "train":
        pass
    return {
        "build": f"/builds/{made.id}",
        "build-failed": f"/builds/{failed.id}?step=train",
        "build-running": f"/builds/{running.id}",
        "schedule": f"/schedules/{schedule.id}",
    }


def fill(server: RunningServer, folder: Path, *, only: str | None = None) -> dict[str, str]:
    """Fill it, and return name → path of the pages whose addresses are known only afterwards.

    only: MODEL, to train no other model of the demo; None: train all.
    """

    client = server.client()
    for name in ("mara", "jonas"):
        client.accounts.create(name)
    client.accounts.create("risk", kind="group")
    client.groups.add("risk", "mara")
    client.namespaces.create("demo")
    client.namespaces.grant("demo", "jonas", "maintainer")
    client.namespaces.grant("demo", "mara", "owner")
    client.policies.set("demo", POLICY)
    # By jonas: an account counts as the one that made it, so of root's own versions mara would be an author.
    token = client.tokens.create("jonas", owner="jonas").token
    jonas = server.client(token)
    mara = server.client(client.tokens.create("mara", owner="mara").token)

    def run(*words: str) -> None:
        done = server.run(*words, env={"MODELYARD_SERVER": server.url, "MODELYARD_TOKEN": token})
        assert done.returncode == 0, f"{words}: {done.stderr}"

    run("demo", *([] if only is None else ["--only", only.partition("/")[2]]))
    for number in (2, 3, 1):
        jonas.promotions.promote(f"{MODEL}:{number}", "staging", reason="nightly training")
        asked = jonas.promotions.request(f"{MODEL}:{number}", "production", reason="better on the test split")
        assert asked.promotion is not None
        if number != 1:
            mara.promotions.approve(asked.promotion.id, comment="Reviewed the errors by age group.")
            jonas.promotions.promote(f"{MODEL}:{number}", "production")
    jonas.comments.write(MODEL, "Version 3 is the first one with calibrated probabilities. @mara please look.")
    client.models.edit(MODEL, visibility="public")
    rows = folder / "patients.csv"
    rows.write_text(
        "age,radius,site\n"
        + "".join(
            f"{20 + n % 60},{10 + (n * 7919 % 100) / 7:.2f},{'north' if n % 3 else 'south'}\n"
            for n in range(900)
        )
    )
    run("dataset", "push", str(rows), "demo/patients", "--source", "s3://clinic/patients.csv")
    older = rows.read_text().splitlines()
    rows.write_text(
        "\n".join([older[0], *(f"{20 + n % 60},{14 + (n * 7919 % 100) / 7:.2f},north" for n in range(1100))])
    )
    run("dataset", "push", str(rows), "demo/patients", "--source", "s3://clinic/patients.csv")
    for depth in (2, 5):
        script = _SCRIPT.replace("DEPTH", str(depth))
        run("run", "--experiment", "demo/depths", "--", sys.executable, "-c", script)
    runs = [each.id for each in jonas.runs.list()]
    uid = runs[0]
    newer, before = [content.digest for content in jonas.datasets.versions("demo/patients")]
    promotions = list(client.promotions.list(MODEL))
    event = next(iter(client.audit.events(LogQuery(model=MODEL, kind=["promotion.*"]), limit=1)))
    return {
        "run": f"/runs/{uid}",
        "audit-event": f"/audit/events/{event.seq}",
        "compare-runs": "/compare?" + "&".join(f"ref=run:{each}" for each in runs[:2]),
        "dataset": "/datasets/demo/patients",
        "dataset-compare": f"/datasets/demo/patients?version={newer}&against={before}",
        "promotion": f"/promotions/{promotions[0].id}",
    }
