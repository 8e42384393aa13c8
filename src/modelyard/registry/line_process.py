"""Run a child process that answers a line of JSON with a line of JSON and may be lost without harm.

For work on hostile input with unpredictable time or memory. The process is started on first use, and is replaced if it
dies or exceeds its time.
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
    """For one thread at a time; callers that share it hold a lock. module: prints a line once it is ready."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Send a line and return the answer.

        Raises TimeoutError when time is up; OSError or ValueError if the process dies.
        """
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
    # The process is gone: report it to the waiting caller at once.
    answers.put("")


def limit_memory(most_bytes: int) -> None:
    """Limit the memory of this process; do nothing on systems without such a limit."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
