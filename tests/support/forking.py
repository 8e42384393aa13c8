"""`python -m modelyard` in processes that are forked from one that has imported it: each would spend most of its time on that.

Such a process walks the path of `python -m modelyard` from its first line to the end of the interpreter. What differs is the
start of Python, so tests of that, and of the surroundings that Python reads then, start the program itself. So do benchmarks:
only `tests/conftest.py` calls `enable`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent.parent
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "OPENSSL_", "SSL_")
_is_enabled = False
_NUMBER = struct.Struct("!i")


class ForkedProgram:
    """A running `modelyard`, with those parts of `subprocess.Popen` that its users here need."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self.returncode: int | None = None
        self.pid = self._next_number()

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; minus the signal's number for what a signal has ended."""
        with self._lock:
            if self.returncode is None:
                with selectors.DefaultSelector() as selector:
                    selector.register(self._channel, selectors.EVENT_READ)
                    if not selector.select(timeout):
                        raise subprocess.TimeoutExpired("modelyard", timeout or 0)
                self.returncode = self._next_number()
                self._channel.close()
            return self.returncode

    def _next_number(self) -> int:
        return int(_NUMBER.unpack(self._channel.recv(_NUMBER.size, socket.MSG_WAITALL))[0])

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def enable() -> None:
    global _is_enabled
    _is_enabled = hasattr(os, "fork")


def can_fork(environment: Mapping[str, str]) -> bool:
    """Return whether a forked process would be the same: not where Python or a library would start in another way."""

    def read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in variables.items() if name.startswith(_READ_AT_START)}

    return _is_enabled and read_at_start(environment) == read_at_start(_parent().environment)


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: IO[bytes] | IO[str] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int,
    stderr: IO[bytes] | int,
) -> ForkedProgram:
    """Start `python -m modelyard` with these arguments."""
    with open(os.devnull, "rb") as nothing:
        given = nothing if stdin == subprocess.DEVNULL else stdin
        return _parent().fork(
            {"arguments": [*arguments], "cwd": str(cwd), "env": dict(env)}, [given, stdout, stderr]
        )


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    given: str | None = None,
    stdin: IO[bytes] | IO[str] | int | None = None,
    timeout: float,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m modelyard` to its end. given: the text of its standard input."""
    with ExitStack() as stack:
        read, out, err = (stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(3))
        read.write(given or "")
        read.seek(0)
        program = start(
            arguments,
            cwd=cwd,
            env=env,
            stdin=read if stdin is None else stdin,
            stdout=out,
            stderr=err,
        )
        try:
            code = program.wait(timeout)
        except BaseException:
            program.kill()
            program.wait()
            raise
        out.seek(0)
        err.seek(0)
        command = [sys.executable, "-m", "modelyard", *arguments]
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


class _Parent:
    """The process that has imported all modules, and whose forks become programs."""

    def __init__(self) -> None:
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MODELYARD_")}
        self._lock = threading.Lock()
        self._control, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(other.fileno())],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        atexit.register(self.close)

    def fork(self, request: dict[str, Any], files: Sequence[IO[Any] | int]) -> ForkedProgram:
        channel, other = socket.socketpair()
        with other:
            numbers = [file if isinstance(file, int) else file.fileno() for file in files]
            with self._lock:
                socket.send_fds(self._control, [b"."], [other.fileno(), *numbers])
        channel.sendall(json.dumps(request).encode() + b"\n")
        return ForkedProgram(channel)

    def close(self) -> None:
        self._control.close()
        self._process.wait(20)


@cache
def _parent() -> _Parent:
    return _Parent()


def _import_all() -> None:
    from modelyard.cli.main import COMMANDS

    for place, _ in COMMANDS.values():
        importlib.import_module(place.partition(":")[0])
    for name in (
        "modelyard.sdk.client",
        "modelyard.server.serve",
        "uvicorn.lifespan.on",
        "uvicorn.logging",
    ):
        importlib.import_module(name)


def _serve_forks(control: socket.socket) -> None:
    """Fork whenever asked, and report the ends of forks; returns in each fork, and in the parent never."""
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    forks: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                woken.recv(4096)
                while forks:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                    if not pid:
                        break
                    with forks.pop(pid) as channel:
                        channel.sendall(_NUMBER.pack(os.waitstatus_to_exitcode(status)))
            if control in ready:
                asked, numbers, _, _ = socket.recv_fds(control, 1, 4)
                if not asked:
                    os._exit(0)
                channel = socket.socket(fileno=numbers[0])
                pid = os.fork()
                if not pid:
                    break
                for number in numbers[1:]:
                    os.close(number)
                channel.sendall(_NUMBER.pack(pid))
                forks[pid] = channel
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for each in (control, woken, wake, *forks.values()):
        each.close()
    for place, number in enumerate(numbers[1:]):
        os.dup2(number, place)
        os.close(number)
    # As Python makes them: those of this process have what they knew of other files.
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    with channel, channel.makefile("rb") as lines:
        request = json.loads(lines.readline())
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]
    sys.argv[1:] = request["arguments"]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given_socket:
        _import_all()
        gc.freeze()
        _serve_forks(given_socket)
    runpy.run_module("modelyard", run_name="__main__", alter_sys=True)
