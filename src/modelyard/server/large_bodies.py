"""Large request bodies: read from the socket into memory once, bypassing the HTTP parser."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from modelyard.doors.edge import BODY_HAS_COME

_BLOCK_BYTES = 1 << 20
_MOST_WAITING_BYTES = 2 << 20
"""Most bytes held of one body; beyond it the sender has to wait."""
_BLOCK_SECONDS = 0.05
"""Time that a receiver waits for a full block before it takes a partial one."""
_UNWANTED_BYTES = 64 << 10


class Connection(Protocol):
    """The part of a connection that a large body uses."""

    cycle: RequestResponseCycle
    flow: FlowControl

    def go_on_after_body(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class LargeBody(asyncio.BufferedProtocol):
    """Receive the rest of one body of known length in blocks, which are passed on without copies.

    The web server copies every byte four times, and pauses the connection after every 64 KiB. This class holds the
    connection until the body's last byte and never reads beyond it. Bytes that arrive after the answer is complete
    are dropped, as the web server does, and use no memory.
    """

    def __init__(self, connection: Connection, rest: int) -> None:
        """rest: number of bytes of the body still to come."""
        self._connection = connection
        self._cycle = connection.cycle
        self._flow = connection.flow
        self._rest = rest
        self._block: memoryview | None = None
        self._taken = self._filled = 0
        self._used: deque[bytearray] = deque()
        self._pieces: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._is_late = False
        """Whether the receiver has waited in vain for a full block, and takes the next bytes at once."""
        self._complete = False
        self._receive_after = self._cycle.receive

    def take_connection(self) -> None:
        cycle = self._cycle
        if cycle.body:
            self._add(memoryview(bytes(cycle.body)))
            cycle.body = bytearray()
        cycle.message_event.clear()
        extensions: dict[str, object] = cycle.scope.setdefault("extensions", {})  # type: ignore[assignment]
        extensions[BODY_HAS_COME] = self._arrived.is_set
        cycle.receive = self.receive  # type: ignore[method-assign]
        hand_over(cycle.transport, self, self._flow.read_paused)

    # --- from the connection ---------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        if self._cycle.response_complete:
            return memoryview(bytearray(min(_UNWANTED_BYTES, self._rest)))
        if self._block is None:
            self._block = memoryview(self._free_memory())
            self._taken = self._filled = 0
        return self._block[self._filled : self._filled + self._rest]

    def _free_memory(self) -> bytearray:
        # Allocating memory costs as much as receiving into it.
        memory = self._used.popleft() if self._used and _unseen(self._used[0]) else bytearray(_BLOCK_BYTES)
        self._used.append(memory)
        return memory

    def buffer_updated(self, nbytes: int) -> None:
        self._rest -= nbytes
        if self._block is not None:
            self._filled += nbytes
            if self._filled == len(self._block) or not self._rest:
                self._cut()
                self._block = None
            elif self._is_late:
                self._cut()
            if self._waiting_bytes >= _MOST_WAITING_BYTES:
                self._flow.pause_reading()
        if not self._rest:
            # This object may wait for the cycle collector; its memory need not.
            self._used.clear()
            self._connection.go_on_after_body()

    def _cut(self) -> None:
        """Turn the bytes of the block that were not taken yet into a piece."""
        if self._block is not None and self._taken < self._filled:
            self._add(self._block[self._taken : self._filled].toreadonly())
            self._taken = self._filled

    def _add(self, piece: memoryview) -> None:
        self._is_late = False
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)
        self._arrived.set()

    def forget(self) -> None:
        """Release received bytes that no one will ask for any more."""
        if self._cycle.response_complete:
            self._block = None
            self._pieces.clear()
            self._used.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)
        self._cut()
        self._block = None
        self._used.clear()
        self._arrived.set()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    # --- to the application ----------------------------------------------------------------------

    async def receive(self) -> Any:
        """Replace the cycle's `receive`. After a disconnect, return the bytes that arrived before it."""
        if self._complete:
            return await self._receive_after()
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        while not self._pieces:
            if cycle.disconnected or cycle.response_complete:
                return {"type": "http.disconnect"}
            await self._more()
        piece = self._pieces.popleft()
        self._waiting_bytes -= len(piece)
        if not self._pieces and not cycle.disconnected:
            self._arrived.clear()
        if self._waiting_bytes < _MOST_WAITING_BYTES:
            self._flow.resume_reading()
        self._complete = not self._rest and not self._pieces
        if self._complete:
            cycle.more_body = False
        return {"type": "http.request", "body": piece, "more_body": not self._complete}

    def _take_what_is_there(self) -> None:
        self._is_late = True
        self._cut()

    async def _more(self) -> None:
        self._flow.resume_reading()
        patience = asyncio.get_running_loop().call_later(_BLOCK_SECONDS, self._take_what_is_there)
        try:
            await self._arrived.wait()
        finally:
            patience.cancel()


def _unseen(memory: bytearray) -> bool:
    """Return whether no view of the memory exists any more, so that its size can be changed."""
    try:
        memory.append(memory.pop())
    except BufferError:
        return False
    return True


def hand_over(transport: asyncio.Transport, protocol: asyncio.BaseProtocol, paused: bool) -> None:
    # A transport checks only once, when it begins to read, how its protocol wants to receive bytes.
    transport.pause_reading()
    transport.set_protocol(protocol)
    if not paused:
        transport.resume_reading()
