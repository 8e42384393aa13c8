"""The server's side of a connection: limits on a request's head, large bodies that bypass the parser, and files
that go straight from disk to socket."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import select
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from modelyard.doors.answers import SEND_WHOLE
from modelyard.doors.edge import BODY_HAS_COME
from modelyard.doors.fair_share import Runner
from modelyard.doors.ranges import SEND_FILE
from modelyard.server.large_bodies import LargeBody, hand_over

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

logger = logging.getLogger(__name__)

TESTED_UVICORN = "0.54"
"""The minor release whose private parts this module uses (the cycle's body, receive, message_event, default_headers,
keep_alive, expected_content_length and what it knows of its answer)."""
_HEADER_SECONDS = 10.0
_MAX_HEADER_BYTES = 64 * 1024
_MAX_HEADERS = 200
_FAREWELL_SECONDS = 0.2
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
_LARGE_BODY_BYTES = 1 << 20
"""Bodies with fewer remaining bytes go through the parser like all others."""
_PIECE_BYTES = 8 << 20
_PATIENCE_MILLISECONDS = 50
"""Time that a thread waits for a receiver before it does other work."""
_STALLED_SECONDS = 120.0
_NOT_IN_HEADERS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SMALL_BYTES = 16 * 1024
"""Bytes up to this size are copied instead of sent separately."""


def choose_protocol(release: str = uvicorn.__version__) -> type[HttpToolsProtocol]:
    """Return our protocol if it was tested with this release of the web server, otherwise the web server's own.

    The latter copies large bodies and files through Python, and waits for the head of a request without a limit.
    """
    if release.rpartition(".")[0] == TESTED_UVICORN:
        return CarefulProtocol
    logger.warning(
        "uvicorn %s is not the tested release %s: large files are slower, and a reverse proxy must limit the time "
        "for a request's head. Install uvicorn %s.*",
        release,
        TESTED_UVICORN,
        TESTED_UVICORN,
    )
    return HttpToolsProtocol


class CarefulProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits: it would otherwise wait forever for a request's head, of any size."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]
        self._is_plain = transport.get_extra_info("ssl_object") is None
        self._silent_bytes = 0
        self._body_rest = 0
        self._receiving: LargeBody | None = None
        self._head_since: float | None = self.loop.time()
        """Time since which the head of a request is awaited; None: it has arrived."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._await_head()

    def _await_head(self) -> None:
        """Start the timer, one for all requests of a connection; one for each would cost as much as parsing the head."""
        self._head_timer = None
        if self._head_since is None:
            return
        left = self._head_since + _HEADER_SECONDS - self.loop.time()
        if left > 0:
            self._head_timer = self.loop.call_later(left, self._await_head)
        elif not self.transport.is_closing():
            self.transport.close()

    def on_message_begin(self) -> None:
        self._head_since = self.loop.time()
        if self._head_timer is None:
            self._await_head()
        super().on_message_begin()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

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
        """End the connection soon; otherwise a closed TLS connection would be read until its client agrees."""
        self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        if self._silent_bytes > _MAX_HEADER_BYTES or len(self.headers) > _MAX_HEADERS:
            self._check_head()
        self._silent_bytes = 0
        self._head_since = None
        super().on_headers_complete()
        self._body_rest = self._announced_bytes()
        cycle = self.cycle
        if cycle is not None:
            extensions: dict[str, object] = cycle.scope.setdefault("extensions", {})  # type: ignore[assignment]
            extensions[BODY_HAS_COME] = cycle.message_event.is_set
            extensions[SEND_WHOLE] = AnswerSender(cycle)
            if self._is_plain:
                extensions[SEND_FILE] = FileSender(cycle)

    def _check_head(self) -> None:
        """Check the length of a head that arrived in one piece with other bytes."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > _MAX_HEADER_BYTES or len(self.headers) > _MAX_HEADERS:
            self._refuse_head()
            raise ValueError("the request's head is too large")

    def _announced_bytes(self) -> int:
        """Return the length of the body; 0 without a body, or if its length is not known in advance."""
        if self.scope["method"] == "GET" or self.parser.should_upgrade():
            return 0
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    def on_body(self, body: bytes) -> None:
        self._body_rest -= len(body)
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent_bytes = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        # Bytes that complete no head, piece of a body or message are counted: an endless head, the size of a chunk,
        # headers after the last chunk.
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > _MAX_HEADER_BYTES:
            self._refuse_head()
        # The loop on Windows reads first and asks for a buffer afterwards, so it would read beyond the body.
        if self._body_rest >= _LARGE_BODY_BYTES and sys.platform != "win32" and not self.transport.is_closing():
            self._receiving = LargeBody(self, self._body_rest)
            self._receiving.take_connection()
            self._body_rest = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._receiving is not None:
            self._receiving.forget()

    def go_on_after_body(self) -> None:
        """Take the connection back with a new parser; the old one still waits for a body that it will never see."""
        self._receiving = None
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        hand_over(self.transport, self, self.flow.read_paused)


class Gathering:
    """A transport that sends the head of an answer and its small body with one system call.

    The web server writes them one after the other, and each call costs as much as an SQL statement. Held-back bytes are
    sent with the next write, or in the next turn of the loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        # Needed at every request; going through __getattr__ takes three times as long.
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

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

    def write_at_once(self, data: bytes) -> None:
        held, self._held = self._held, b""
        self._transport.write(held + data)

    def _send_held(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        self._send_held()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return len(self._held) + self._transport.get_write_buffer_size()


class AnswerSender:
    """Send a whole small answer with one call and one write; see doors.answers.SendWhole.

    The web server's own `send` awaits two messages and holds two patterns against each header, which takes a quarter
    of the time of a read by key. Here one pattern is held against the whole head.
    """

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def __call__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        cycle = self._cycle
        if (
            cycle.response_started
            or cycle.disconnected
            or cycle.flow.write_paused
            or len(body) > _SMALL_BYTES
            or cycle.scope["method"] == "HEAD"
        ):
            return False
        lines = [name + b": " + value for name, value in (*cycle.default_headers, *headers)]
        if _NOT_IN_HEADERS.search(b"".join(lines)):
            raise RuntimeError("a header of an answer has control characters")
        if not cycle.keep_alive:
            lines.append(b"connection: close")
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        transport = cast(Gathering, cycle.transport)
        transport.write_at_once(STATUS_LINE[status] + b"\r\n".join(lines) + b"\r\n\r\n" + body)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


class FileSender:
    """Send part of a file as the body of one answer, copied by the kernel from the page cache to the socket.

    The head of the answer must have been sent, with the length. The web server knows only its own writes, so it is
    informed afterwards how much of the announced length was sent.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    async def __call__(self, run: Runner, file: int, start: int, end: int) -> int:
        """Send the range of an open descriptor. Returns the number of bytes sent: all, unless the client is gone."""
        cycle = self._cycle
        await self._head_sent()
        connection = cycle.transport.get_extra_info("socket")
        # A descriptor of our own: the server may close its own at any moment, and the number may be reused.
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
        return at - start

    async def _head_sent(self) -> None:
        transport = self._cycle.transport
        tries = 0
        while transport.get_write_buffer_size() and not self._cycle.disconnected:
            await asyncio.sleep(0 if tries < 20 else 0.005)
            tries += 1


def _send_what_goes(receiver: socket.socket, file: int, at: int, end: int) -> int:
    """Send until done, or until the receiver's buffer is full for a while. Returns the number of bytes sent."""
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
            raise OSError("the file became shorter while it was sent")
        at += sent
    return at - start


async def _writable(loop: asyncio.AbstractEventLoop, receiver: socket.socket) -> None:
    """Raises TimeoutError if the receiver takes nothing for too long."""
    ready = asyncio.Event()
    loop.add_writer(receiver.fileno(), ready.set)
    try:
        async with asyncio.timeout(_STALLED_SECONDS):
            await ready.wait()
    finally:
        loop.remove_writer(receiver.fileno())
