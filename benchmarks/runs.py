"""Logging a run: what it costs the training's thread, points a second against MLflow, and the chart of a long series."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.server import RunningServer, running_server

from benchmarks import peers
from benchmarks.load import interleaved, median_ms, requests_a_second
from benchmarks.table import Row, at_least, at_most

_SECONDS = 4
_ROUNDS = 3
_METRICS = 10
_LONG_SERIES = 1_000_000


@dataclass(frozen=True)
class Target:
    pid: int
    url: str
    points: int
    """Of one request."""
    script: Path
    headers: dict[str, str]


def _post(url: str, body: dict[str, Any], headers: dict[str, str] | None = None, method: str = "POST") -> Any:
    sent = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=sent, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read() or b"{}")


# Each request carries `points` points of ten metrics, with steps and times that were never sent before.
_LUA = """
local n = 0
local points = {points}
local metrics = {metrics}
local seed = tostring({{}}):gsub('[^%w]', '')
{make}
request = function()
  n = n + 1
  return wrk.format('POST', '{path}', {{{headers}}}, make(n * points))
end
"""

_MLFLOW_BODY = """
make = function(start)
  local found = {}
  for i = 0, points - 1 do
    local step = start + i
    found[#found + 1] = string.format('{"key":"m%d","value":0.%d,"timestamp":%d,"step":%d}',
      i % metrics, 100000 + step % 900000, 1700000000000 + step, step)
  end
  return '{"run_id":"RUN","metrics":[' .. table.concat(found, ',') .. ']}'
