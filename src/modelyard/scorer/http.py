"""HTTP/1.1 on a socket, for servers whose handlers answer at once or later, without a task for each request.

Requests of a connection are answered in order, one after the other. Everything that a caller sends has bounds: header bytes,
their number, the body, and the time for each; what is beyond them is refused in words, and the connection ends.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import httptools
import msgspec

from modelyard.scorer.refusals import Refusal, bad, failed, too_large

MAX_TARGET_BYTES = 8 << 10
MAX_HEADER_BYTES = 32 << 10
MAX_HEADERS = 128
MAX_CONNECTIONS = 4096
HEADER_SECONDS = 10.0
"""From the first byte of a request to the end of its headers."""
IDLE_SECONDS = 75.0
"""A connection without a request is closed after this time."""
JSON_TYPE = "application/json"
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_encode = msgspec.json.Encoder().encode


class Request:
    """One request. headers: by lower-case name; of several, the last. Answer it with `respond`, once."""

    __slots__ = ("_connection", "began", "body", "headers", "is_answered", "keep_alive", "method", "target")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.method = ""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.keep_alive = True
        self.is_answered = False
        self.began = time.monotonic()
        """When its last byte had come."""

    @property
    def path(self) -> str:
        return unquote(self.target.partition(b"?")[0].decode("latin-1"))

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def respond(
        self, status: int, body: bytes = b"", content_type: str = JSON_TYPE, headers: bytes = b""
    ) -> None:
        """Answer. headers: further ones, each ended by CR LF."""
        if not self.is_answered:
            self.is_answered = True
            self._connection.answer(self, status, body, content_type, headers)

    def refuse(self, refusal: Refusal, headers: bytes = b"", body: Any = None) -> None:
        """Answer with a refusal. body: in the form of the caller's protocol; None: ours."""
        if refusal.retry_after is not None:
            headers += b"retry-after: %d\r\n" % refusal.retry_after
        self.respond(refusal.status, _encode(refusal.to_json() if body is None else body), JSON_TYPE, headers)


