"""A real server as a child process, for tests and benchmarks; needs no pytest."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from modelyard.sdk.cache import Cache
from modelyard.sdk.client import Client
from tests.support import forking
from tests.support.forking import ForkedProgram

_START_SECONDS = 60.0


class ServerDidNotStart(RuntimeError):
    """The text holds the end of the server's log."""


class RunningServer:
    """`modelyard serve` with a MODELYARD_HOME and a data folder of its own."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        environment: dict[str, str],
        enter: Sequence[str] = (),
        *,
        forked: bool = True,
    ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.login_url: str | None = None
        self.url = ""
        self.started_in_seconds = 0.0
        self._settings = settings
        self._extra = environment
        self._enter = enter
        self._forked = forked
        self._process: subprocess.Popen[bytes] | ForkedProgram | None = None
        self._ready: IO[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """For commands that use this server: a clean MODELYARD_HOME, and no other MODELYARD_ variable."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MODELYARD_")}
        return {**kept, **self._extra, "MODELYARD_HOME": str(self.home)}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def token(self) -> str:
        """The owner's."""
        stored = json.loads((self.home / "credentials.json").read_text())
        return str(stored["servers"][self.url]["token"])

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def client(self, token: str | None = None, *, cache: Path | None = None, **options: Any) -> Client:
        """As the owner, or with another token; with a cache of the server's own home."""
        options["cache"] = Cache(cache or self.home / "cache")
        return Client(self.url, token or self.token, **options)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """One command of the command line against this server."""
        environment = {**self.environment, **options.pop("env", {})}
        return run_command(arguments, environment, forked=self._forked, **options)

    def start(self) -> None:
        """Start, or start again on the same port and data. Returns when it answers."""
        began = time.monotonic()
        flags: list[str] = []
        for name, value in {"port": self.port, "data": self.data, **self._settings}.items():
            option = f"--{name.replace('_', '-')}"
            if value is True:
                flags.append(option)
            elif value is not False and value is not None:
                flags += [option, str(value)]
        arguments = ["serve", "--json", *flags]
        read, write = os.pipe()
        self._ready = os.fdopen(read, "rb")
        with self.log.open("ab") as log, os.fdopen(write, "wb") as ready:
            if self._forked and not self._enter and forking.can_fork(self.environment):
                self._process = forking.start(
                    arguments, cwd=self.folder, env=self.environment, stdout=ready, stderr=log
                )
            else:
                self._process = subprocess.Popen(
                    [*self._enter, sys.executable, "-m", "modelyard", *arguments],
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=ready,
                    stderr=log,
                )
        told = json.loads(self._first_line())
        self.url, self.login_url = told["url"], told["login_url"]
        with Client(self.url, "", patience_seconds=_START_SECONDS) as client:
            client.admin.health()
        self.started_in_seconds = time.monotonic() - began

    def _first_line(self) -> bytes:
        assert self._ready is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._ready, selectors.EVENT_READ)
            line = self._ready.readline() if selector.select(_START_SECONDS) else b""
        if not line:
            self.stop()
            raise ServerDidNotStart(self.log.read_text(errors="replace")[-4000:])
        return line

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._reap()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait()
        if self._ready is not None:
            self._ready.close()

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same port and data."""
        self.stop()
        self.start()

    def resident_bytes(self) -> int:
        """Memory of the server's process (Linux)."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


def run_command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    forked: bool = True,
    cwd: Path | None = None,
    input: str | None = None,
    stdin: IO[str] | int | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """One command of the command line, with nothing or `input` to read. forked: see `tests.support.forking`."""
    if forked and forking.can_fork(environment):
        return forking.run(
            arguments, cwd=cwd or Path.cwd(), env=environment, given=input, stdin=stdin, timeout=timeout
        )
    reading = {"stdin": stdin or subprocess.DEVNULL} if input is None else {"input": input}
    return subprocess.run(
        [sys.executable, "-m", "modelyard", *arguments],
        env=environment,
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
        cwd=cwd,
        **reading,
    )


@contextmanager
def running_server(
    database_url: str | None = None,
    blobs_url: str | None = None,
    *,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
    enter: Sequence[str] = (),
    forked: bool = True,
    **settings: Any,
) -> Iterator[RunningServer]:
    """A server on a free port of 127.0.0.1, stopped at the end of the block.

    settings: as the flags of `modelyard serve`, `upload_chunk_bytes=65536`. folder: for home, data and log;
    None: a temporary one. environment: further variables, such as a bucket's credentials. enter: a command that
    runs another one, such as nsenter. forked: see `tests.support.forking`; False where the start itself is tested.
    """
    with tempfile.TemporaryDirectory(prefix="modelyard-server-", ignore_cleanup_errors=True) as place:
        wanted = {"database_url": database_url, "blobs_url": blobs_url, **settings}
        chosen = folder or Path(place)
        chosen.mkdir(parents=True, exist_ok=True)
        server = RunningServer(chosen, wanted, environment or {}, enter, forked=forked)
        server.start()
        try:
            yield server
        finally:
            server.stop()