end
"""

_OUR_BODY = """
make = function(start)
  local columns = {}
  for m = 0, metrics - 1 do
    local steps, times, values = {}, {}, {}
    for i = m, points - 1, metrics do
      local step = start + i
      steps[#steps + 1] = string.format('%d', step)
      times[#times + 1] = string.format('%d', 1700000000000000 + step)
      values[#values + 1] = string.format('0.%d', 100000 + step % 900000)
    end
    columns[#columns + 1] = string.format('{"name":"m%d","steps":[%s],"times":[%s],"values":[%s]}', m,
      table.concat(steps, ','), table.concat(times, ','), table.concat(values, ','))
  end
  return '{"writer":"' .. seed .. n .. '","first":1,"frames":[{"points":[' .. table.concat(columns, ',') .. ']}]}'
end
"""


def _script(folder: Path, name: str, path: str, points: int, make: str, headers: dict[str, str]) -> Path:
    sent = "".join(
        f'["{key}"]="{value}",' for key, value in {**headers, "Content-Type": "application/json"}.items()
    )
    script = folder / f"{name}-{points}.lua"
    script.write_text(_LUA.format(points=points, metrics=_METRICS, make=make, path=path, headers=sent))
    return script


def mlflow_target(server: peers.Server, folder: Path, workers: int, points: int) -> Target:
    """Points go into a run of their own. 1 000 points are the most that one log-batch takes."""
    made = _post(f"{server.url}/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": 1})
    make = _MLFLOW_BODY.replace("RUN", made["run"]["info"]["run_id"])
    script = _script(folder, f"mlflow{workers}", "/api/2.0/mlflow/runs/log-batch", points, make, {})
    return Target(server.pid, server.url, points, script, {})


def our_run(server: RunningServer) -> str:
    run = uuid.uuid4().hex
    token = {"Authorization": f"Bearer {server.token}"}
    _post(f"{server.url}/api/v1/runs/{run}", {"experiment": "bench/runs"}, token, "PUT")
    return run


def our_target(server: RunningServer, folder: Path, points: int) -> Target:
    token = {"Authorization": f"Bearer {server.token}"}
    path = f"/api/v1/runs/{our_run(server)}/records"
    script = _script(folder, "ours", path, points, _OUR_BODY, token)
    return Target(server.pid, server.url, points, script, token)


def ingest(folder: Path) -> list[Row]:
    """The same points by the same load generator: 100 a request, and each server at a size that suits it."""
    with ExitStack() as stack:
        ours = stack.enter_context(running_server(folder=folder / "ours"))
        targets = {
            ("ours", 100): our_target(ours, folder, 100),
            ("ours", 10_000): our_target(ours, folder, 10_000),
        }
        for workers in (4, 1):
            server = stack.enter_context(peers.mlflow(folder / f"mlflow-{workers}", workers))
            for points in (100, 1000):
                targets[f"MLflow, {workers} workers", points] = mlflow_target(server, folder, workers, points)
        pids = {target.pid for target in targets.values()}

        best: dict[tuple[str, int, int], float] = {}

        def rate(name: tuple[str, int], connections: int) -> float:
            target = targets[name]
            with peers.alone(target.pid, pids):
                done = requests_a_second(target.url, connections, _SECONDS, target.headers, target.script)
            key = (*name, connections)
            best[key] = max(best.get(key, 0), done * target.points)
            return done * target.points

        figures = interleaved(_ROUNDS, {(*name, c): partial(rate, name, c) for c in (1, 8) for name in targets})

    def of_mlflow(points: int) -> tuple[float, str]:
        """Its best round of all: it stalls for seconds with several connections, so its median is often 0."""
        name = max((n for n in best if n[0] != "ours" and n[1] == points), key=best.__getitem__)
        return best[name], f"{name[0]}, best round"

    def of_ours(points: int) -> float:
        return max(figure for name, figure in figures.items() if name[:2] == ("ours", points))

    rows = []
    for words, ours, other in (
        ("points stored, 100 of 10 metrics a request", 100, 100),
        ("points stored as the client sends them, against the largest log-batch", 10_000, 1000),
    ):
        theirs, peer = of_mlflow(other)
        rows.append(at_least(words, of_ours(ours), theirs, 50, "/s", peer))
    return rows


def chart(folder: Path) -> list[Row]:
    """A series of a million points, read for a chart of a thousand, whole and in part."""
    with running_server(folder=folder / "long") as server:
        run, token = our_run(server), {"Authorization": f"Bearer {server.token}"}
        for start in range(0, _LONG_SERIES, 50_000):
            steps = list(range(start, start + 50_000))
            columns = {
                "name": "loss",
                "steps": steps,
                "times": [1_700_000_000_000_000 + step for step in steps],
                "values": [1 / (step + 1) for step in steps],
            }
            body = {"writer": "w", "first": start // 50_000 + 1, "frames": [{"points": [columns]}]}
            _post(f"{server.url}/api/v1/runs/{run}/records", body, token)
        series = f"{server.url}/api/v1/runs/{run}/series?metric=loss&points=1000"
        whole = median_ms(series, token, 15)
        part = median_ms(f"{series}&from_step=400000&to_step=500000", token, 15)
    return [
        at_most("chart of a series of 10⁶ points", whole, 100, "ms"),
        at_most("chart of 10⁵ points in the middle of it", part, 100, "ms"),
    ]


_TRAINING = """
import json, sys, time
import modelyard as my

def work():
    return sum(range(2000))

with my.run("bench", experiment="bench/runs", capture=False) as run:
    my.log_metric("loss", 1.0)
    taken = []
    for step in range(20_000):
        work()
        began = time.perf_counter_ns()
        my.log_metric("loss", 0.5, step)
        taken.append(time.perf_counter_ns() - began)
    tight, count = time.perf_counter_ns(), 200_000
    for step in range(count):
        my.log_metric("tight", 0.5, step)
    tight = (time.perf_counter_ns() - tight) / count
    began = time.perf_counter()
    assert run.flush(60)
    taken.sort()
print(json.dumps({"mean": sum(taken) / len(taken) / 1000, "p99": taken[len(taken) * 99 // 100] / 1000,
                  "tight": tight / 1000}))
"""


def training(folder: Path) -> list[Row]:
    """A loop that trains, in a process of its own, next to the server that takes its points."""
    with running_server(folder=folder / "train") as server:
        found = []
        for _ in range(_ROUNDS):
            done = subprocess.run(
                [sys.executable, "-c", _TRAINING],
                env=server.environment,
                capture_output=True,
                text=True,
                check=True,
            )
            found.append(json.loads(done.stdout))
    middle = sorted(found, key=lambda each: each["mean"])[len(found) // 2]
    return [
        at_most("log_metric in a training's thread, mean", middle["mean"], 20, "µs"),
        at_most("log_metric in a training's thread, 99th percentile", middle["p99"], 20, "µs"),
        at_most("log_metric without a pause, 200 000 points", middle["tight"], 20, "µs"),
    ]


def measure(folder: Path) -> list[Row]:
    return [*training(folder), *chart(folder), *ingest(folder)]
