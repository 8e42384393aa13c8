"""SIGKILL of the server, of agents, of steps and of the parts of an engine while builds run: each build has one end, and its log
every line once.

A few seeded kills of each party; `make build-kills` makes fifty of each, with another seed every time, also on PostgreSQL and
in sandboxes. `make engines` makes a few on Slurm and Ray, `make engine-kills` fifty.
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
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest

from modelyard.engines.local import LocalExecutor
from modelyard.sdk.client import Client
from modelyard.wire import builds as wire
from modelyard.wire import versions as versions_wire
from tests.support.cluster_pools import POOL, Cluster, lacking, server_with_cluster
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server

IS_SHORT = "MODELYARD_BUILD_KILLS" not in os.environ
KILLS = int(os.environ.get("MODELYARD_BUILD_KILLS", "2"))
"""Kills of each party."""
SEED = int(os.environ.get("MODELYARD_BUILD_KILLS_SEED", "13"))
PATIENCE_SECONDS = 300.0
"""Far more than a build takes, also one whose agent is found out to be gone while its cluster starts again."""
ENDS = ("succeeded", "failed", "lost")
LINES = 40
ENGINES = {
    "bubblewrap": {"engine": "bwrap"},
    "slurm": {"engine": "slurmstepd:", "node": "slurmd", "controller": "slurmctld"},
    "ray": {"engine": "ray::JobSupervisor.*", "node": "raylet"},
}
"""The parts of an engine, each with the name of its program."""
STANDING = ("node", "controller")
"""Those that serve all builds, and that are started again; an `engine` stands between the server and one agent."""

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
pool: {pool}
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

    @property
    def program(self) -> str:
        return Path(self.command.partition(" ")[0]).name

    @property
    def parent(self) -> int | None:
        """None: it has ended."""
        try:
            return int(Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return None

    def stop(self, work: Path) -> None:
        """Stop a step, and read how far it came."""
        with suppress(OSError):
            os.kill(self.pid, signal.SIGSTOP)
            stat = Path(f"/proc/{self.pid}/stat")
            while stat.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                time.sleep(0.001)
        for file in work.glob("*/work/source/printed"):
            step, _, printed = file.read_text().split()
            if f" step.py {step}" in self.command:
                self.printed = int(printed)

    def kill(self) -> bool:
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def processes(condition: Callable[[Path], bool]) -> list[Process]:
    """The living processes whose folder in /proc meets a condition, without this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if condition(folder):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX" and int(folder.name) != os.getpid():
                    found.append(Process(int(folder.name), command))
    return found


def processes_of(word: str) -> list[Process]:
    """Those that have a word in their variables, or work in a folder of this name."""
    return processes(
        lambda folder: (
            word.encode() in (folder / "environ").read_bytes() or word in str((folder / "cwd").readlink())
        )
    )


def processes_beside(pid: int) -> list[Process]:
    """Those in the same process namespace."""
    namespace = Path(f"/proc/{pid}/ns/pid").readlink()
    return processes(lambda folder: (folder / "ns/pid").readlink() == namespace)


