"""Builds: the environment of a lock against pip, what a trivial build takes, its first line, the speed of its log, what builds
that wait cost, and schedules that are due at once."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.server import running_server
from tests.support.wheels import make_wheel

from benchmarks import peers
from benchmarks.load import interleaved, requests_a_second
from benchmarks.requests import our_targets
from benchmarks.table import Row, at_least, at_most, faster
from modelyard.agent.processes import Ended, Limits, Stop, run_process
from modelyard.sdk.client import Client
from modelyard.sdk.environments import Needed, prepare

_PACKAGES = 60
_ROUNDS = 3
_BUILDS = 7
_WAITING, _SCHEDULES = 200, 300
_LINES, _LINE = 200_000, "x" * 179
_MODULE = "\n".join(f"def function_{n}(a, b=None):\n    return [a, b, {n}]\n" for n in range(300))
_RECIPE = "version: 1\nmodel: bench/{name}\ntrain: {train}\nresult: model.txt\n"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _index(folder: Path) -> Iterator[str]:
    """Serve a package index of small wheels, and yield a lock of them."""
    lines = []
    for n in range(_PACKAGES):
        name = f"package{n}"
        page = folder / "simple" / name
        page.mkdir(parents=True)
        digest = make_wheel(page, name, _MODULE)
        wheel = f"{name}-1.0-py3-none-any.whl"
        (page / "index.html").write_text(f'<a href="{wheel}#sha256={digest}">{wheel}</a>')
        lines.append(f"{name}==1.0 --hash=sha256:{digest}\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"--index-url http://127.0.0.1:{server.server_port}/simple/\n{''.join(lines)}"
    finally:
        server.shutdown()
        server.server_close()


def _environments(folder: Path) -> list[Row]:
    variables = {**os.environ, "UV_CACHE_DIR": str(folder / "uv"), "PIP_CACHE_DIR": str(folder / "pip")}
    programs = str(Path(sys.executable).parent)
    with_uv = os.pathsep.join([programs, os.environ["PATH"]])
    without = os.pathsep.join(
        part for part in os.environ["PATH"].split(os.pathsep) if not Path(part, "uv").exists()
    )

    def run(command: Sequence[str], place: Path) -> Ended:
        return run_process(
            command, folder=place, variables=variables, log=lambda _: None, stop=Stop(), limits=Limits()
        )

    def make(lock: Path, path: str) -> float:
        root = folder / "environments"
        shutil.rmtree(root, ignore_errors=True)
        os.environ["PATH"] = path
        started = time.perf_counter()
        prepare(Needed(lock=lock), root, run, lambda _: None, lambda: False)
        return time.perf_counter() - started

    path = os.environ["PATH"]
    try:
        with _index(folder) as text:
            lock = folder / "lock.txt"
            lock.write_text(text)
            for each in (with_uv, without):
                make(lock, each)
            times = [(make(lock, with_uv), make(lock, without)) for _ in range(_ROUNDS)]
    finally:
        os.environ["PATH"] = path
    ours, pip = (statistics.median(column) for column in zip(*times, strict=True))
    what = f"environment of {_PACKAGES} packages, all in the cache"
    return [
        at_most(what, ours, 3, "s"),
        faster(what, ours * 1000, pip * 1000, 10, "ms", "pip with its own cache"),
    ]


def _source(folder: Path, name: str, train: str) -> Path:
    source = folder / name
    source.mkdir()
    (source / "modelyard.yaml").write_text(_RECIPE.format(name=name, train=train))
    (source / "model.txt").write_text("weights")
    return source


def _build(client: Client, source: Path) -> tuple[float, float, float]:
    """Return the seconds of (the whole build, its first line of log, its training)."""
    started = time.perf_counter()
    build = client.builds.submit(source)
    first = 0.0
    for news in client.builds.follow(build.id):
        if news.text and not first:
            first = time.perf_counter() - started
        ended = news.build
    whole = time.perf_counter() - started
    assert ended.status == "succeeded", ended.reason
    (train,) = [step for step in ended.steps if step.name == "train"]
    assert train.started_at is not None
    assert train.ended_at is not None
    took = datetime.fromisoformat(train.ended_at) - datetime.fromisoformat(train.started_at)
    return whole, first, took.total_seconds()


def _builds(folder: Path) -> list[Row]:
    with running_server() as server, server.client() as client:
        trivial = _source(folder, "trivial", "touch model.txt")
        times = [_build(client, trivial) for _ in range(_BUILDS)]
        wholes, firsts = ([each[n] for each in times] for n in (0, 1))
        isolated = next(pool.isolated for pool in client.builds.pools())
        loud = f"python -c \"import sys; sys.stdout.write('{_LINE}\\\\n' * {_LINES})\" && touch model.txt"
        _, _, seconds = _build(client, _source(folder, "loud", loud))
    words, limit = ("isolated", 1.0) if isolated else ("not isolated", 0.5)
    speed = _LINES * (len(_LINE) + 1) / 1_000_000 / seconds
    return [
        at_most(f"a trivial build, {words}", statistics.median(wholes), limit, "s"),
        at_most("submitted → first line of the log", statistics.median(firsts) * 1000, 150, "ms"),
        Row("log of a step", f"{speed:.1f} MB/s", "", None, "≥ 10 MB/s", speed >= 10),
    ]


def _queue(folder: Path) -> list[Row]:
    """Builds that wait: what they cost a server in memory, and hot requests in rate; and schedules that are due at once."""
    with (
        running_server(folder=folder / "idle") as idle,
        running_server(folder=folder / "queue", build_slots=0) as server,
        server.client() as client,
    ):
        targets = {
            name: our_targets(each, _made(folder / f"of-{name}"))["resolve"]
            for name, each in (("idle", idle), ("queue", server))
        }
        waiting = _source(folder, "waiting", "touch model.txt")
        client.builds.submit(waiting)
        memory = peers.memory_mb(server.pid)
        for _ in range(_WAITING):
            client.builds.submit(waiting)
        grown = peers.memory_mb(server.pid) - memory
        rates = interleaved(
            _ROUNDS,
            {
                name: partial(requests_a_second, target.url, 8, 3, target.headers, target.script)
                for name, target in targets.items()
            },
        )
        firings = _fire(client, folder)
    return [
        at_most(f"memory of {_WAITING} builds that wait", grown, 20, "MB"),
        at_least(
            f"resolve, 8 connections, while {_WAITING} builds wait",
            rates["queue"],
            rates["idle"],
            0.95,
            "/s",
            "while none waits",
        ),
        Row("schedules that are due at once", f"{firings:,.0f}/s", "", None, "≥ 100/s", firings >= 100),
    ]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _fire(client: Client, folder: Path) -> float:
    """Return how many schedules a second start their builds, of those that are due in the same minute."""
    models = [f"bench/scheduled-{n}" for n in range(3)]
    if time.time() % 60 > 30:
        # All of them must be there before the minute is full.
        time.sleep(60 - time.time() % 60)
    for n in range(3):
        source = _source(folder, f"scheduled-{n}", "touch model.txt")
        for _ in range(_SCHEDULES // 3):
            client.schedules.add(source, cron="* * * * *", overlap="queue")
    minute = (time.time() // 60 + 1) * 60
    while True:
        time.sleep(max(1.0, minute + 4 - time.time()))
        times = [build.created_at for model in models for build in client.builds.list(model=model)]
        if len(times) >= _SCHEDULES:
            first = sorted(datetime.fromisoformat(each).timestamp() for each in times)[:_SCHEDULES]
            return _SCHEDULES / (first[-1] - first[0])
        if time.time() > minute + 60:
            raise RuntimeError(f"{len(times)} of {_SCHEDULES} schedules have fired")


def measure(folder: Path) -> list[Row]:
    parts: list[Callable[[Path], list[Row]]] = [_environments, _builds, _queue]
    return [row for part in parts for row in part(folder)]
