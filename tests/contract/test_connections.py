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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from modelyard.domain.errors import SlowBody
from modelyard.doors import edge
from modelyard.server import large_bodies
from modelyard.server.connections import CarefulProtocol

MIB = 1 << 20
RATE = 20_000


@dataclass
class Echo:
    """Answers with what it received; by the path also late, in part, or not at all."""

    seen: list[bytes] = field(default_factory=list)
    """The body of each request whose client hung up."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Kept as they came, so that memory that is used again too early shows.
        kept: list[bytes | memoryview] = []
        if scope["path"] == "/timed":
            settings = SimpleNamespace(slow_body_bytes_per_second=RATE)
            receive = edge.Edge._timed(SimpleNamespace(_settings=settings), scope, receive)  # type: ignore[arg-type]
        ended = scope["path"] == "/refuse"
        while not ended:
            try:
                message = await receive()
            except SlowBody:
                await send(
                    {"type": "http.response.start", "status": 400, "headers": [(b"content-length", b"0")]}
                )
                await send({"type": "http.response.body", "body": b""})
                return
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


# --- slow senders -------------------------------------------------------------------------------------


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything twenty times as fast: the least rate is 20 kB/s, and the windows are short."""
    monkeypatch.setattr(edge, "_SLOW_BODY_GRACE_SECONDS", 0.5)
    monkeypatch.setattr(edge, "_SLOW_BODY_WINDOW_SECONDS", 1.0)
    monkeypatch.setattr(large_bodies, "_BLOCK_SECONDS", 0.005)


def status_of(connection: socket.socket) -> bytes:
    return connection.makefile("rb").readline().split()[1]


@pytest.mark.usefixtures("fast_clock")
def test_a_slow_but_steady_sender_is_heard_to_the_end(running: Running) -> None:
    """Small packets of a large body, each after the receiver's patience: several times the least rate."""
    body = os.urandom(2 * MIB)
    packets = 100
    with running.connect() as connection:
        connection.sendall(head("/timed", len(body)))
        for number in range(packets):
            connection.sendall(body[number * 2500 : (number + 1) * 2500])
            time.sleep(0.02)
        connection.sendall(body[packets * 2500 :])
        answer = answer_of(connection.makefile("rb"))
    assert without_pieces(answer) == sent_back(body)
    # What came slowly did not wait for a whole block.
    assert answer["pieces"] > packets / 5


@pytest.mark.usefixtures("fast_clock")
@pytest.mark.parametrize("first", [0, MIB])
def test_a_sender_below_the_least_rate_is_cut_off(running: Running, first: int) -> None:
    """Also after much came at once."""
    with running.connect() as connection:
        connection.settimeout(20)
        connection.sendall(head("/timed", 4 * MIB))
        connection.sendall(bytes(first))
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.1):
                try:
                    connection.send(b"x" * 500)
                except OSError:
                    return

        sending = threading.Thread(target=trickle)
        sending.start()
        try:
            assert status_of(connection) == b"400"
        finally:
            stop.set()
            sending.join(10)


# --- heads without an end -----------------------------------------------------------------------------

_START = b"PUT /refuse HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_CHUNKED = b"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "request line": (b"GET /", b"a"),
    "query": (b"GET /?", b"a=b&"),
    "method": (b"", b"G"),
    "empty lines before": (b"", b"\r\n"),
    "header name": (_START, b"x"),
    "one value": (_START + b"x: ", b"y"),
    "space before a value": (_START + b"x:", b" "),
    "folded value": (_START + b"x: a", b"\r\n b"),
    "many headers": (_START, b"x: y\r\n"),
    "chunk size": (_CHUNKED, b"0"),
    "chunk extension": (_CHUNKED + b"5;", b"a"),
    "trailer name": (_CHUNKED + b"3\r\nabc\r\n0\r\n", b"x"),
    "trailer value": (_CHUNKED + b"0\r\nx: ", b"y"),
    "many trailers": (_CHUNKED + b"0\r\n", b"x: y\r\n"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_head_without_an_end_is_refused(running: Running, what: str) -> None:
    beginning, again = ENDLESS[what]
    piece = again * (16_384 // len(again))
    sent = 0
    answer = b""
    with running.connect() as connection:
        connection.settimeout(10)
        connection.sendall(beginning)
        try:
            while sent < 6 * MIB:
                connection.sendall(piece)
                sent += len(piece)
                # So that the server is never behind what is counted here.
                time.sleep(0.004)
        except OSError:
            pass
        with suppress(OSError):
            answer = connection.recv(1000)
    # What the system buffers on the way comes on top of 64 KiB.
    assert sent < 5 * MIB
    assert not answer or answer.split()[1] in (b"431", b"400")


def test_chunks_of_any_number_are_no_head(running: Running) -> None:
    """Single bytes in chunks have more frame than content."""
    with running.connect() as connection:
        connection.sendall(_CHUNKED)
        for _ in range(40):
            connection.sendall(b"1\r\nx\r\n" * 1000)
        connection.sendall(b"0\r\nx: y\r\n\r\n")
        assert without_pieces(answer_of(connection.makefile("rb"))) == sent_back(b"x" * 40_000)
