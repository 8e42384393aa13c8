"""The guard of an agent on a cluster: whoever is killed, nothing is left, and the engine sees the end of the agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux")

# An agent with an orphan in a session of its own, without variables.
AGENT = """
import os, signal, subprocess, sys, time
from modelyard.agent.descendants import adopt_orphans
from modelyard.agent.guard import GUARD_IS_GONE, stand_guard

def end(number, frame):
    orphan.kill()
    print("asked by", signal.Signals(number).name, flush=True)
    os._exit(7)

stand_guard(sys.argv[1])
adopt_orphans()
for number in (signal.SIGTERM, GUARD_IS_GONE):
    signal.signal(number, end)
orphan = subprocess.Popen(["sleep", "600"], start_new_session=True, env={})
print(os.getpid(), orphan.pid, flush=True)
exec(sys.argv[2])
time.sleep(600)
"""


class Guarded:
    def __init__(self, folder: Path, code: str) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        command = [sys.executable, "-c", AGENT, str(self.scratch), code]
        self.guard = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.guard.stdout is not None
        self.output = self.guard.stdout
        self.agent, self.orphan = map(int, self.output.readline().split())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Guarded]]:
    started: list[Guarded] = []

    def one(code: str = "") -> Guarded:
        started.append(Guarded(tmp_path, code))
        return started[-1]

    yield one
    for each in started:
        each.guard.kill()
        each.guard.wait()
        each.output.close()


def wait_until_gone(pid: int) -> None:
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < until, f"process {pid} goes on"
        time.sleep(0.01)


def test_what_a_killed_agent_left_ends_before_the_guard(start: Callable[..., Guarded]) -> None:
    guarded = start()
    os.kill(guarded.agent, signal.SIGKILL)
    assert guarded.guard.wait(60) == -signal.SIGKILL
    assert not Path(f"/proc/{guarded.orphan}").exists()
    assert not guarded.scratch.exists()


@pytest.mark.parametrize("to", ["the guard", "its group"])
def test_an_agent_ends_what_it_started_when_its_guard_is_killed(start: Callable[..., Guarded], to: str) -> None:
    guarded = start()
    (os.kill if to == "the guard" else os.killpg)(guarded.guard.pid, signal.SIGKILL)
    assert guarded.output.read() == "asked by SIGUSR1\n"
    wait_until_gone(guarded.agent)
    wait_until_gone(guarded.orphan)


def test_a_request_to_end_is_passed_on(start: Callable[..., Guarded]) -> None:
    guarded = start()
    guarded.guard.terminate()
    assert guarded.guard.wait(60) == 7
    assert guarded.output.read() == "asked by SIGTERM\n"


@pytest.mark.parametrize(
    ("code", "end"), [("os._exit(0)", 0), ("os._exit(3)", 3), ("os.abort()", -signal.SIGABRT)]
)
def test_the_guard_ends_as_its_agent(start: Callable[..., Guarded], code: str, end: int) -> None:
    guarded = start(code)
    assert guarded.guard.wait(60) == end
    assert not Path(f"/proc/{guarded.orphan}").exists()
