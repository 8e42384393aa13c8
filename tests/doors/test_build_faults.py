"""Trainings that go wrong, on a running server: each build says why it ended, with the end of its log."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.sdk.client import Client
from modelyard.wire import builds as wire
from tests.doors.test_build_kills import processes_of
from tests.support.disks import SmallDisk
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server

PRINTS = """
import os, sys
os.write(1, b"first\\n")
for _ in range(200): os.write(1, b"y\\n" * 32768)
os.write(1, bytes(range(128, 256)) + b"\\0\\n")
for number in range(60): print("end", number, flush=True)
sys.exit(7)
"""
GROWS = "held = bytearray(1 << 30)\n"
SLEEPS = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"
FILLS = """
print("begun", flush=True)
with open("large", "wb") as file:
    while True: file.write(b"x" * (1 << 20))
"""


def submit(client: Client, folder: Path, training: str, more: str = "") -> wire.Build:
    model = f"{unique('team')}/scorer"
    client.namespaces.create(model.partition("/")[0])
    folder.mkdir()
    (folder / "modelyard.yaml").write_text(f"version: 1\nmodel: {model}\n{more or 'train: python train.py'}\n")
    (folder / "train.py").write_text(training)
    return client.builds.submit(folder)


def end_of(client: Client, build: wire.Build) -> wire.BuildDetails:
    return [*client.builds.follow(build.id)][-1].build


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(build_slots=3) as running:
        yield running


def test_each_bad_end_has_its_reason_and_the_end_of_its_log(server: RunningServer, tmp_path: Path) -> None:
    with server.client() as client:
        prints = submit(client, tmp_path / "prints", PRINTS)
        memory = "train: python train.py\nresources: {memory: 300MB}"
        grows = submit(client, tmp_path / "grows", GROWS, memory)
        limited = "train: {run: echo begun && sleep 600, timeout: 2s}"
        sleeps = submit(client, tmp_path / "sleeps", SLEEPS, limited)
        ended = end_of(client, sleeps)
        assert (ended.status, ended.step) == ("timed-out", "train")
        assert ended.reason == "step train: the step ran for longer than its 2 s"
        assert ended.last_lines == ["begun"]
        ended = end_of(client, grows)
        assert (ended.status, ended.step) == ("failed", "train")
        assert ended.reason == "step train: exit code 1: out of memory suspected"
        assert ended.last_lines[-1] == "MemoryError"
        ended = end_of(client, prints)
        assert (ended.status, ended.reason) == ("failed", "step train: exit code 7")
        assert ended.last_lines == [f"end {number}" for number in range(10, 60)]
        text = "".join(client.builds.log(prints.id, "train"))
        assert text.startswith("first\ny\n")
        assert "\N{REPLACEMENT CHARACTER}" * 129 in text
        # Whole: less than what is kept of one program.
        assert text.count("\ny\n") + text.count("y\ny") >= 200 * 16384


def test_a_training_fills_the_disk(small_disk: SmallDisk, tmp_path: Path) -> None:
    """The server's own database is on that disk."""
    with (
        running_server(data=small_disk.mounted_at / "data", enter=small_disk.enter) as server,
        server.client() as client,
    ):
        build = submit(client, tmp_path / "fills", FILLS)
        ended = end_of(client, build)
        assert (ended.status, ended.step) == ("failed", "train")
        assert ended.reason == "step train: exit code 1; the disk is full"
        assert "No space left on device" in ended.last_lines[-1]
        assert "".join(client.builds.log(build.id, "train")).startswith("begun\n")


def test_an_agent_that_gets_a_signal_while_the_server_is_away_ends_and_says_what_is_missing(
    server: RunningServer, tmp_path: Path
) -> None:
    with server.client() as client:
        build = submit(client, tmp_path / "sleeps", SLEEPS)
        for news in client.builds.follow(build.id):
            if "begun" in news.text:
                break
    server.kill()
    (agent,) = [each for each in processes_of(build.id) if each.command.endswith("-m modelyard.agent ")][-1:]
    began = time.monotonic()
    os.kill(agent.pid, signal.SIGTERM)
    while processes_of(build.id):
        time.sleep(0.05)
    # Its steps have ten seconds, which this one does not need, and its last words four.
    assert time.monotonic() - began < 60
    server.start()
    with server.client() as client:
        ended = end_of(client, build)
    assert ended.status == "lost"
    assert "The end of the log may be missing" in ended.reason
    assert "messages about the steps were not sent, since the server did not answer" in ended.reason
    step = next(step for step in ended.steps if step.name == "train")
    assert (step.state, step.reason[:20]) == ("failed", "the agent was lost: ")
