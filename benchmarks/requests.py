"""Resolve an alias and register a version, against MLflow and against an empty route."""

from __future__ import annotations

import json
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.server import running_server

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


def mlflow_figures(folder: Path, workers: int) -> dict[str, float]:
    with peers.mlflow(folder / f"mlflow-{workers}", workers) as server:
        prepare_mlflow(server)
        resolve = f"{server.url}/api/2.0/mlflow/registered-models/alias?name=scorer&alias=champion"
        path = "/api/2.0/mlflow/model-versions/create"
        script = post_script(folder, path, {"name": "scorer", "source": "s3://nowhere/COUNT"}, "COUNT", {})
        return interleaved(
            _ROUNDS,
            **{
                f"{what}-{c}": (lambda u=url, s=chosen, c=c: requests_a_second(u, c, _SECONDS, {}, s))
                for c in (8, 32)
                for what, url, chosen in (("resolve", resolve, None), ("register", server.url, script))
            },
        )


def measure(folder: Path) -> list[Row]:
    by_workers = [mlflow_figures(folder, workers) for workers in (4, 1)]
    best = {name: max(figures[name] for figures in by_workers) for name in by_workers[0]}
    with ExitStack() as stack:
        server = stack.enter_context(running_server(folder=folder / "ours"))
        empty = stack.enter_context(peers.empty_route(folder / "empty"))
        client = server.client()
        (folder / "model").mkdir()
        (folder / "model" / "weights.bin").write_bytes(b"weights")
        version = client.push(folder / "model", "bench/scorer", alias="champion", capture=False)
        file = client.versions.files(version.reference).items[0]
        token = {"Authorization": f"Bearer {server.token}"}
        resolve = f"{server.url}/api/v1/resolve?ref=bench/scorer@champion"
        body = {
            "files": [{"path": file.path, "digest": file.digest, "size": file.size}],
            "facts": {"params": {"n": "COUNT"}, "metrics": {"f1": 0.9}},
        }
        script = post_script(folder, "/api/v1/models/bench/scorer/versions", body, "COUNT", token)
        ours = interleaved(
            _ROUNDS,
            **{
                f"{what}-{c}": (lambda u=url, s=chosen, c=c, h=headers: requests_a_second(u, c, _SECONDS, h, s))
                for c in (8, 32)
                for what, url, chosen, headers in (
                    ("empty", f"{empty.url}/empty", None, {}),
                    ("resolve", resolve, None, token),
                    ("register", server.url, script, {}),
                )
            },
        )
    rows = []
    for c in (8, 32):
        peer = "MLflow"
        rows.append(
            at_least(
                f"resolve an alias, {c} connections", ours[f"resolve-{c}"], best[f"resolve-{c}"], 25, "/s", peer
            )
        )
    for c, target in ((8, 10), (32, 15)):
        rows.append(
            at_least(
                f"register a version, {c} connections",
                ours[f"register-{c}"],
                best[f"register-{c}"],
                target,
                "/s",
                "MLflow",
            )
        )
    rows.extend(
        at_least(
            f"resolve, {c} connections, against an empty route",
            ours[f"resolve-{c}"],
            ours[f"empty-{c}"],
            0.4,
            "/s",
            "empty route",
        )
        for c in (8, 32)
    )
    return rows
