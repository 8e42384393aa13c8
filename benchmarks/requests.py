"""Resolve an alias and register a version, against MLflow and against an empty route."""

from __future__ import annotations

import json
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.server import RunningServer, running_server

from benchmarks import peers
from benchmarks.load import interleaved, post_script, requests_a_second
from benchmarks.table import Row, at_least

_SECONDS = 3
_ROUNDS = 3


def call(method: str, url: str, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
    request = urllib.request.Request(
        url, method=method, headers={"Content-Type": "application/json", **(headers or {})}
    )
    with urllib.request.urlopen(
        request, data=json.dumps(body).encode() if body else None, timeout=60
    ) as answer:
        answer.read()


def prepare_mlflow(server: peers.Server) -> None:
    api = f"{server.url}/api/2.0/mlflow"
    call("POST", f"{api}/registered-models/create", {"name": "scorer"})
    call("POST", f"{api}/model-versions/create", {"name": "scorer", "source": "s3://nowhere/x"})
    call("POST", f"{api}/registered-models/alias", {"name": "scorer", "alias": "champion", "version": "1"})


@dataclass(frozen=True)
class Target:
    """What wrk asks of one server."""

    pid: int
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    script: Path | None = None


def mlflow_targets(server: peers.Server, folder: Path) -> dict[str, Target]:
    prepare_mlflow(server)
    resolve = f"{server.url}/api/2.0/mlflow/registered-models/alias?name=scorer&alias=champion"
    path = "/api/2.0/mlflow/model-versions/create"
    script = post_script(folder, path, {"name": "scorer", "source": "s3://nowhere/COUNT"}, "COUNT", {})
    return {"resolve": Target(server.pid, resolve), "register": Target(server.pid, server.url, script=script)}


def our_targets(server: RunningServer, folder: Path) -> dict[str, Target]:
    client = server.client()
    model = folder / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"weights")
    version = client.push(model, "bench/scorer", alias="champion", capture=False)
    file = client.versions.files(version.reference)[0]
    token = {"Authorization": f"Bearer {server.token}"}
    body = {
        "files": [{"path": file.path, "digest": file.digest, "size_bytes": file.size_bytes}],
        "facts": {"params": {"n": "COUNT"}, "metrics": {"f1": 0.9}},
    }
    script = post_script(folder, "/api/v1/models/bench/scorer/versions", body, "COUNT", token)
    resolve = f"{server.url}/api/v1/resolve?ref=bench/scorer@champion"
    return {
        "resolve": Target(server.pid, resolve, token),
        "register": Target(server.pid, server.url, script=script),
    }


def measure(folder: Path) -> list[Row]:
    with ExitStack() as stack:
        ours = our_targets(stack.enter_context(running_server(folder=folder / "ours")), folder)
        empty = stack.enter_context(peers.empty_route(folder / "empty"))
        targets = {("ours", what): target for what, target in ours.items()}
        targets["empty", "empty"] = Target(empty.pid, f"{empty.url}/empty")
        for workers in (4, 1):
            server = stack.enter_context(peers.mlflow(folder / f"mlflow-{workers}", workers))
            found = mlflow_targets(server, folder)
            targets |= {(f"MLflow, {workers} workers", what): target for what, target in found.items()}
        pids = {target.pid for target in targets.values()}

        def rate(target: Target, connections: int) -> float:
            with peers.alone(target.pid, pids):
                return requests_a_second(target.url, connections, _SECONDS, target.headers, target.script)

        figures = interleaved(
            _ROUNDS,
            {(*name, c): partial(rate, target, c) for c in (8, 32) for name, target in targets.items()},
        )
    rows = []
    for what, words, wanted in (
        ("resolve", "resolve an alias", {8: 25, 32: 25}),
        ("register", "register a version", {8: 10, 32: 15}),
    ):
        for c, target in wanted.items():
            peer = max(
                (n for n in figures if n[0].startswith("MLflow") and n[1:] == (what, c)),
                key=figures.__getitem__,
            )
            rows.append(
                at_least(
                    f"{words}, {c} connections", figures["ours", what, c], figures[peer], target, "/s", peer[0]
                )
            )
    rows.extend(
        at_least(
            f"resolve, {c} connections, against an empty route",
            figures["ours", "resolve", c],
            figures["empty", "empty", c],
            0.75,
            "/s",
            "empty route",
        )
        for c in (8, 32)
    )
    return rows
