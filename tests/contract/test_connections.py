"""Bodies on their way from the socket to the application: whole, in order, and never a byte of the next request.

Asked of each event loop that the server may run on, in plain text and in TLS.
"""

from __future__ import annotations

import asyncio
import datetime
import gc
import hashlib
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from modelyard import large_bodies
from modelyard.connections import CarefulProtocol

MIB = 1 << 20


@dataclass
class Echo:
    """Answers with what it received; by the path also late, in part, or not at all."""

    seen: list[bytes] = field(default_factory=list)
    """The body of each request whose client hung up."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Kept as they came, so that memory that is used again too early shows.
        kept: list[bytes | memoryview] = []
        ended = scope["path"] == "/refuse"
        while not ended:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.seen.append(b"".join(kept))
                return
            kept.append(message.get("body", b""))
            if scope["path"] == "/slow" and len(kept) < 8:
                await asyncio.sleep(0.02)
            ended = not message.get("more_body") or scope["path"] == "/part"
        answer = json.dumps({**sent_back(b"".join(kept)), "pieces": len(kept)})
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.encode()})


@dataclass
class Running:
    address: tuple[str, int]
    echo: Echo
    client_context: ssl.SSLContext | None

    def connect(self) -> socket.socket:
        plain = socket.create_connection(self.address, 30)
        if self.client_context is None:
            return plain
        return self.client_context.wrap_socket(plain, server_hostname="127.0.0.1")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself: its file, and the key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


@pytest.fixture(scope="module", params=["uvloop", "asyncio", "uvloop, TLS", "asyncio, TLS"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    loop, _, tls = request.param.partition(", ")
    options: dict[str, Any] = {}
    context = None
    if tls:
        cert, key = certificate(tmp_path_factory.mktemp("tls"))
        options = {"ssl_certfile": str(cert), "ssl_keyfile": str(key)}
        context = ssl.create_default_context(cafile=str(cert))
    echo = Echo()
    config = uvicorn.Config(
        echo, http=CarefulProtocol, ws="none", loop=loop, lifespan="off", log_config=None, **options
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Running(listener.getsockname(), echo, context)
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


def head(path: str, size: int, *extra: str) -> bytes:
    lines = [f"PUT {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {size}", *extra]
    return "\r\n".join([*lines, "", ""]).encode()


def answer_of(received: Any) -> dict[str, Any]:
    assert received.readline().split()[1] == b"200"
    length = 0
    while line := received.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    found: dict[str, Any] = json.loads(received.read(length))
    return found


def sent_back(body: bytes) -> dict[str, Any]:
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def without_pieces(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "pieces"}


SIZES = [0, 1, 70_000, MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB + 12_345]


@pytest.mark.parametrize("path", ["/", "/slow"])
def test_bodies_of_any_size_on_one_connection(running: Running, path: str) -> None:
    with running.connect() as connection, connection.makefile("rb") as received:
        for size in SIZES:
            body = os.urandom(size)
            connection.sendall(head(path, size) + body)
            assert without_pieces(answer_of(received)) == sent_back(body)


@pytest.mark.parametrize("cuts", [(1, 1000), (100_000, 3 * MIB), (3 * MIB - 1,)])
def test_a_body_that_comes_in_odd_parts(running: Running, cuts: tuple[int, ...]) -> None:
    body = os.urandom(3 * MIB + 7)
    with running.connect() as connection, connection.makefile("rb") as received:
        connection.sendall(head("/", len(body)))
        for start, end in zip((0, *cuts), (*cuts, len(body)), strict=True):
            time.sleep(0.15)
            connection.sendall(body[start:end])
        assert without_pieces(answer_of(received)) == sent_back(body)


def test_requests_sent_before_the_answers_come(running: Running) -> None:
    """A large body between two others: none of them gets a byte of its neighbour."""
    bodies = [os.urandom(size) for size in (5, 3 * MIB + 1, 2 * MIB, 11)]
    everything = b"".join(head("/slow", len(body)) + body for body in bodies)
    with running.connect() as connection, connection.makefile("rb") as received:
        connection.sendall(everything)
        for body in bodies:
            assert without_pieces(answer_of(received)) == sent_back(body)


def test_large_bodies_come_in_large_pieces(running: Running) -> None:
    body = os.urandom(24 * MIB)
    with running.connect() as connection, connection.makefile("rb") as received:
        connection.sendall(head("/", len(body)) + body)
        answer = answer_of(received)
    assert without_pieces(answer) == sent_back(body)
    assert answer["pieces"] <= 90


def test_who_asks_before_sending_is_told_to_go_on(running: Running) -> None:
    body = os.urandom(2 * MIB)
    with running.connect() as connection, connection.makefile("rb") as received:
        connection.sendall(head("/", len(body), "Expect: 100-continue"))
        assert received.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert received.readline() == b"\r\n"
        connection.sendall(body)
        assert without_pieces(answer_of(received)) == sent_back(body)


@pytest.mark.parametrize("path", ["/refuse", "/part"])
def test_a_body_nobody_wants_is_read_to_its_end(running: Running, path: str) -> None:
    """The answer comes first, and the connection is good for the next request."""
    body, small = os.urandom(6 * MIB), b"next"
    with running.connect() as connection, connection.makefile("rb") as received:
        connection.sendall(head(path, len(body)) + body[: 2 * MIB])
        assert answer_of(received)["size"] < len(body)
        connection.sendall(body[2 * MIB :] + head("/", len(small)) + small)
        assert without_pieces(answer_of(received)) == sent_back(small)


@pytest.mark.parametrize(
    ("path", "announced", "sent"),
    [("/refuse", 6 * MIB, 2 * MIB), ("/", 3 * MIB, 3 * MIB)],
    ids=["refused", "received"],
)
def test_what_nobody_needs_any_more_holds_no_memory(
    running: Running, path: str, announced: int, sent: int
) -> None:
    """Also not until the next collection of cycles. Anybody can open many connections without an account."""
    with ExitStack() as stack:
        gc.disable()
        stack.callback(gc.enable)
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        for _ in range(20):
            connection = stack.enter_context(running.connect())
            connection.sendall(head(path, announced) + bytes(sent))
            answer_of(stack.enter_context(connection.makefile("rb")))
            connection.sendall(bytes(min(MIB, announced - sent)))
        held = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, large_bodies.__file__)])
    assert sum(trace.size for trace in held.traces) < 5 * MIB


def test_what_arrived_before_the_client_hung_up_is_not_lost(running: Running) -> None:
    body = os.urandom(2 * MIB + 777)
    running.echo.seen.clear()
    with running.connect() as connection:
        connection.sendall(head("/slow", 4 * MIB) + body)
        if running.client_context is not None:
            connection.unwrap().close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 20
    while not running.echo.seen and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [len(seen) for seen in running.echo.seen] == [len(body)]
    assert running.echo.seen == [body]
