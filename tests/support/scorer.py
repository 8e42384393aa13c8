"""A real front as a child process, and a client that counts."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from modelyard.wire.scorer import ScorerState, Wanted, WantedRevision

PATIENCE_SECONDS = 60.0


class RunningFront:
    """`python -m modelyard.scorer` in a folder of its own."""

    def __init__(
        self, folder: Path, wanted: Wanted, token: str = "", variables: Mapping[str, str] | None = None
    ) -> None:
        """variables: of a front in a container, whose order and token are mounted; None: they are in the folder."""
        self.folder, self.wanted = folder, wanted
        folder.mkdir(parents=True, exist_ok=True)
        self._variables = dict(variables or {})
        if variables is None:
            (folder / "token").write_text(token)
            (folder / "wanted.json").write_bytes(msgspec.json.encode(wanted))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "front.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "modelyard.scorer", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("MODELYARD_")} | self._variables,
            )

    @property
    def log(self) -> str:
        return (self.folder / "front.log").read_text(errors="replace")

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    # --- control -------------------------------------------------------------------------------------

    def control(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        handle = os.open(self.folder, os.O_RDONLY)
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(f"/proc/self/fd/{handle}/control.sock")
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()
            os.close(handle)

    def order(self, *revisions: WantedRevision, **changes: Any) -> None:
        """Want something else; the rest stays."""
        values: dict[str, Any] = {"revisions": list(revisions) or self.wanted.revisions, **changes}
        self.wanted = msgspec.structs.replace(self.wanted, generation=self.wanted.generation + 1, **values)
        status, answer = self.control("PUT", "/wanted", msgspec.json.encode(self.wanted))
        assert status == 202, answer

    def state(self) -> ScorerState | None:
        """What the front says; what it wrote last, if it does not run."""
        try:
            return msgspec.convert(self.control("GET", "/state")[1], ScorerState)
        except OSError:
            try:
                return msgspec.json.decode((self.folder / "state.json").read_bytes(), type=ScorerState)
            except FileNotFoundError:
                return None

    def wait(self, holds: Callable[[ScorerState], bool]) -> ScorerState:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            state = self.state()
            if state is not None and holds(state):
                return state
            if time.monotonic() > until:
                raise AssertionError(f"it does not come true: {state}\n{self.log[-4000:]}")
            time.sleep(0.02)

    def wait_for(self, number: int) -> ScorerState:
        """Wait until a revision serves and nothing is being changed."""
        return self.wait(lambda s: s.serving == number and s.settled and s.generation == self.wanted.generation)

    # --- calls ---------------------------------------------------------------------------------------

    def call(
        self, path: str, body: Any = None, method: str | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        state = self.state()
        assert state is not None
        connection = http.client.HTTPConnection(state.host, state.port, timeout=30)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method or ("GET" if data is None else "POST"), path, data, named)
            answer = connection.getresponse()
            raw = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        is_json = (
            found.get("content-type") == "application/json" and "inference-header-content-length" not in found
        )
        return answer.status, json.loads(raw) if is_json else raw, found


@dataclass
class Load:
    """Busy connections, some kept open and some new for each request; every answer is counted."""

    port: int
    path: str
    body: bytes
    answers: dict[tuple[int, str], int] = field(default_factory=dict)
    """(status, revision) → how many."""
    broken: list[str] = field(default_factory=list)
    """Requests without an answer."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def run(self, kept: int = 4, new: int = 2) -> Iterator[Load]:
        threads = [threading.Thread(target=self._work, args=(n < kept,)) for n in range(kept + new)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    @property
    def count(self) -> int:
        return sum(self.answers.values())

    def more(self, count: int) -> None:
        """Wait for this many further answers."""
        goal, until = self.count + count, time.monotonic() + PATIENCE_SECONDS
        while self.count < goal and not self.broken and time.monotonic() < until:
            time.sleep(0.01)

    def _work(self, is_kept: bool) -> None:
        connection = None
        while not self._stop.is_set():
            try:
                if connection is None or not is_kept:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                connection.request("POST", self.path, self.body)
                answer = connection.getresponse()
                answer.read()
                key = (answer.status, answer.getheader("modelyard-revision", ""))
                with self._lock:
                    self.answers[key] = self.answers.get(key, 0) + 1
                if not is_kept:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(repr(error))
                return
        if connection is not None:
            connection.close()
