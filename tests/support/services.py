"""What the real servers of the tests have in common: children, free ports, and their absence."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

Server = TypeVar("Server")


class ServiceMissing(RuntimeError):
    """A real server cannot run here; the text says what to install."""


def skip_or_fail(error: ServiceMissing) -> NoReturn:
    """Skip the test on a laptop; fail it where CI=true, so that nothing goes untested unseen."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have this service: {error}", pytrace=False)
    pytest.skip(str(error))


@contextmanager
def needed(running: AbstractContextManager[Server]) -> Iterator[Server]:
    """The server that runs during the block. Skips with a reason where none can run; fails instead where CI=true."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running)
        except ServiceMissing as error:
            skip_or_fail(error)
        yield server


def free_ports(count: int) -> list[int]:
    """Loopback ports no one listened on a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def child(
    command: list[str], log: Path, stop_signal: signal.Signals = signal.SIGTERM, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a child process; ended by its pid when the block ends, however it ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **options,  # type: ignore[call-overload]
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop_signal)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 30) -> None:
    """Raises ServiceMissing with the end of the server's log when nothing answers."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ServiceMissing(f"{process.args} does not listen on {port}:\n{log_end(log)}")


def log_end(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
