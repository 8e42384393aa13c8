"""A registry with something on every page: versions, a policy, people, and hostile text wherever people write."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.sdk.locks import locked
from tests.support.browser import Browser
from tests.support.server import RunningServer, running_server

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>{{7*7}}"
POLICY = """
version: 1
stages: [staging, production]
promote:
  - to: staging
    rules: []
  - to: production
    rules:
      - metric: {name: f1, min: 0.9}
      - approvals: {count: 1, group: leads}
"""


LOOKS = [
    "/",
    "/models",
    "/models?q=scorer&stage=production",
    "/models?q=nothing-is-called-so",
    "/models/fraud/scorer",
    "/models/fraud/scorer?metric=loss",
    "/models/fraud/scorer/versions/1",
    "/models/fraud/scorer/versions/3",
    "/models/fraud/scorer/compare?v=1&v=2&v=3",
    "/models/fraud/scorer/stages/production/rollback",
    "/models/fraud/hostile",
    "/models/fraud/hostile/versions/1",
    "/approvals",
    "/notifications",
    "/notifications?unread=1",
    "/audit",
    "/audit?kind=version.*&model=fraud/scorer",
    "/settings",
    "/settings/namespaces",
    "/settings/namespaces/fraud",
    "/settings/members?of=fraud",
    "/settings/members?of=fraud/scorer",
    "/settings/accounts",
    "/settings/accounts/ann",
    "/settings/groups",
    "/settings/accounts/leads",
    "/settings/services",
    "/settings/publishers?of=fraud",
    "/settings/policies",
    "/settings/policies/fraud",
    "/settings/policies/fraud/scorer",
    "/settings/globals?of=fraud",
    "/settings/subscriptions?of=fraud",
    "/settings/subscriptions/1",
    "/settings/subscriptions/1?state=dead",
    "/settings/storage",
    "/models/fraud/scorer/terms",
    "/models/fraud/hostile/terms",
    "/settings/measures",
    "/settings/measures?namespace=fraud&stage=staging",
    "/builds",
    "/pools",
    "/schedules/new",
    "/deployments",
    "/deployments/new",
    "/runs",
    "/datasets",
    "/monitoring",
    "/datasets?namespace=fraud&q=zzz",
    "/datasets/fraud/train",
    "/lineage",
    "/lineage?node=fraud/scorer:1",
    "/runs?status=failed&q=zzz",
    "/models/fraud/hostile/versions/1/files",
    "/models/fraud/hostile/versions/1/files?q=zzz",
    "/models/fraud/scorer/versions/1/code",
    "/models/fraud/scorer/versions/1/signature",
    "/models/fraud/hostile/versions/1/card",
    "/models/fraud/hostile/versions/1/card/edit",
    "/models/fraud/hostile/versions/1/scan",
    "/models/fraud/hostile/versions/1/evidence",
    "/models/fraud/hostile/versions/1/activity",
    "/models/fraud/hostile/versions/1/deprecate",
    "/models/fraud/scorer/versions/1/recall",
    "/quarantine",
    "/quarantine?namespace=zzz",
    "/audit?stage=production&at=2091-01-01",
    "/models/fraud/scorer?column=loss&column=f1",
    "/models/fraud/scorer/about",
    "/models/fraud/hostile/activity",
    "/catalogue",
    "/catalogue?q=zzz",
    "/catalogue/shared/model",
    "/audit/events/13",
    "/compare",
    "/compare?ref=fraud/scorer:1&ref=fraud/hostile:1&only=1",
]


def fill(running: RunningServer, folder: Path) -> None:
    """bob maintains the namespace fraud, ann votes in the group leads and may read nothing else."""
    client = running.client()
    for name in ("ann", "bob"):
        client.accounts.create(name)
    client.accounts.create("leads", kind="group")
    client.groups.add("leads", "ann")
    client.namespaces.create("fraud")
    client.namespaces.grant("fraud", "bob", "maintainer")
    client.policies.set("fraud", POLICY)
    # An account counts as the one that made it, so root's own versions would want a vote of somebody else.
    bob = running.client(client.tokens.create("bob", owner="bob").token)
    for number, f1 in ((1, 0.91), (2, 0.95), (3, 0.5)):
        files = folder / f"m{number}"
        files.mkdir()
        (files / "weights.bin").write_bytes(b"weights %d" % number)
        (files / f"odd & {number}.txt").write_text("words")
        bob.push(
            files,
            "fraud/scorer",
            capture=False,
            metrics={"f1": f1, "loss": 1 - f1},
            params={"depth": number},
        )
    hostile = folder / "hostile"
    hostile.mkdir()
    (hostile / "b'&;{{7}}.txt").write_text("words")
    client.push(
        hostile,
        "fraud/hostile",
        capture=False,
        description=HOSTILE,
        metrics={HOSTILE[:60]: 1.0},
        params={HOSTILE[:60]: HOSTILE},
        tags={"note": HOSTILE[:60]},
    )
    client.models.edit("fraud/hostile", description=HOSTILE, display_name=HOSTILE[:90])
    client.comments.write("fraud/hostile", HOSTILE)
    target = "https://hooks.example.org/a?b=<i>"
    # Nothing is sent: no namespace is ever deleted here.
    kinds = ["namespace.deleted"]
    client.subscriptions.create("webhook", target, namespace="fraud", event_kinds=kinds)
    client.terms.set("fraud/hostile", HOSTILE)
    rows = folder / "train.csv"
    rows.write_text("amount,<i>kind</i>\n" + "".join(f"{n},<b>{n % 3}</b>\n" for n in range(60)))
    pushed = running.run("dataset", "push", str(rows), "fraud/train")
    assert pushed.returncode == 0, pushed.stderr
    script = "import modelyard as my\nmy.log_params({'depth': 3})\nfor n in range(9): my.log_metric('loss', 1 / (n + 1), n)\nprint('<b>done</b>')"
    done = running.run("run", "--experiment", "fraud/tries", "--", sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr


def publish(running: RunningServer, folder: Path) -> None:
    """A public model, whose page of the catalogue is among the LOOKS."""
    client = running.client()
    files = folder / "public"
    files.mkdir()
    (files / "weights.bin").write_bytes(b"public weights")
    client.namespaces.create("shared")
    client.push(files, "shared/model", capture=False, description=HOSTILE)
    client.models.edit("shared/model", visibility="public")


@dataclass(frozen=True)
class Pages:
    """The registry of `fill`, made once a run; each module gets a copy."""

    template: Path

    @contextmanager
    def running(self, folder: Path, **settings: Any) -> Iterator[RunningServer]:
        """A server on a copy of data and home. folder: for the copy, and free for the module's own files."""
        place = folder / "server"
        for part in ("data", "home"):
            shutil.copytree(self.template / "server" / part, place / part)
        with running_server(folder=place, **settings) as server:
            yield server


def made_once(folder: Path) -> Pages:
    """Fill a registry in this folder, unless another process of the same run has done so or is at it."""
    done = folder / "done"
    with locked(folder / "lock"):
        if not done.exists():
            with running_server(folder=folder / "server") as server, server.client() as client:
                fill(server, folder)
                while [*client.jobs.list(state="waiting"), *client.jobs.list(state="running")]:
                    time.sleep(0.05)
            done.touch()
    return Pages(folder)


def signed_in(server: RunningServer, name: str) -> Browser:
    browser = Browser(server)
    with server.client() as client:
        browser.sign_in(client.accounts.sign_in_link(name))
    return browser
