"""Resolve an alias and register a version, against MLflow on the same database and against an empty route."""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.postgres import running_postgres
from tests.support.server import RunningServer, running_server

from benchmarks import peers
from benchmarks.load import interleaved, post_script, requests_a_second
from benchmarks.table import Row, at_least

_SECONDS = 3
_ROUNDS = 3
_CONNECTIONS = (8, 32)


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
    model.mkdir(exist_ok=True)
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


Name = tuple[str, str, int]


class Usage:
    """The processor time that each measure took, in cores: of the server, of others that serve it, of the client."""

    def __init__(self, watched: dict[str, int]) -> None:
        """watched: others by name, with the process of each."""
        self._watched = watched
        self._found: dict[Name, list[dict[str, float]]] = defaultdict(list)

    @contextmanager
    def during(self, name: Name, server: int) -> Iterator[None]:
        before, started = self._seconds(server), time.perf_counter()
        yield
        elapsed = time.perf_counter() - started
        after = self._seconds(server)
        self._found[name].append({who: (after[who] - before[who]) / elapsed for who in after})

    def _seconds(self, server: int) -> dict[str, float]:
        pids = {"server": server, **self._watched}
        client = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            **{who: peers.processor_seconds(pid) for who, pid in pids.items()},
            "client": client.ru_utime + client.ru_stime,
        }

    def _median(self, name: Name) -> dict[str, float]:
        found = self._found[name]
        return {who: statistics.median(each[who] for each in found) for who in found[0]}

    def cores(self, name: Name) -> float:
        return sum(self._median(name).values())

    def text(self, name: Name) -> str:
        return ", ".join(f"{who} {cores:.2f}" for who, cores in self._median(name).items())


def _rates(targets: dict[tuple[str, str], Target], usage: Usage) -> dict[Name, float]:
    pids = {target.pid for target in targets.values()}

    def rate(name: Name, target: Target) -> float:
        with peers.alone(target.pid, pids), usage.during(name, target.pid):
            return requests_a_second(target.url, name[2], _SECONDS, target.headers, target.script)

    names = {(*name, c): target for c in _CONNECTIONS for name, target in targets.items()}
    return interleaved(_ROUNDS, {name: partial(rate, name, target) for name, target in names.items()})


def _best_mlflow(figures: dict[Name, float], what: str, connections: int) -> Name:
    found = (n for n in figures if n[0].startswith("MLflow") and n[1:] == (what, connections))
    return max(found, key=figures.__getitem__)


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
        figures = _rates(targets, Usage({}))
    rows = []
    for what, words, wanted in (
        ("resolve", "resolve an alias", {8: 25, 32: 25}),
        ("register", "register a version", {8: 10, 32: 15}),
    ):
        for c, target in wanted.items():
            peer = _best_mlflow(figures, what, c)
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
        for c in _CONNECTIONS
    )
    return rows


# --- on PostgreSQL -------------------------------------------------------------------------------------

_MOSTLY_BUSY = 0.9
"""Share of all cores from which on a further process cannot add anything."""


def measure_on_postgres(folder: Path) -> list[Row]:
    """One and two processes and MLflow, each in a database of its own on one PostgreSQL that waits for the disk."""
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(fsync=True))
        targets: dict[tuple[str, str], Target] = {}
        for name, workers in (("1 process", 1), ("2 processes", 2)):
            own = folder / f"ours-{workers}"
            server = running_server(postgres.create_database(), folder=own, workers=workers)
            found = our_targets(stack.enter_context(server), own)
            targets |= {(name, what): target for what, target in found.items()}
        for workers in (4, 1):
            database = postgres.create_database()
            mlflow = stack.enter_context(peers.mlflow(folder / f"mlflow-{workers}", workers, database))
            found = mlflow_targets(mlflow, folder)
            targets |= {(f"MLflow, {workers} workers", what): target for what, target in found.items()}
        usage = Usage({} if postgres.pid is None else {"PostgreSQL": postgres.pid})
        figures = _rates(targets, usage)
    rows = []
    for what, words, wanted, wanted_of_two in (
        ("resolve", "resolve an alias", {8: 40, 32: 40}, 1.5),
        ("register", "register a version", {8: 10, 32: 15}, 1.0),
    ):
        for c, least in wanted.items():
            peer = _best_mlflow(figures, what, c)
            one, two = ("1 process", what, c), ("2 processes", what, c)
            for ours, other, target in ((one, peer, least), (two, one, wanted_of_two)):
                title = f"{words}, {c} connections, {ours[0]}"
                row = at_least(title, figures[ours], figures[other], target, "/s", other[0])
                is_full = ours is two and usage.cores(two) >= _MOSTLY_BUSY * (os.cpu_count() or 1)
                rows.append(
                    Row(
                        row.what,
                        f"{row.ours} ({usage.text(ours)})",
                        f"{row.other} ({usage.text(other)})",
                        row.ratio,
                        f"{row.target} or all cores busy" if ours is two else row.target,
                        row.holds or is_full,
                    )
                )
    return rows
