"""Recording: from a call in the training's thread to a frame on disk.

The training thread appends to a queue and continues; a second thread turns the queue into frames a few times a
second and writes them to the spool; a third one sends them (sender.py).
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelyard.sdk.locks import try_lock
from modelyard.sdk.runs import spool
from modelyard.sdk.runs.sender import Sender
from modelyard.sdk.runs.spool import Header, SpoolWriter
from modelyard.sdk.session import Session
from modelyard.wire import runs as wire
from modelyard.wire.base import MAX_LONG_TEXT

logger = logging.getLogger("modelyard")

Record = tuple[Any, ...]
"""Its kind, then its values: ("point", name, value, step or None, time), ("param", name, value), ("tag", key,
value or None), ("artifact", wire), ("input", entry), ("facts", object), ("log", text), ("version", reference),
("note", words), ("end", wire), ("resumed",)."""

WRITE_SECONDS = 0.1
"""Time (seconds) until a record is on disk, which a killed training may lose."""
MOST_WAITING = 2_000_000
"""Most records kept in memory while the disk takes none; beyond it the oldest are lost, with a note."""
_FRAME_RECORDS = 20_000
LOG_PIECE = 32 * 1024
"""Most characters of one record of the log."""
_FRAME_BYTES = MAX_LONG_TEXT - 2 * LOG_PIECE
"""With the last record on top, the log of a frame is still one that the server takes."""
_LEAST_STEP, _MOST_STEP = -(2**63), 2**63 - 1


class Recorder:
    """One writer of one run."""

    def __init__(self, header: Header, connect: Callable[[], Session] | None) -> None:
        """connect: makes the client to send with; None: nothing is sent (offline)."""
        self.header = header
        self._queue = deque[Record]()
        self.add = self._queue.append
        self._spool = SpoolWriter(_folder_for(header), header)
        self.folder = self._spool.folder
        self._lock = try_lock(self.folder / f"{header.writer}.lock")
        self._steps: dict[str, int] = {}
        self._lost = 0
        self._told = False
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._sender = None if connect is None else Sender(connect, self.folder, header)
        # Last, because the thread uses the rest.
        self._thread = threading.Thread(target=self._work, name="modelyard-spool", daemon=True)
        self._thread.start()

    # --- the spool -------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stop.wait(WRITE_SECONDS):
            self.write()

    def write(self) -> bool:
        """Write the queue to disk; return whether that worked."""
        with self._writing:
            try:
                while self._queue:
                    self._write_frame()
            except OSError as error:
                if not self._told:
                    logger.warning("run %s: the spool cannot be written (%s)", self.header.run, error)
                    self._told = True
                while len(self._queue) > MOST_WAITING:
                    self._queue.popleft()
                    self._lost += 1
                return False
        if self._sender is not None:
            self._sender.wake()
        return True

    def _write_frame(self) -> None:
        taken = _Taken(self._steps)
        queue = self._queue
        while queue and taken.records < _FRAME_RECORDS and taken.size < _FRAME_BYTES:
            taken.add(queue.popleft())
        if self._lost:
            taken.frame.notes.append(
                f"{self._lost} records were lost, because they could not be written to disk."
            )
        try:
            self._spool.append(taken.built())
        except OSError:
            queue.extendleft(reversed(taken.raw))
            raise
        self._steps.update(taken.steps)
        self._lost = 0

    # --- the end ---------------------------------------------------------------------------------

    def flush(self, seconds: float) -> bool:
        """Wait until the server has all records so far; return whether it does."""
        if not self.write() or self._sender is None:
            return False
        return self._sender.wait_for(self._spool.number, seconds)

    def close(self, seconds: float) -> bool:
        """Write and send the rest; return whether the server has everything. Unsent records stay in the spool."""
        self._stop.set()
        done = self.flush(seconds)
        if self._sender is not None:
            self._sender.stop()
        self._spool.close()
        if self._lock is not None:
            os.close(self._lock)
        if done:
            spool.remove_writer(self.folder, self.header.writer)
        return done

    def abandon(self) -> None:
        """Stop without writing anything, in a process that was forked from the writing one."""
        self._queue.clear()
        self._stop.set()

    @property
    def failure(self) -> str:
        """Return in words why the server does not have everything."""
        if self._sender is None:
            return "it ran offline"
        return str(self._sender.failure.message) if self._sender.failure else "there was no time to send it all"


def _folder_for(header: Header) -> Path:
    from modelyard.sdk.locations import spool_folder

    folder = spool_folder() / header.run
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        place = Path(tempfile.gettempdir()) / f"modelyard-spool-{header.run}" / header.run
        logger.warning("run %s: %s; its records are kept in %s", header.run, error, place)
        return place
    return folder


class _Taken:
    """Records on their way into one frame."""

    def __init__(self, steps: dict[str, int]) -> None:
        self.frame = wire.Frame()
        self.raw: list[Record] = []
        self.records = 0
        self.size = 0
        self.steps: dict[str, int] = {}
        """Metric → the last step, for those of this frame."""
        self._before = steps
        self._points: dict[str, wire.PointColumns] = {}

    def add(self, record: Record) -> None:
        self.raw.append(record)
        self.records += 1
        if record[0] == "point":
            self._add_point(*record[1:])
        else:
            self._add_other(*record)

    def _add_point(self, name: str, value: float, step: int | None, at: int) -> None:
        columns = self._points.get(name)
        if columns is None:
            columns = self._points[name] = wire.PointColumns(name=clean(name), steps=[], times=[], values=[])
        if step is None:
            step = self.steps.get(name, self._before.get(name, -1)) + 1
        step = min(_MOST_STEP, max(_LEAST_STEP, step))
        self.steps[name] = step
        columns.steps.append(step)
        columns.times.append(at)
        columns.values.append(value if value - value == 0 else _word(value))
        self.size += 40

    def _add_other(self, kind: str, *values: Any) -> None:
        frame = self.frame
        self.size += 200
        match kind:
            case "param":
                frame.params[clean(values[0])] = values[1]
                self.size += len(str(values[1]))
            case "tag":
                frame.tags[clean(values[0])] = values[1] if values[1] is None else clean(values[1])
                self.size += len(values[1] or "")
            case "artifact":
                frame.artifacts.append(values[0])
            case "input":
                frame.inputs.append(clean_value(values[0]))
                self.size += 2000
            case "facts":
                for name, value in values[0].items():
                    before = frame.facts.get(name)
                    if isinstance(before, dict) and isinstance(value, dict):
                        value = {**before, **value}
                    frame.facts[name] = clean_value(value)
                self.size += 50_000
            case "log":
                frame.log += clean(values[0])
                self.size += len(values[0])
            case "version":
                frame.versions.append(values[0])
            case "note":
                frame.notes.append(clean(values[0]))
            case "end":
                frame.end = values[0]
            case "resumed":
                frame.resumed = True
            case _:
                raise AssertionError(kind)

    def built(self) -> wire.Frame:
        self.frame.points = list(self._points.values())
        return self.frame


def _word(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def clean(text: str) -> str:
    """Return the text in a form that every database accepts: without NUL and lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def clean_value(value: Any) -> Any:
    """Clean every text inside a JSON value in the same way."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): clean_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_value(item) for item in value]
    return value
