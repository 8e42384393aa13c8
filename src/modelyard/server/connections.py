"""The server's side of a connection: limits on a request's head, large bodies past the parser, and files
straight from disk to socket."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import sys
from typing import TYPE_CHECKING, Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelyard.doors.edge import BODY_HAS_COME
from modelyard.doors.fair_share import Runner
from modelyard.doors.ranges import SEND_FILE
from modelyard.server.large_bodies import LargeBody, hand_over

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

logger = logging.getLogger(__name__)

TESTED_UVICORN = "0.54"
"""The minor release whose private parts this module uses (the cycle's body, receive, message_event,
expected_content_length)."""
_HEADER_SECONDS = 10.0
_MAX_HEADER_BYTES = 64 * 1024
_MAX_HEADERS = 200
_FAREWELL_SECONDS = 0.2
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
_LARGE_BODY_BYTES = 1 << 20
"""Bodies of which less is to come go through the parser as all others."""
_PIECE_BYTES = 8 << 20
_PATIENCE_MILLISECONDS = 50
"""How long a thread waits for a receiver before it does other work."""
_STALLED_SECONDS = 120.0
_SMALL_BYTES = 16 * 1024
"""What is copied rather than sent apart."""


def choose_protocol(release: str = uvicorn.__version__) -> type[HttpToolsProtocol]:
    """Return our protocol where it was tested with this release of the web server, else the web server's own.

    Its own copies large bodies and files through Python, and waits for the head of a request without a limit.
    """
    if release.rpartition(".")[0] == TESTED_UVICORN:
        return CarefulProtocol
    logger.warning(
        "uvicorn %s is not the tested release %s: large files are slower, and a reverse proxy should limit the time "
        "for a request's head. Install uvicorn %s.*",
        release,
        TESTED_UVICORN,
        TESTED_UVICORN,
    )
    return HttpToolsProtocol


class CarefulProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which would otherwise wait for ever for a request's head, of any size."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]
        self._head_bytes = 0
        self._silent_bytes = 0
        self._body_rest = 0
        self._receiving: LargeBody | None = None
        self._await_head()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def on_message_begin(self) -> None:
        self._head_timer.cancel()
        self._await_head()
        super().on_message_begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_timer.cancel()
        super().connection_lost(exc)

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        super().on_header(name, value)

    def _count_head(self, more: int) -> None:
        """What the parser gave out of a head, or of the headers behind a body in chunks."""
        self._silent_bytes = 0
        self._head_bytes += more
        if self._head_bytes > _MAX_HEADER_BYTES or len(self.headers) > _MAX_HEADERS:
            self._refuse_head()
            raise ValueError("the request's head is too large")

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            cycle = self.cycle
            if cycle is None or cycle.response_complete or not cycle.response_started:
                self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()
            self._end_soon()

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        self._end_soon()

    def _end_soon(self) -> None:
        """A TLS connection that is closed would else be read until its client agrees."""
        self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        self._silent_bytes = 0
        self._head_timer.cancel()
        self._head_bytes = 0
        super().on_headers_complete()
        self._body_rest = self._announced_bytes()
        cycle = self.cycle
        if cycle is not None:
            extensions: dict[str, object] = cycle.scope.setdefault("extensions", {})  # type: ignore[assignment]
            extensions[BODY_HAS_COME] = cycle.message_event.is_set
            if self.transport.get_extra_info("ssl_object") is None:
                extensions[SEND_FILE] = FileSender(cycle)

    def _announced_bytes(self) -> int:
        """Of the body that follows; 0 where there is none, or its length is not known before its end."""
        if self.scope["method"] == "GET" or self.parser.should_upgrade():
            return 0
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    def on_body(self, body: bytes) -> None:
        self._body_rest -= len(body)
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent_bytes = self._head_bytes = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        # The parser gives out only what is complete. A line without an end, wherever it stands (request line,
        # header, size of a chunk, header behind the last chunk), is known by its silence.
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > _MAX_HEADER_BYTES:
            self._refuse_head()
        # The loop of Windows reads first and asks for room afterwards, so it would read beyond the body.
        if self._body_rest >= _LARGE_BODY_BYTES and sys.platform != "win32" and not self.transport.is_closing():
            self._receiving = LargeBody(self, self._body_rest)
            self._receiving.take_connection()
            self._body_rest = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._receiving is not None:
            self._receiving.forget()

    def go_on_after_body(self) -> None:
        """Take the connection back. The old parser still waits for a body that it will never see."""
        self._receiving = None
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        hand_over(self.transport, self, self.flow.read_paused)


class Gathering:
    """A transport that sends the head of an answer and its small body with one call to the kernel.

    The web server writes them one right after the other, and each call costs as much as a statement of SQL.
    What is held back goes out with the next write, or when the loop comes round.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._held:
            held, self._held = self._held, b""
            if len(data) <= _SMALL_BYTES:
                self._transport.write(held + data)
                return
            self._transport.write(held)
        elif len(data) <= _SMALL_BYTES:
            self._held = data
            self._loop.call_soon(self._send_held)
            return
        self._transport.write(data)

    def _send_held(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        self._send_held()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return len(self._held) + self._transport.get_write_buffer_size()


class FileSender:
    """Sends part of a file as the body of one answer, from the page cache to the socket by the kernel.

    The head of the answer must have been sent, with the length. The web server knows only its own way to
    write, so it is told afterwards how much of the announced length went out.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    async def __call__(self, run: Runner, file: int, start: int, end: int) -> None:
        """file: an open descriptor. Returns when all went out, or the client is gone."""
        cycle = self._cycle
        await self._head_sent()
        connection = cycle.transport.get_extra_info("socket")
        # A descriptor of our own: the server may close its one at any moment, and the number be used again.
        own = socket.socket(fileno=os.dup(connection.fileno()))
        loop = asyncio.get_running_loop()
        try:
            at = start
            while at < end and not cycle.disconnected:
                sent = await run(_send_what_goes, own, file, at, end)
                at += sent
                if at < end:
                    await _writable(loop, own)
        except (OSError, TimeoutError):
            cycle.transport.abort()
            cycle.disconnected = True
        finally:
            own.close()
        cycle.expected_content_length -= at - start

    async def _head_sent(self) -> None:
        transport = self._cycle.transport
        tries = 0
        while transport.get_write_buffer_size() and not self._cycle.disconnected:
            await asyncio.sleep(0 if tries < 20 else 0.005)
            tries += 1


def _send_what_goes(receiver: socket.socket, file: int, at: int, end: int) -> int:
    """Bytes sent until all are, or the receiver has no room for a while."""
    start = at
    ready = select.poll()
    ready.register(receiver, select.POLLOUT)
    while at < end:
        try:
            sent = os.sendfile(receiver.fileno(), file, at, min(_PIECE_BYTES, end - at))
        except BlockingIOError:
            if not ready.poll(_PATIENCE_MILLISECONDS):
                break
            continue
        if sent == 0:
            raise OSError("the file is shorter than it was")
        at += sent
    return at - start


async def _writable(loop: asyncio.AbstractEventLoop, receiver: socket.socket) -> None:
    """Raises TimeoutError for a receiver that takes nothing for too long."""
    ready = asyncio.Event()
    loop.add_writer(receiver.fileno(), ready.set)
    try:
        async with asyncio.timeout(_STALLED_SECONDS):
            await ready.wait()
    finally:
        loop.remove_writer(receiver.fileno())
