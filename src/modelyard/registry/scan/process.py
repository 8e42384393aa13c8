"""Scan in a separate process, with limits on memory, processor time and patience.

The process opens no file: it asks for ranges of the bytes over its pipes and answers with a line of JSON.
It is reused for the next file, unless it has grown or was ended. Its environment contains no secrets.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from typing import IO, Any

from modelyard.domain.formats.ranged import Source
from modelyard.domain.scanning import FileScan
from modelyard.domain.scanning.verdicts import not_scanned
from modelyard.registry.scan.turns import Turns

logger = logging.getLogger(__name__)

PROCESSES = 2
CPU_SECONDS = 240
MEMORY_BYTES = 2 << 30
MAX_ANSWER_BYTES = 1 << 20
MAX_READ_BYTES = 1 << 24
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT", "LD_LIBRARY_PATH", "LANG", "TMPDIR")


class OutOfPatience(Exception):
    """The scan took longer than the caller waits; it was ended without a result."""


class ScanProcess:
    """A child process, which scans one file at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def scan(self, source: Source, patience_seconds: float) -> FileScan:
        """Scan a file. Raises OutOfPatience; OSError if no process can be started; errors of the source."""
        process = self._started()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(max(patience_seconds, 0.001), end)
        timer.start()
        try:
            answer = _converse(process, source)
        except BaseException:
            self.stop()
            raise
        finally:
            timer.cancel()
        if answer is None:
            self.stop()
            if late.is_set():
                raise OutOfPatience
            logger.warning("a scan of %d bytes ended its process", source.size_bytes)
            return not_scanned(
                f"it takes more than {CPU_SECONDS} s of processor time or {MEMORY_BYTES >> 30} GiB"
            )
        if answer.get("leaves"):
            self.stop()
        return FileScan.from_json(answer["found"])

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "modelyard.registry.scan.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        )
        return self._process

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # Data that was written and never read is useless now.
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


def _converse(process: subprocess.Popen[bytes], source: Source) -> dict[str, Any] | None:
    """Answer the process's requests until its result; None: the process died."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        _send(process.stdin, json.dumps({"size": source.size_bytes}).encode() + b"\n")
        while line := process.stdout.readline(MAX_ANSWER_BYTES):
            asked = json.loads(line)
            if "found" in asked:
                answer: dict[str, Any] = asked
                return answer
            offset, length = int(asked["read"][0]), min(int(asked["read"][1]), MAX_READ_BYTES)
            data = source.read(offset, length)
            _send(process.stdin, len(data).to_bytes(4, "big") + data)
    except (BrokenPipeError, json.JSONDecodeError):
        return None
    return None


def _send(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(data)
    pipe.flush()


class Scanner:
    """A few processes for all threads of a server process; started when they are first needed."""

    def __init__(self, processes: int = PROCESSES) -> None:
        self._turns = Turns(processes)
        self._free: queue.LifoQueue[ScanProcess] = queue.LifoQueue()
        self._all = [ScanProcess() for _ in range(processes)]
        for process in self._all:
            self._free.put(process)
        atexit.register(self.close)

    def scan(self, source: Source, patience_seconds: float, share: str = "") -> FileScan:
        """Scan a file. share: the scan's share, which leaves room for other shares.

        Raises OutOfPatience, also when no process becomes free in time.
        """
        end = time.monotonic() + patience_seconds
        if not self._turns.take(share, patience_seconds):
            raise OutOfPatience
        process = self._free.get_nowait()
        try:
            return process.scan(source, end - time.monotonic())
        finally:
            self._free.put(process)
            self._turns.give_back(share)

    def close(self) -> None:
        for process in self._all:
            process.stop()


_shared = Scanner()
_slow = Scanner(1)


def shared_scanner() -> Scanner:
    """Return the scanner of this server process."""
    return _shared


def slow_scanner() -> Scanner:
    """Return a separate process for files that take longer than any caller waits."""
    return _slow
