"""What the executors of clusters share: how an agent begins on a node, and what to do while the cluster is away.

```
FOLDER/environments/SHARE/   Python environments, kept for later builds
FOLDER/NAME/work/            the workspace, MODELYARD_WORKSPACE; the agent deletes FOLDER/NAME when it ends
FOLDER/NAME.log              what the agent itself writes, where the cluster does not keep it
```
"""

from __future__ import annotations

import contextlib
import math
import re
import shlex
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from modelyard.domain.errors import ExecutorUnavailable
from modelyard.engines.executor import Task

DEFAULT_COMMAND = "python3 -m modelyard.agent"
DEFAULT_FOLDER = "~/.modelyard-builds"
TAIL_BYTES, TAIL_LINES = 16 * 1024, 50
AGENT_BYTES = 256 << 20
"""Memory that an agent needs besides its steps."""
AGENT_SECONDS = 300
"""Time that an agent needs besides its steps."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_NAME = re.compile(r"[a-z0-9-]{1,80}\Z")
_QUIET_SECONDS = 10.0

NOTE = (
    "All builds run under one account of the cluster, so they can read what that account can read, "
    "the files of other builds included"
)


def start_script(task: Task, folder: str, command: str) -> str:
    """Return the shell script that starts an agent on a node. It holds no secret. folder: may begin with `~/`. command: for
    the shell, with the modules and environments that the agent needs."""
    assert _NAME.match(task.name), f"{task.name!r} is not the name of a task"
    place = f"{_on_node(folder)}/{task.name}"
    environments = f"{_on_node(folder)}/environments/{task.share or task.name}"
    return (
        f"umask 077; mkdir -p {place}/work {environments} && cd {place}/work || exit 1; "
        f"export MODELYARD_WORKSPACE={place}/work MODELYARD_ENVIRONMENTS={environments} MODELYARD_SCRATCH={place}; "
        f"exec {command}\n"
    )


def _on_node(folder: str) -> str:
    """Return a folder as a word of the shell."""
    return f'"$HOME"/{shlex.quote(folder[2:])}' if folder.startswith("~/") else shlex.quote(folder)


def variables_of(task: Task) -> dict[str, str]:
    """Return the variables of the agent of a task."""
    threads = dict.fromkeys(_THREADS, str(math.ceil(task.cpu))) if task.cpu is not None else {}
    return {**threads, **task.environment}


def last_lines(text: str) -> str:
    return "\n".join(text[-TAIL_BYTES:].splitlines()[-TAIL_LINES:])


def end_of_file(path: Path) -> str:
    """Return the last lines of a file; "": it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            return last_lines(file.read().decode("utf-8", "replace"))
    except OSError:
        return ""


def delete_folder(folder: str, name: str) -> None:
    """Delete what is left of a task in the folder of a pool, if this machine sees it: an agent that was killed before it had begun
    leaves an empty one."""
    shutil.rmtree(Path(folder).expanduser() / name, ignore_errors=True)


class Outage:
    """Remembers for a few seconds that a cluster does not answer, so that many builds do not wait for it in turn."""

    def __init__(self, kind: str, quiet_seconds: float | None = None) -> None:
        """quiet_seconds: how long; None: ten seconds."""
        self._kind = kind
        self._quiet_seconds = _QUIET_SECONDS if quiet_seconds is None else quiet_seconds
        self._lock = threading.Lock()
        self._until, self._reason = 0.0, ""

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note it when the block raises ExecutorUnavailable. Raises that at once while a note is fresh."""
        with self._lock:
            if time.monotonic() < self._until:
                raise self.error(self._reason)
        try:
            yield
        except ExecutorUnavailable as error:
            with self._lock:
                self._until = time.monotonic() + self._quiet_seconds
                self._reason = str(error.fields["reason"])
            raise

    def error(self, reason: str) -> ExecutorUnavailable:
        return ExecutorUnavailable(executor=self._kind, reason=reason)
