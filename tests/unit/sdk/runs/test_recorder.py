"""From records to frames, and what happens while the disk takes none."""

from __future__ import annotations

import errno
import math
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.sdk.runs import recorder as recording
from modelyard.sdk.runs.log import RunLog
from modelyard.sdk.runs.recorder import Recorder
from modelyard.sdk.runs.spool import Header, SpoolReader
from modelyard.wire import runs as wire
from modelyard.wire.runs import RunEnd

HEADER = Header(run="0b" * 16, writer="w", server=None, start=None)


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    # Only what a test asks for is written.
    monkeypatch.setattr(recording, "WRITE_SECONDS", 3600)
    return Recorder(HEADER, None)


def frames(recorder: Recorder) -> list[dict[str, Any]]:
    assert recorder.write()
    return [msgspec.json.decode(line.raw) for line in SpoolReader(recorder.folder, "w").peek(1 << 30, 10_000)]


def test_one_frame_of_all_kinds(recorder: Recorder) -> None:
    for record in [
        ("point", "loss", 2.0, None, 10),
        ("point", "loss", math.nan, None, 20),
        ("point", "loss", -math.inf, 7, 30),
        ("point", "loss", 1.0, None, 40),
        ("param", "a", 1),
        ("param", "a", 2),
        ("tag", "k", None),
        ("input", {"name": "x\0"}),
        ("facts", {"code": {"commit": "c"}}),
        ("facts", {"code": {"dirty": True}}),
        ("log", "one\n"),
        ("log", "two\n"),
        ("version", "a/b:1"),
        ("note", "cut"),
        ("resumed",),
        ("end", RunEnd(status="finished", at=50)),
    ]:
        recorder.add(record)
    assert frames(recorder) == [
        {
            "points": [
                {
                    "name": "loss",
                    "steps": [0, 1, 7, 8],
                    "times": [10, 20, 30, 40],
                    "values": [2.0, "NaN", "-Infinity", 1.0],
                }
            ],
            "params": {"a": 2},
            "tags": {"k": None},
            "inputs": [{"name": "x\N{REPLACEMENT CHARACTER}"}],
            "facts": {"code": {"commit": "c", "dirty": True}},
            "versions": ["a/b:1"],
            "log": "one\ntwo\n",
            "notes": ["cut"],
            "end": {"status": "finished", "at": 50},
            "resumed": True,
        }
    ]


@pytest.mark.parametrize("size", [1, 64 * 1024, 3_000_000])
def test_no_frame_has_more_log_than_the_server_takes(recorder: Recorder, size: int) -> None:
    run = RunLog("0b" * 16, "long", recorder)
    for _ in range(40):
        run.log_text("é" * size)
    made = frames(recorder)
    for frame in made:
        msgspec.convert(frame, wire.Frame)
    assert sum(len(frame["log"]) for frame in made) == 40 * size


def test_steps_go_on_from_frame_to_frame(recorder: Recorder) -> None:
    for _ in range(3):
        recorder.add(("point", "loss", 1.0, None, 0))
        recorder.write()
    assert [f["points"][0]["steps"] for f in frames(recorder)] == [[0], [1], [2]]


def test_many_records_become_several_frames(recorder: Recorder) -> None:
    for _ in range(45_000):
        recorder.add(("point", "loss", 1.0, None, 0))
    steps = [step for f in frames(recorder) for step in f["points"][0]["steps"]]
    assert steps == list(range(45_000))


def test_a_full_disk_loses_nothing_until_memory_is_full_too(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = recorder._spool.append

    def full(_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recording, "MOST_WAITING", 10)
    monkeypatch.setattr(recorder._spool, "append", full)
    for step in range(8):
        recorder.add(("point", "loss", float(step), None, 0))
    assert not recorder.write()
    monkeypatch.setattr(recorder._spool, "append", append)
    (first,) = frames(recorder)
    assert first["points"][0]["values"] == [float(step) for step in range(8)]
    monkeypatch.setattr(recorder._spool, "append", full)
    for step in range(25):
        recorder.add(("point", "loss", float(step), step, 0))
    assert not recorder.write()
    monkeypatch.setattr(recorder._spool, "append", append)
    second = frames(recorder)[1]
    assert second["points"][0]["steps"] == list(range(15, 25))
    assert second["notes"] == ["15 records were lost, because they could not be written to disk."]


def test_what_cannot_be_sent_stays(recorder: Recorder) -> None:
    recorder.add(("log", "x"))
    assert recorder.close(0) is False
    assert SpoolReader(recorder.folder, "w").peek(1, 1)


def test_a_client_that_is_slow_to_start_loses_no_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    monkeypatch.setattr(recording, "WRITE_SECONDS", 0.001)
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)

    class Slow:
        def __init__(self, *_: object) -> None:
            time.sleep(0.2)

        def wake(self) -> None:
            pass

    monkeypatch.setattr(recording, "Sender", Slow)
    made = Recorder(HEADER, lambda: pytest.fail("nothing is sent"))
    made.add(("param", "a", 1))
    end = time.monotonic() + 20
    while not SpoolReader(made.folder, "w").peek(1 << 30, 10) and time.monotonic() < end:
        time.sleep(0.01)
    made.abandon()
    assert not died
    assert SpoolReader(made.folder, "w").peek(1 << 30, 10), "the thread wrote it"