@dataclass
class Bench:
    """A server whose builds are killed at. folder: with the source. seconds: a build takes this long when nothing is killed."""

    server: RunningServer
    client: Client
    folder: Path
    kind: str
    """Of the engine: `plain` or `postgresql` without one, `bubblewrap`, `slurm`, `ray`."""
    work: Path
    """Holds the folders of attempts."""
    cluster: Cluster | None = None
    space: str = field(default_factory=lambda: unique("team"))
    seconds: float = 0.0

    def submit(self, attempts: int) -> wire.Build:
        model = f"{self.space}/{unique('model')}"
        pool = "local" if self.cluster is None else POOL
        recipe = RECIPE.format(model=model, pool=pool, attempts=attempts)
        (self.folder / "modelyard.yaml").write_text(recipe)
        return self.client.builds.submit(self.folder)

    def end(self, build: wire.Build) -> wire.BuildDetails:
        """Wait for the end of a build, and until nothing of it is left."""
        until = time.monotonic() + PATIENCE_SECONDS
        details = self.client.builds.get(build.id)
        while details.status not in ENDS:
            assert time.monotonic() < until, f"still {details.status} ({details.reason!r}): {details}"
            if self.cluster is not None:
                self.cluster.heal()
            details = self.client.builds.get(build.id, wait_seconds=5, seen=details.revision)
        while left := self.left_of(build):
            assert time.monotonic() < until, f"left behind: {left}"
            time.sleep(0.05)
        return details

    def left_of(self, build: wire.Build) -> list[object]:
        return [*self.work.glob(f"{build.id}*"), *processes_of(build.id)]

    def parties(self, build: wire.Build, party: str) -> list[Process]:
        """The living processes that are the party of a build."""
        own = processes_of(build.id)
        if program := ENGINES.get(self.kind, {}).get(party):
            # A cluster has one build at a time here.
            among = own if self.cluster is None else processes_beside(self.cluster.pid)
            return [each for each in among if re.fullmatch(program, each.program)]
        if party in ("agent", "guard"):
            agents = [
                each for each in own if each.program.startswith("python") and "modelyard.agent" in each.command
            ]
            parents = {each.parent for each in agents}
            return [each for each in agents if (each.pid in parents) == (party == "guard")]
        # Not its shell, after whose end the program may print some more lines.
        return [each for each in own if " step.py " in each.command and " -c " not in each.command]

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


@pytest.fixture(params=["plain", "postgresql", *ENGINES], scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    kind = request.param
    folder = tmp_path_factory.mktemp("source")
    (folder / "step.py").write_text(STEP)
    if kind in ("slurm", "ray"):
        why = lacking(kind)
        if why:
            pytest.skip(f"no builds on {kind} here: {why}")
        place = tmp_path_factory.mktemp(kind)
        with (
            server_with_cluster(kind, place) as (server, cluster),
            server.client(patience_seconds=60) as client,
        ):
            yield tried(Bench(server, client, folder, kind, place / "jobs", cluster))
        return
    if kind != "plain" and IS_SHORT:
        pytest.skip("it takes a quarter of an hour; run make build-kills")
    is_isolated = kind == "bubblewrap"
    if is_isolated and not (shutil.which("bwrap") and LocalExecutor(Path("/nowhere")).is_isolated):
        pytest.skip("bubblewrap does not work here")
    # A server that finds no bubblewrap does without it.
    environment = {} if is_isolated else {"PATH": str(Path(sys.executable).parent)}
    database = request.getfixturevalue("postgres_server").create_database() if kind == "postgresql" else None
    with (
        running_server(database, environment=environment) as server,
        server.client(patience_seconds=60) as client,
    ):
        assert [pool.isolated for pool in client.builds.pools()] == [is_isolated]
        yield tried(Bench(server, client, folder, kind, server.data / "builds"))


def tried(bench: Bench) -> Bench:
    """Let one build succeed, and measure it."""
    bench.client.namespaces.create(bench.space)
    began = time.monotonic()
    build = bench.submit(1)
    details = bench.end(build)
    bench.seconds = time.monotonic() - began
    assert details.status == "succeeded", details
    bench.check(build, details)
    return bench


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
        has_ended = bench.client.builds.get(build.id).status in ENDS
        # The parts that serve all builds are always there.
        for process in bench.parties(build, party) if not has_ended or party not in STANDING else ():
            if party == "step":
                process.stop(bench.work)
            if process.kill():
                return process
        if has_ended:
            return None
    raise AssertionError(f"there was neither {party} nor end")


@pytest.mark.parametrize("party", ["agent", "guard", "step", "engine", *STANDING])
def test_a_part_of_a_build_is_killed(bench: Bench, party: str) -> None:
    own = ["agent", "step", *ENGINES.get(bench.kind, ())]
    if party not in (own if bench.cluster is None else [*own, "guard"]):
        pytest.skip(f"{bench.kind} has no such part")
    ends = []
    for position, seconds in enumerate(points(bench, party)):
        attempts = 1 + position % 2
        killed = None
        while killed is None:
            build = bench.submit(attempts)
            killed = kill_one(bench, build, party, seconds)
            if killed is not None and party in STANDING:
                assert bench.cluster is not None
                bench.cluster.restart(killed.program)
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
