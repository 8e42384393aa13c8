"""Predictions: processor time and rate of one row a request against `mlflow models serve`, memory, start, and swaps under load."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.scorer import RunningFront
from tests.support.server import RunningServer, running_server

from benchmarks import peers
from benchmarks.load import interleaved, requests_a_second
from benchmarks.table import Row, at_least, at_most
from modelyard.sdk.environment import environment_facts
from modelyard.sdk.views import Version
from modelyard.wire.scorer import Wanted, WantedRevision

_SECONDS, _ROUNDS = 4, 3
_CONNECTIONS = (1, 8, 32)
_CPU = {1: 400.0, 8: 180.0, 32: 80.0}
"""Microseconds of processor time a request, at most."""
_RATES = {8: 3.0, 32: 8.0}
"""Times the requests of the peer, at least."""
_SWAP_REQUESTS = 100_000
_TICKS = os.sysconf("SC_CLK_TCK")
_OURS = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [41, 2, 3.5, 0.1]}]}
_THEIRS = {"inputs": [[41, 2, 3.5, 0.1]]}
_TRAIN = """
import sys
import mlflow.sklearn
import numpy
from sklearn.linear_model import LogisticRegression

rng = numpy.random.default_rng(1)
rows = rng.normal(size=(200, 4))
mlflow.sklearn.save_model(LogisticRegression().fit(rows, rows[:, 0] > 0), sys.argv[1])
"""


@dataclass(frozen=True)
class Served:
    """What wrk asks of one server. pid: of its first process."""

    pid: int
    url: str
    script: Path

    def cpu_seconds(self) -> float:
        """Return the processor time of the whole tree of processes."""
        total = 0
        for pid in peers.tree(self.pid):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS

    def rate(self, connections: int) -> float:
        return requests_a_second(self.url, connections, _SECONDS, {}, self.script)

    def cpu_us(self, connections: int) -> float:
        """Return the processor time of one request, in microseconds."""
        before = self.cpu_seconds()
        rate = requests_a_second(self.url, connections, _SECONDS, {}, self.script)
        return (self.cpu_seconds() - before) / (rate * _SECONDS) * 1e6


def _script(folder: Path, name: str, path: str, body: dict[str, Any]) -> Path:
    script = folder / f"{name}.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.path = '{path}'\nwrk.body = '{json.dumps(body)}'\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
    )
    return script


def _push(server: RunningServer, count: int) -> list[Version]:
    """Push models whose recorded environment is not ours, so that each worker gets a lean one of its own."""
    import numpy
    from sklearn.linear_model import LogisticRegression

    rng = numpy.random.default_rng(1)
    rows = rng.normal(size=(200, 4))
    facts = environment_facts()
    facts["packages"].pop("pytest")
    with server.client() as client:
        return [
            client.push(
                LogisticRegression(C=1.0 + number).fit(rows, rows[:, 0] > 0),
                "bench/scorer",
                example=rows[:3],
                facts={"environment": facts},
            )
            for number in range(count)
        ]


def _revision(number: int, version: Version, role: str = "serving") -> WantedRevision:
    return WantedRevision(number=number, reference=version.reference, digest=str(version.digest), role=role)


@contextmanager
def _mlflow(folder: Path) -> Iterator[Served]:
    program = peers.mlflow_program()
    model = folder / "model"
    folder.mkdir()
    subprocess.run([program.parent / "python", "-c", _TRAIN, str(model)], check=True, cwd=folder)
    port = peers.free_port()
    command = [str(program), "models", "serve", "-m", str(model), "--env-manager", "local", "--port", str(port)]
    path = f"{program.parent}:{os.environ['PATH']}"
    with peers.process(command, folder, {**os.environ, "PATH": path}) as started:
        peers.wait_for(f"http://127.0.0.1:{port}/ping")
        script = _script(folder, "mlflow", "/invocations", _THEIRS)
        yield Served(started.pid, f"http://127.0.0.1:{port}/invocations", script)


def measure(folder: Path) -> list[Row]:
    rows: list[Row] = []
    with running_server() as server:
        versions = _push(server, 2)
        wanted = Wanted(
            generation=1,
            deployment="bench/scorer",
            registry=server.url,
            cache=str(folder / "cache"),
            public=True,
            revisions=[_revision(1, versions[0])],
        )
        front = RunningFront(folder / "front", wanted, server.token)
        front.start()
        try:
            front.wait_for(1)
            rows += _start(front)
            state = front.wait_for(1)
            path = "/v2/models/bench--scorer/infer"
            ours = Served(
                state.pid, f"http://127.0.0.1:{state.port}{path}", _script(folder, "ours", path, _OURS)
            )
            with _mlflow(folder / "mlflow") as theirs:
                rows += _requests(ours, theirs)
            rows.append(at_most("memory of front and worker", peers.memory_mb(state.pid), 200, "MB"))
            rows += _swaps(front, ours, versions)
        finally:
            front.stop()
    return rows


def _start(front: RunningFront) -> list[Row]:
    """Start again with what is there: environment, files and port."""
    seconds = []
    for _ in range(_ROUNDS):
        front.stop()
        began = time.monotonic()
        front.start()
        front.wait_for(1)
        seconds.append(time.monotonic() - began)
    return [
        at_most(
            "start of a scorer until it serves, warm environment", sorted(seconds)[len(seconds) // 2], 2, "s"
        )
    ]


def _requests(ours: Served, theirs: Served) -> list[Row]:
    rows = []
    for count in _CONNECTIONS:
        what = f"one row a request, {count} connections"
        cpu: dict[str, Callable[[], float]] = {
            "ours": lambda n=count: ours.cpu_us(n),  # type: ignore[misc]
            "mlflow": lambda n=count: theirs.cpu_us(n),  # type: ignore[misc]
        }
        found = interleaved(_ROUNDS, cpu)
        rows.append(at_most(f"processor time of {what}", found["ours"], _CPU[count], "µs"))
        rates = interleaved(
            _ROUNDS, {"ours": lambda n=count: ours.rate(n), "mlflow": lambda n=count: theirs.rate(n)}
        )  # type: ignore[misc]
        target = _RATES.get(count, 1.0)
        rows.append(at_least(what, rates["ours"], rates["mlflow"], target, "/s", "mlflow models serve"))
    return rows


def _swaps(front: RunningFront, ours: Served, versions: list[Version]) -> list[Row]:
    """Switch to a cold revision, and then back and forth, under 32 busy connections."""
    seconds = max(20, int(_SWAP_REQUESTS / ours.rate(32)) + 1)
    before = front.wait_for(1)
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "--timeout", "30s", "-s", str(ours.script), ours.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        time.sleep(1)
        serving = 1
        while load.poll() is None:
            serving = 3 - serving
            other = 3 - serving
            front.order(
                _revision(serving, versions[serving - 1]), _revision(other, versions[other - 1], "warm")
            )
            front.wait_for(serving)
            time.sleep(0.5)
        assert load.stdout is not None
        output = load.stdout.read()
    after = front.wait_for(serving)
    swaps = after.swaps[len(before.swaps) :]
    warm = sorted(swap.milliseconds for swap in swaps[1:])
    count = re.search(r"(\d+) requests in", output)
    assert count is not None, output
    lost = [
        int(n) for n in re.findall(r"(?:connect|read|write|timeout|Non-2xx or 3xx responses:) (\d+)", output)
    ]
    print(f"   {len(swaps)} swaps, {count[1]} requests, lost: {sum(lost)}", file=sys.stderr)
    return [
        at_most(f"requests lost of {int(count[1]):,} in {len(swaps)} swaps", sum(lost), 0, ""),
        at_most("longest switch to a warm revision, inside", warm[-1] if warm else 0.0, 20, "ms"),
    ]
