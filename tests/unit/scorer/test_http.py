"""HTTP/1.1: in order, with bounds on everything, on a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from modelyard.scorer import http
from modelyard.scorer.http import Request, Server, listen

BODY_BYTES = 2000


async def exchange(port: int, data: bytes, *, ends: bool = True) -> bytes:
    """Send bytes on a new connection; return everything that comes until the other side closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    if ends:
        writer.write_eof()
    found = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return found


def run(
    work: Callable[[int, Server], Awaitable[None]], handler: Callable[[Request], None] | None = None
) -> None:
    async def main() -> None:
        server = Server(handler or echo, body_bytes=BODY_BYTES, body_seconds=30)
        listener = await listen(server, "127.0.0.1", 0)
        try:
            await work(listener.sockets[0].getsockname()[1], server)
        finally:
            listener.close()
            await server.drain(0.1)

    asyncio.run(main())


def echo(request: Request) -> None:
    request.respond(200, b"%b %b" % (request.target, request.body), "text/plain")


def post(path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_pipelined_requests_are_answered_in_order_also_when_the_first_is_slow() -> None:
    async def work(port: int, _: Server) -> None:
        requests = [post(f"/{n}", b"x" * n) for n in range(200)]
        found = await exchange(port, b"".join(requests))
        assert [found.index(b"\r\n\r\n/%d " % n) for n in range(200)] == sorted(
            found.index(b"\r\n\r\n/%d " % n) for n in range(200)
        )
        assert found.count(b"200 OK") == 200

    def slow(request: Request) -> None:
        asyncio.get_running_loop().call_later(0.05 if request.path == "/0" else 0, echo, request)

    run(work, slow)


def test_a_request_may_come_byte_by_byte() -> None:
    async def work(port: int, _: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for byte in post("/a", b"abc"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" not in head
        assert await reader.readexactly(6) == b"/a abc"
        writer.close()

    run(work)


def test_chunks_and_expectations() -> None:
    async def work(port: int, _: Server) -> None:
        chunked = (
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        assert (await exchange(port, chunked)).endswith(b"/ abcde")
        expecting = await exchange(port, post("/", b"abc", "expect: 100-continue", "connection: close"))
        assert expecting.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
        head = await exchange(port, b"HEAD /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert b"content-length: 3" in head

    run(work)


LARGE = b"x" * (BODY_BYTES + 1)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: 1\r\n" % n for n in range(200)) + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE), 413),
    ],
)  # fmt: skip
def test_what_has_no_form_or_no_bound_is_refused_in_words(data: bytes, status: int) -> None:
    called: list[Request] = []

    async def work(port: int, _: Server) -> None:
        found = await exchange(port, data, ends=False)
        head, _, body = found.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" in head
        assert len(json.loads(body)["error"]) > 10

    run(work, called.append)
    assert called == []


def test_a_handler_that_raises_ends_neither_the_connection_nor_the_others(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def handler(request: Request) -> None:
        if request.path == "/bad":
            raise KeyError("a defect")
        echo(request)

    async def work(port: int, _: Server) -> None:
        found = await exchange(port, post("/bad") + post("/good", b"x"))
        assert b"500 Internal Server Error" in found
        assert found.endswith(b"/good x")

    run(work, handler)
    assert "a defect" in capfd.readouterr().err


def test_slow_callers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEADER_SECONDS", 0.05)
    monkeypatch.setattr(http, "IDLE_SECONDS", 0.05)

    async def work(port: int, server: Server) -> None:
        server.body_seconds = 0.05
        waiting = [
            asyncio.create_task(exchange(port, data, ends=False))
            for data in (b"GET / HTTP/1.1\r\nhost", b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab", b"")
        ]
        while not all(task.done() for task in waiting):
            await asyncio.sleep(0.02)
            server.tick()
        headers, body, idle = (task.result() for task in waiting)
        assert b"408" in headers
        assert b"headers of the request took too long" in headers
        assert b"body of the request took too long" in body
        assert idle == b""

    run(work)


def test_a_drain_answers_what_comes_and_closes_then() -> None:
    held: list[Request] = []

    async def work(port: int, server: Server) -> None:
        answer = asyncio.create_task(exchange(port, post("/open"), ends=False))
        idle = await asyncio.open_connection("127.0.0.1", port)
        while not held or len(server.connections) < 2:
            await asyncio.sleep(0.01)
        draining = asyncio.create_task(server.drain(20))
        await asyncio.sleep(0.05)
        idle[1].write(post("/late"))
        while len(held) < 2:
            await asyncio.sleep(0.01)
        for request in held:
            echo(request)
        for found in (await answer, await idle[0].read()):
            assert b"200 OK" in found
            assert b"connection: close" in found
        idle[1].close()
        assert await draining == 0

    began = time.monotonic()
    run(work, held.append)
    assert time.monotonic() - began < 15, "it does not wait for its time to be over"


def test_a_caller_who_reads_nothing_stops_being_read() -> None:
    def large(request: Request) -> None:
        request.respond(200, bytes(1 << 20))

    async def work(port: int, server: Server) -> None:
        caller = socket.create_connection(("127.0.0.1", port))
        caller.setblocking(False)
        sent = 0
        for _ in range(400):
            try:
                sent += caller.send(post("/") * 500)
            except BlockingIOError:
                await asyncio.sleep(0.005)
        (connection,) = server.connections
        transport: Any = connection._transport
        assert transport.get_write_buffer_size() < 4 << 20, "one answer waits, not thousands"
        server.body_seconds = 0.01
        await asyncio.sleep(0.05)
        server.tick()
        await asyncio.sleep(0.05)
        assert not server.connections
        caller.close()

    run(work, large)
