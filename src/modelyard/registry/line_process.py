"""A process of our own that answers a line of JSON with a line of JSON, and may be lost without harm.

For work on hostile input whose time or memory no one can promise. The process is started when it is first needed,
and is ended and replaced when it takes longer than it may or dies.
"""

from __future__ import annotations

import atexit
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

START_SECONDS = 15.0


class LineProcess:
    """For one thread at a time; the person who shares it holds a lock. module: prints a line once it is ready."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Raises TimeoutError after so many seconds; OSError or ValueError when the process dies."""
        try:
            process = self._started()
            assert process.stdin is not None
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._answers.get(timeout=seconds))
            return answer
        except queue.Empty:
            self.stop()
            raise TimeoutError from None
        except (OSError, ValueError):
            self.stop()
            raise

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._answers = queue.SimpleQueue()
        process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._process = process
        threading.Thread(target=_listen, args=(process, self._answers), name=self._module, daemon=True).start()
        atexit.register(self.stop)
        self._answers.get(timeout=START_SECONDS)
        return process

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            atexit.unregister(self.stop)


def _listen(process: subprocess.Popen[str], answers: queue.SimpleQueue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        answers.put(line)
    # The process is gone: the person who waits is told at once.
    answers.put("")


def limit_memory(most_bytes: int) -> None:
    """In the process itself; nothing where the system has no such limit."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
