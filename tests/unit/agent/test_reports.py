"""Frames of an attempt: in order, each once, in a file while the server is away, and cut into pieces."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from modelyard.agent import reports
from modelyard.agent.opening import Opening
from modelyard.agent.processes import Stop
from modelyard.agent.reports import Reports
from modelyard.domain.errors import Conflict, ServerUnreachable
from modelyard.sdk.session import Session
from modelyard.wire import builds as wire


class Server:
    """Stands for the server: it keeps frames as the contract says, and can be away."""

    def __init__(self) -> None:
        self.transport = self
        self.frames: list[wire.AttemptFrame] = []
        self.away = threading.Event()
        self.lost_answers = 0
        self.wanted = "run"
        self.superseded = False
        self.beats = 0

    def call(self, method: str, path: str, *, body: wire.SendAttempt, returns: Any) -> wire.AttemptStanding:
        assert (method, path) == ("POST", "/api/v1/builds/b1/attempts/2/records")
        if self.superseded:
            raise Conflict(reason="attempt 2 was superseded", fix="none")
        if self.away.is_set():
            raise ServerUnreachable(url="http://server", reason="it is away")
        known = len(self.frames) + 1 - body.first
        assert known >= 0, "a frame was left out"
        self.frames += body.frames[known:]
        self.beats += not body.frames
        if self.lost_answers:
            self.lost_answers -= 1
            raise ServerUnreachable(url="http://server", reason="the answer was lost")
        return wire.AttemptStanding(last=len(self.frames), wanted=self.wanted)

    @property
    def text(self) -> str:
        return "".join(event.log for frame in self.frames for event in frame.events)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def stop() -> Stop:
    return Stop()


class _Opened(Opening):
    """Its first frame has arrived."""

    is_stored = True


def begin(server: Server, stop: Stop, folder: Path) -> Reports:
    server.frames.append(wire.AttemptFrame())
    return Reports(cast(Session, server), _Opened("https://server", "b1", 2), folder / "frames", stop.ask)


def test_events_and_text_keep_their_order(server: Server, stop: Stop, tmp_path: Path) -> None:
    sent = begin(server, stop, tmp_path)
    sent.event("train", "running")
    sent.log("train", "one\n")
    sent.log("train", "two\0\n")
    sent.event("train", "failed", reason="exit code 7", exit_code=7)
    sent.log("test", "three\n")
    sent.end(wire.AttemptEnd(status="failed"))
    assert sent.close()
    told = [(event.step, event.state) for frame in server.frames for event in frame.events if event.state]
    assert told == [("train", "running"), ("train", "failed")]
    assert server.text == "one\ntwo\N{REPLACEMENT CHARACTER}\nthree\n"
    assert server.frames[-1].end == wire.AttemptEnd(status="failed")


def test_nothing_is_lost_or_doubled_while_the_server_is_away(
    server: Server, stop: Stop, tmp_path: Path
) -> None:
    server.away.set()
    sent = begin(server, stop, tmp_path)
    lines = [f"line {number}\n" for number in range(5000)]
    for number, line in enumerate(lines):
        sent.log("train", line)
        if number % 100 == 0:
            sent.event("train", "running")
    # While the server is away everything is in the file.
    assert (tmp_path / "frames").stat().st_size > 0
    server.lost_answers = 2
    server.away.clear()
    assert sent.close()
    assert server.text == "".join(lines)


def test_a_full_disk_loses_no_frame(
    server: Server, stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.pwrite, [0]

    def refuse(file: int, data: bytes, position: int) -> int:
        calls[0] += 1
        if calls[0] % 3 == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[:10] if calls[0] % 3 == 1 else data, position)

    server.away.set()
    sent = begin(server, stop, tmp_path)
    sent.event("train", "running")
    monkeypatch.setattr(os, "pwrite", refuse)
    for number in range(10):
        sent.log("train", f"line {number}\n")
        sent.event("train", "running")
    server.away.clear()
    assert sent.close()
    assert server.text == "".join(f"line {number}\n" for number in range(10))
    assert len(server.frames) == 22


def test_there_is_no_time_left_for_a_server_that_is_away(server: Server, stop: Stop, tmp_path: Path) -> None:
    server.away.set()
    sent = begin(server, stop, tmp_path)
    sent.event("train", "running")
    assert not sent.close(lambda: True)
    assert sent.unsent == 1


def test_long_text_is_cut_into_frames(server: Server, stop: Stop, tmp_path: Path) -> None:
    sent = begin(server, stop, tmp_path)
    sent.log("train", "x" * (5 * reports.CUT_BYTES + 1))
    assert sent.close()
    assert len(server.text) == 5 * reports.CUT_BYTES + 1
    assert max(len(event.log) for frame in server.frames for event in frame.events) == reports.CUT_BYTES


def test_a_beat_tells_that_the_build_was_cancelled(
    server: Server, stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BEAT_SECONDS", 0.01)
    server.wanted = "cancel"
    begin(server, stop, tmp_path)
    assert stop._asked.wait(60)
    assert (stop.cause, server.frames) == ("cancelled", [wire.AttemptFrame()])
    assert server.beats >= 1


def test_a_newer_attempt_ends_this_one(server: Server, stop: Stop, tmp_path: Path) -> None:
    server.superseded = True
    sent = begin(server, stop, tmp_path)
    sent.event("train", "running")
    assert not sent.close()
    assert stop.cause == "superseded"


def test_a_server_that_stays_away_ends_the_attempt(
    server: Server, stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "AWAY_SECONDS", 0.0)
    server.away.set()
    sent = begin(server, stop, tmp_path)
    sent.event("train", "running")
    assert not sent.close()
    assert stop.cause == "away"
