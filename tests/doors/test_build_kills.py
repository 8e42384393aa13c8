"""SIGKILL of the server, of agents and of steps while builds run: each build has one end, and its log every line once.

A few seeded kills of each party; `make build-kills` makes fifty of each, with another seed every time, also on PostgreSQL and
in sandboxes.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest

from modelyard.engines.local import LocalExecutor
from modelyard.sdk.client import Client
from modelyard.wire import builds as wire
from modelyard.wire import versions as versions_wire
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server

IS_SHORT = "MODELYARD_BUILD_KILLS" not in os.environ
KILLS = int(os.environ.get("MODELYARD_BUILD_KILLS", "2"))
"""Kills of each party."""
SEED = int(os.environ.get("MODELYARD_BUILD_KILLS_SEED", "13"))
PATIENCE_SECONDS = 120.0
"""Far more than a build takes, also one whose agent is found out to be gone."""
ENDS = ("succeeded", "failed", "lost")
LINES = 40

# Prints numbered lines, notes how far it came, and leaves a process of its own session behind.
STEP = f"""
import os, secrets, subprocess, sys, time
name, mark = sys.argv[1], secrets.randbelow(10**12)
if name == "train":
    subprocess.Popen(["sleep", "600"], start_new_session=True, cwd="/")
    open("model.onnx", "w").write("x")
for number in range({LINES}):
    print(name, mark, number, flush=True)
    with open("printed.new", "w") as file:
        file.write(f"{{name}} {{mark}} {{number + 1}}")
    os.replace("printed.new", "printed")
    time.sleep(0.005)
"""
RECIPE = """
version: 1
model: {model}
train: python step.py train
test: python step.py test
steps: [{{name: before, run: python step.py before}}]
result: model.onnx
retry: {{attempts: {attempts}, on: [lost]}}
"""


@dataclass
class Process:
    """printed: how many lines a stopped step had certainly printed."""

    pid: int
    command: str
    printed: int = 0

    def stop(self, builds: Path) -> None:
        """Stop a step, and read how far it came."""
        with suppress(OSError):
            os.kill(self.pid, signal.SIGSTOP)
            stat = Path(f"/proc/{self.pid}/stat")
            while stat.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                time.sleep(0.001)
        for file in builds.glob("*/work/source/printed"):
            step, _, printed = file.read_text().split()
            if f" step.py {step}" in self.command:
                self.printed = int(printed)

    def kill(self) -> bool:
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def processes_of(word: str) -> list[Process]:
    """The living processes that have a word in their variables, or work in a folder of this name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_there = word.encode() in (folder / "environ").read_bytes()
            if is_there or word in str((folder / "cwd").readlink()):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX" and int(folder.name) != os.getpid():
                    found.append(Process(int(folder.name), command))
    return found


@dataclass
class Bench:
    """A server whose builds are killed at. seconds: a build takes this long when nothing is killed."""

    server: RunningServer
    client: Client
    folder: Path
    is_isolated: bool
    kind: str
    """With sandboxes or without, and the database."""
    space: str = field(default_factory=lambda: unique("team"))
    seconds: float = 0.0

    def submit(self, attempts: int) -> wire.Build:
        model = f"{self.space}/{unique('model')}"
        (self.folder / "modelyard.yaml").write_text(RECIPE.format(model=model, attempts=attempts))
        return self.client.builds.submit(self.folder)

    def end(self, build: wire.Build) -> wire.BuildDetails:
        """Wait for the end of a build, and until nothing of it is left."""
        until = time.monotonic() + PATIENCE_SECONDS
        details = self.client.builds.get(build.id)
        while details.status not in ENDS:
            assert time.monotonic() < until, f"still {details.status} ({details.reason!r}): {details}"
            details = self.client.builds.get(build.id, wait_seconds=5, seen=details.revision)
        while left := self.left_of(build):
            assert time.monotonic() < until, f"left behind: {left}"
            time.sleep(0.05)
        return details

    def left_of(self, build: wire.Build) -> list[object]:
        folders = [*(self.server.data / "builds").glob(f"{build.id}*")]
        return [*folders, *processes_of(build.id)]

    def check(self, build: wire.Build, details: wire.BuildDetails) -> None:
        """There is one truth about a build, however it ended."""
        versions = [*self.client.versions.list(build.model, tags=[f"build={build.id}"])]
        assert [version.reference for version in versions] == ([details.version] if details.version else [])
        assert details.version is not None or details.status != "succeeded"
        assert details.reason or details.status == "succeeded"
        assert [attempt.number for attempt in details.attempts] == [*range(1, details.attempt + 1)]
        assert [attempt.status for attempt in details.attempts[:-1]] == ["lost"] * (details.attempt - 1)
        query = versions_wire.LogQuery(model=build.model)
        kinds = [event.kind for event in self.client.audit.events(query) if event.data.get("build") == build.id]
        assert kinds.count("build.ended") == 1, kinds
        assert kinds.count("build.started") == details.attempt, kinds
        for step in details.steps:
            assert step.state in ("ok", "failed", "skipped"), step
            text = "".join(self.client.builds.log(build.id, step.name))
            assert len(text.encode()) == step.log_bytes
            if step.state == "ok" and step.name in ("before", "train", "test"):
                assert len(numbers_in(text)) == LINES
        began = [step.started_at for step in details.steps if step.started_at]
        assert began == sorted(began)
        text = "".join(self.client.builds.log(build.id))
        for (name, mark), numbers in groupby(numbers_in(text), lambda each: each[:2]):
            counted = [number for *_, number in numbers]
            assert counted == [*range(len(counted))], f"{name} of process {mark} in\n{text}"