class Server:
    """The connections of all listeners. handler: is called with each complete request."""

    def __init__(self, handler: Callable[[Request], None], *, body_bytes: int, body_seconds: float) -> None:
        self.handler = handler
        self.body_bytes, self.body_seconds = body_bytes, body_seconds
        self.connections: set[Connection] = set()
        self.is_draining = False
        self.date = b""
        self.tick()

    def connection(self) -> Connection:
        return Connection(self)

    def tick(self) -> None:
        """Close connections that are too slow. Called about once a second."""
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        present = time.monotonic()
        for connection in [*self.connections]:
            connection.look(present)

    async def drain(self, seconds: float) -> int:
        """Answer what comes on open connections, and close each after it. Returns the number that had to be cut off."""
        self.is_draining = True
        until = time.monotonic() + seconds
        while self.connections and time.monotonic() < until:
            # A connection without a request is left open: its next request may be on its way.
            await asyncio.sleep(0.02)
        left = [*self.connections]
        for connection in left:
            connection.cut()
        return sum(connection.is_busy for connection in left)


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._pieces: list[bytes] = []
        self._count = self._header_bytes = 0
        self._waiting: deque[Request] = deque()
        self._current: Request | None = None
        self._refused: Refusal | None = None
        self._since = time.monotonic()
        """When the present state began: idle, reading headers, reading a body, or a stalled write."""
        self._has_headers = self._is_stalled = self._is_over = self._is_paused = self._has_end = False

    @property
    def is_busy(self) -> bool:
        return self._current is not None

    # --- the transport -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance of it where uvloop runs.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)
        if len(self._server.connections) > MAX_CONNECTIONS:
            self._end_with(
                Refusal(503, "too_many_connections", "there are too many connections", retry_after=1)
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._is_over = True
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._request is not None:
                self._refused = bad("this server does not change protocols")
        except httptools.HttpParserError as error:
            self._refused = self._refused or bad(f"this is not HTTP: {error}", "invalid_http")
        if self._refused is not None and self._current is None:
            self._end_with(self._refused)

    def eof_received(self) -> bool:
        # A caller that has closed its side may still read the answers.
        self._has_end = True
        return self._current is not None

    def pause_writing(self) -> None:
        self._is_stalled, self._since = True, time.monotonic()

    def resume_writing(self) -> None:
        self._is_stalled = False
        self._next()

    def look(self, present: float) -> None:
        """Close the connection if its caller is too slow."""
        waited = present - self._since
        if self._is_stalled:
            if waited > self._server.body_seconds:
                self.cut()
        elif self._current is not None:
            return
        elif self._request is None:
            if waited > IDLE_SECONDS:
                self.cut()
        elif waited > (self._server.body_seconds if self._has_headers else HEADER_SECONDS):
            part = "body" if self._has_headers else "headers"
            self._end_with(Refusal(408, "too_slow", f"the {part} of the request took too long"))

    def cut(self) -> None:
        self._is_over = True
        if self._transport is not None:
            self._transport.abort() if self._is_stalled else self._transport.close()

    # --- the parser ----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._request = Request(self)
        self._pieces, self._count, self._header_bytes = [], 0, 0
        self._has_headers, self._since = False, time.monotonic()

    def on_url(self, url: bytes) -> None:
        assert self._request is not None
        self._request.target += url
        if len(self._request.target) > MAX_TARGET_BYTES:
            self._refuse(Refusal(414, "too_large", f"the path is longer than {MAX_TARGET_BYTES} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._request is not None
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADER_BYTES or len(self._request.headers) >= MAX_HEADERS:
            self._refuse(Refusal(431, "too_large", f"the headers are larger than {MAX_HEADER_BYTES} bytes"))
            return
        self._request.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        request = self._request
        assert request is not None
        self._has_headers = True
        request.method = self._parser.get_method().decode("latin-1")
        request.keep_alive = self._parser.should_keep_alive()
        length = request.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._server.body_bytes:
            self._refuse(self._too_large())
        elif request.headers.get(b"expect", b"").lower() == b"100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._count += len(body)
        if self._count > self._server.body_bytes:
            self._refuse(self._too_large())
        elif self._refused is None:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        request, self._request = self._request, None
        if request is None or self._refused is not None:
            return
        request.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        request.began = self._since = time.monotonic()
        self._waiting.append(request)
        if self._current is None:
            self._next()
        elif self._transport is not None and not self._is_paused:
            # One request at a time; the others wait in the caller's socket.
            self._is_paused = True
            self._transport.pause_reading()

    def _too_large(self) -> Refusal:
        return too_large(
            f"the body is larger than {self._server.body_bytes} bytes, the limit of this deployment"
        )

    def _refuse(self, refusal: Refusal) -> None:
        self._refused = self._refused or refusal

    # --- answers -------------------------------------------------------------------------------------

    def _next(self) -> None:
        while self._waiting and self._current is None and not self._is_stalled and not self._is_over:
            request = self._current = self._waiting.popleft()
            try:
                self._server.handler(request)
            except Exception:  # noqa: BLE001 - one request must not end the others, whatever it was
                traceback.print_exc()
                request.refuse(failed("the scorer failed; its log says why", "internal"))
        if self._is_paused and not self._waiting and self._transport is not None and not self._is_over:
            self._is_paused = False
            self._transport.resume_reading()

    def answer(self, request: Request, status: int, body: bytes, content_type: str, headers: bytes) -> None:
        if self._transport is None or self._is_over or self._current is not request:
            return
        ends = not request.keep_alive or self._server.is_draining or self._refused is not None
        ends = ends or (self._has_end and not self._waiting)
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b%b\r\n" % (
            _STATUS[status],
            content_type.encode("latin-1"),
            len(body),
            self._server.date,
            headers,
            b"connection: close\r\n" if ends else b"",
        )
        self._transport.write(head if request.method == "HEAD" else head + body)
        self._current, self._since = None, time.monotonic()
        if ends:
            self._is_over = True
            self._transport.close()
        elif self._waiting:
            # Not from within: a long row of small requests would nest.
            asyncio.get_running_loop().call_soon(self._next)

    def _end_with(self, refusal: Refusal) -> None:
        """Answer what could not be read, and close."""
        request = Request(self)
        request.keep_alive = False
        self._current, self._waiting = request, deque()
        request.refuse(refusal)


async def listen(server: Server, host: str, port: int) -> asyncio.Server:
    """Listen at an address. Raises OSError."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(server.connection, host, port, backlog=1024, reuse_address=True)
