"""Serve deployments by a process on the server's own machine, next to the server.

The process has a session of its own, so it goes on without the server, and a later server finds it again.

```
FOLDER/cache/          models and environments, for all deployments of the machine
FOLDER/home/           HOME of the processes
FOLDER/DEPLOYMENT/
├── wanted.json        what is to be served; written here, read by the process
├── token              how it reads the model; only for its own user
├── state.json         what it last said; written by the process
├── control.sock       where it is told, and asked
├── front.log          what it writes
├── process            pid, start time and boot of the process
└── ending             exists since it was first asked to end; its time is that of the request
```
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from modelyard.domain.errors import TargetUnavailable
from modelyard.engines.processes import PROC, note_process, noted_process, read_bytes, tail
from modelyard.engines.targets import Sight
from modelyard.sdk.control import ControlConnection
from modelyard.wire.deployments import AWAY_FILE, AwayRollback
from modelyard.wire.scorer import (
    LOG_FILE,
    STATE_FILE,
    TOKEN_FILE,
    WANTED_FILE,
    ScorerState,
    Wanted,
)

T = TypeVar("T", bound=msgspec.Struct)
_NAME = re.compile(r"[a-z0-9-]{1,80}\Z")
GRACE_SECONDS = 40.0
"""Time between the polite request to end and the end by force: longer than a request may take."""
_TAIL_BYTES = 256 * 1024
_INSTALLERS = frozenset(
    "SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY".split()
)
COMMAND = (sys.executable, "-m", "modelyard.scorer")


class LocalTarget:
    """folder: of all deployments. command: of the program, which gets the folder of its deployment as its last word."""

    def __init__(
        self, folder: Path, *, command: Sequence[str] = COMMAND, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self._folder = folder.absolute()
        self._command = list(command)
        self._grace_seconds = grace_seconds
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    @property
    def kind(self) -> str:
        return "local"

    @property
    def place(self) -> str:
        return socket.gethostname()

    @property
    def cache(self) -> str:
        return str(self._folder / "cache")

    # --- the protocol --------------------------------------------------------------------------------

    def apply(self, deployment: str, wanted: Wanted, token: str | None = None) -> None:
        folder = self._folder_of(deployment)
        with self._lock, self._failing(deployment):
            for shared in (self._folder / "cache", self._folder / "home", folder):
                shared.mkdir(parents=True, exist_ok=True, mode=0o700)
            if token is not None:
                _store(folder / TOKEN_FILE, token.encode())
            body = msgspec.json.encode(wanted)
            stored = _read(folder / WANTED_FILE, Wanted)
            if stored is None or stored.generation <= wanted.generation:
                _store(folder / WANTED_FILE, body)
            (folder / "ending").unlink(missing_ok=True)
            if self._process_of(deployment) is None:
                self._start(deployment, folder)
                return
        status, _ = self._ask(deployment, "PUT", "/wanted", body)
        if status >= 300:
            raise TargetUnavailable(
                target=self.kind, reason=f"{deployment} answered {status} to what is wanted"
            )

    def look(self, deployment: str) -> Sight:
        with self._lock:
            child = self._children.get(deployment)
            if child is not None:
                # Otherwise it would stay as a zombie.
                child.poll()
            runs = self._process_of(deployment) is not None
        kept = _read(self._folder_of(deployment) / STATE_FILE, ScorerState)
        if not runs:
            return Sight(runs=False, state=kept)
        try:
            status, body = self._ask(deployment, "GET", "/state")
            if status == 200:
                away = _read(self._folder_of(deployment) / AWAY_FILE, AwayRollback)
                state = msgspec.json.decode(body, type=ScorerState)
                return Sight(runs=True, answers=True, state=state, away=away)
        except (TargetUnavailable, msgspec.MsgspecError):
            # It has not opened its socket yet, or is too busy: the next look may tell.
            pass
        return Sight(runs=True, state=kept)

    def stop(self, deployment: str) -> None:
        pid = self._process_of(deployment)
        if pid is None:
            return
        asked = self._folder_of(deployment) / "ending"
        if not asked.exists():
            with contextlib.suppress(OSError):
                asked.touch()
            try:
                self._ask(deployment, "POST", "/stop")
            except TargetUnavailable:
                _send_group(pid, signal.SIGTERM)
        elif time.time() - asked.stat().st_mtime >= self._grace_seconds:
            _send_group(pid, signal.SIGKILL)

    def clean(self, deployment: str) -> None:
        with self._lock:
            self._children.pop(deployment, None)
        shutil.rmtree(self._folder_of(deployment), ignore_errors=True)

    def log_tail(self, deployment: str, lines: int) -> str:
        return tail(self._folder_of(deployment) / LOG_FILE, _TAIL_BYTES, lines)

    # --- the process ---------------------------------------------------------------------------------

    def _folder_of(self, deployment: str) -> Path:
        assert _NAME.match(deployment), f"{deployment!r} is not the name of a deployment here"
        return self._folder / deployment

    def _start(self, deployment: str, folder: Path) -> None:
        with (folder / LOG_FILE).open("ab") as log:
            process = subprocess.Popen(
                [*self._command, str(folder)],
                env=self._environment(),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[deployment] = process
        note_process(folder, process.pid)

    def _environment(self) -> dict[str, str]:
        """Return all variables of the process: of the server's only those by which installers reach an index. The others may hold
        its key."""
        home = str(self._folder / "home")
        installers = {
            name: value
            for name, value in os.environ.items()
            if name.upper() in _INSTALLERS or name.startswith(("PIP_", "UV_"))
        }
        return {
            **installers,
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": home,
            "MODELYARD_HOME": home,
        }

    def _process_of(self, deployment: str) -> int | None:
        """Return the living process of a deployment: the noted one; or one that was started by a server that ended before it could
        note it, which is found by its arguments."""
        folder = self._folder_of(deployment)
        noted = noted_process(folder)
        if noted is not None or not PROC.is_dir() or not folder.is_dir():
            return noted
        words = [os.fsencode(word) for word in (*self._command[1:], str(folder))]
        for entry in PROC.iterdir():
            if entry.name.isdigit() and read_bytes(entry / "cmdline").split(b"\0")[1:-1] == words:
                note_process(folder, int(entry.name))
                return noted_process(folder)
        return None

    def _ask(self, deployment: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Send a request to the control socket. Raises TargetUnavailable."""
        connection = ControlConnection(self._folder_of(deployment))
        with self._failing(deployment):
            try:
                connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

    @contextlib.contextmanager
    def _failing(self, deployment: str) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as exc:
            reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
            raise TargetUnavailable(target=self.kind, reason=f"the program of {deployment}: {reason}") from exc


def _store(path: Path, content: bytes) -> None:
    """Replace a file whole, so that neither a reader nor a crash ever sees a part of it."""
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path, kind: type[T]) -> T | None:
    """Return the content of a file; None: there is none that this release can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def _send_group(pid: int, number: int) -> None:
    """Send a signal to the process and all that it started in its session."""
    with contextlib.suppress(OSError):
        os.killpg(pid, number)