def numbers_in(text: str) -> list[tuple[str, int, int]]:
    """The lines that steps printed, as (step, mark of the process, number); in a namespace, pids would come again."""
    found = re.findall(r"^(before|train|test) (\d+) (\d+)$", text, re.MULTILINE)
    return [(name, int(mark), int(number)) for name, mark, number in found]


@pytest.fixture(params=["plain", "postgresql", "bubblewrap"], scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    kind = request.param
    is_isolated = kind == "bubblewrap"
    if kind != "plain" and IS_SHORT:
        pytest.skip("it takes a quarter of an hour; run make build-kills")
    if is_isolated and not (shutil.which("bwrap") and LocalExecutor(Path("/nowhere")).is_isolated):
        pytest.skip("bubblewrap does not work here")
    folder = tmp_path_factory.mktemp("source")
    (folder / "step.py").write_text(STEP)
    # A server that finds no bubblewrap does without it.
    environment = {} if is_isolated else {"PATH": str(Path(sys.executable).parent)}
    database = request.getfixturevalue("postgres_server").create_database() if kind == "postgresql" else None
    with (
        running_server(database, environment=environment) as server,
        server.client(patience_seconds=60) as client,
    ):
        made = Bench(server, client, folder, is_isolated, kind)
        assert [pool.isolated for pool in client.builds.pools()] == [is_isolated]
        client.namespaces.create(made.space)
        began = time.monotonic()
        build = made.submit(1)
        details = made.end(build)
        made.seconds = time.monotonic() - began
        assert details.status == "succeeded", details
        made.check(build, details)
        yield made


def points(bench: Bench, party: str) -> Iterator[float]:
    """The seeded moments of the kills, each as the time from the submission of a build."""
    pick = random.Random(f"{SEED} {party} {bench.kind}")
    for number in range(KILLS):
        # A shorter build than the first one is the rule, since nothing is loaded for the first time.
        seconds = pick.uniform(0, bench.seconds)
        print(f"seed {SEED}, {bench.kind}: kill {number + 1} of {party} after {seconds:.3f} s", flush=True)
        yield seconds


def test_the_server_is_killed(bench: Bench) -> None:
    for seconds in points(bench, "server"):

        def kill(after: float = seconds) -> None:
            time.sleep(after)
            bench.server.kill()
            bench.server.start()

        killing = threading.Thread(target=kill)
        killing.start()
        try:
            build = bench.submit(1)
        finally:
            killing.join()
        details = bench.end(build)
        assert (details.status, details.attempt) == ("succeeded", 1), details
        bench.check(build, details)


def kill_one(bench: Bench, build: wire.Build, party: str, seconds: float) -> Process | None:
    """Kill a process of the party at that moment, or as soon after it as there is one; None: the build ended before."""
    time.sleep(seconds)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        for process in processes_of(build.id):
            is_engine = "bwrap" in process.command.partition(" ")[0]
            is_agent = "modelyard.agent" in process.command and not is_engine
            # Not its shell, after whose end the program may print some more lines.
            is_step = " step.py " in process.command and " -c " not in process.command
            if not {"engine": is_engine, "agent": is_agent, "step": is_step}[party]:
                continue
            if is_step:
                process.stop(bench.server.data / "builds")
            if process.kill():
                return process
        if bench.client.builds.get(build.id).status in ENDS:
            return None
    raise AssertionError(f"there was neither {party} nor end")


@pytest.mark.parametrize("party", ["agent", "engine", "step"])
def test_a_part_of_a_build_is_killed(bench: Bench, party: str) -> None:
    if party == "engine" and not bench.is_isolated:
        pytest.skip("there is no engine between the server and the agent")
    ends = []
    for position, seconds in enumerate(points(bench, party)):
        attempts = 1 + position % 2
        killed = None
        while killed is None:
            build = bench.submit(attempts)
            killed = kill_one(bench, build, party, seconds)
            details = bench.end(build)
            bench.check(build, details)
            seconds *= 0.8
        ends.append(details.status)
        if party == "step" and details.status == "failed":
            step = next(step for step in details.steps if step.state == "failed")
            lines = numbers_in("".join(bench.client.builds.log(build.id, step.name)))
            # It may have been stopped between printing a line and noting it.
            assert len(lines) - killed.printed in (0, 1), (killed, lines)
        if party == "step":
            assert details.status == "succeeded" or "SIGKILL" in details.reason, details.reason
        elif attempts == 2:
            assert details.status == "succeeded", details
    print(f"{party}: {ends}")
