"""Between client and server on loopback: a line that breaks, and an HTTP proxy that remembers what it did."""

from __future__ import annotations

import base64
import ctypes
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_BLOCK = 1 << 16
_CLONE_NEWNET = 0x40000000


def _pump(a: socket.socket, b: socket.socket, cut_after: int | None = None) -> None:
    """Carry bytes both ways until one side ends, or so many bytes went one way."""
    passed = {a: 0, b: 0}
    with a, b:
        while True:
            ready, _, _ = select.select([a, b], [], [], 60)
            if not ready:
                return
            for source in ready:
                block = source.recv(_BLOCK)
                if not block:
                    return
                passed[source] += len(block)
                (b if source is a else a).sendall(block)
                if cut_after is not None and passed[source] > cut_after:
                    return


@contextmanager
def _listening(handle: Callable[[socket.socket], None], network: int | None = None) -> Iterator[int]:
    listener = _in_network(network, lambda: socket.create_server(("127.0.0.1", 0)))

    def one(connection: socket.socket) -> None:
        with suppress(OSError):
            handle(connection)

    def work() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=work, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _in_network(pid: int | None, make: Callable[[], socket.socket]) -> socket.socket:
    """Make a socket in the network of a process; None: in our own. A thread may enter another network, and ends there."""

    def enter_and_make() -> socket.socket:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(namespace)
        return make()

    if pid is None:
        return make()
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(enter_and_make).result()


@contextmanager
def between_networks(
    port: int, *, listen_in: int | None = None, connect_in: int | None = None
) -> Iterator[int]:
    """A port of loopback in the network of one process that leads to a port of loopback in that of another; None: this one."""

    def handle(connection: socket.socket) -> None:
        with connection:
            target = _in_network(connect_in, lambda: socket.create_connection(("127.0.0.1", port), 10))
            _pump(connection, target)

    with _listening(handle, listen_in) as own:
        yield own


@contextmanager
def bad_line(port: int, cut_after: int) -> Iterator[str]:
    """The address of a line to a port that breaks each connection after so many bytes in one direction."""

    def handle(connection: socket.socket) -> None:
        _pump(connection, socket.create_connection(("127.0.0.1", port)), cut_after)

    with _listening(handle) as own:
        yield f"http://127.0.0.1:{own}"


@dataclass
class Proxied:
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """First lines of requests."""


@contextmanager
def http_proxy(credentials: str | None = None) -> Iterator[Proxied]:
    """A proxy for http:// addresses and for tunnels. credentials: `user:password` that it asks for."""
    state = Proxied()
    wanted = None if credentials is None else base64.b64encode(credentials.encode())

    def handle(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            block = connection.recv(_BLOCK)
            if not block:
                return
            head += block
        first, _, rest = head.partition(b"\r\n")
        state.asked.append(first.decode())
        method, target, version = first.split(b" ")
        if wanted is not None and b"basic " + wanted not in rest.replace(b"Basic ", b"basic "):
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            connection.close()
            return
        if method == b"CONNECT":
            host, _, port = target.decode().rpartition(":")
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            _pump(connection, socket.create_connection((host.strip("[]"), int(port))))
            return
        parts = urlsplit(target.decode())
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        server = socket.create_connection((parts.hostname or "", parts.port or 80))
        # One request a connection keeps it simple: the head is rewritten once.
        lines = [
            line for line in rest.split(b"\r\n") if not line.lower().startswith((b"proxy-", b"connection:"))
        ]
        server.sendall(
            b" ".join((method, path.encode(), version)) + b"\r\nconnection: close\r\n" + b"\r\n".join(lines)
        )
        _pump(connection, server)

    with _listening(handle) as port:
        state.port = port
        yield state
