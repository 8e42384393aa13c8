"""Bodies too large for memory: from the network to a thread that hashes and writes, and back."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.domain.errors import ClientGone
from modelyard.doors.call import Call
from modelyard.doors.fair_share import Runner
from modelyard.wire.base import encode

T = TypeVar("T")
Piece = bytes | memoryview
_GROUP_BYTES = 1 << 20
_QUEUED = 2
_END = None


class _Pipe:
    """Groups of pieces, about one MiB each, passed from the event loop to one thread; at most a few wait.

    The pieces are passed on as received: joining them would copy every byte once more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[list[Piece] | BaseException | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(_QUEUED)
        self.begun = asyncio.Event()
        """Set when there is a group, or at the end."""

    async def put(self, group: list[Piece]) -> None:
        await self._room.acquire()
        self._queue.put(group)
        self.begun.set()

    def end(self, error: BaseException | None = None) -> None:
        self._queue.put(_END if error is None else error)
        self.begun.set()

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces, in the thread. Raises the error that ended the body early."""
        while True:
            item = self._queue.get()
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            self._loop.call_soon_threadsafe(self._room.release)
            yield from item


async def _feed(request: Request, pipe: _Pipe) -> None:
    received = waiting = 0
    group: list[Piece] = []
    try:
        async for chunk in request.stream():
            received += len(chunk)
            waiting += len(chunk)
            if chunk:
                group.append(chunk)
            if waiting >= _GROUP_BYTES:
                await pipe.put(group)
                group, waiting = [], 0
        await pipe.put(group)
    except ClientDisconnect:
        await pipe.put(group)
        pipe.end(ClientGone(received=received))
    except asyncio.CancelledError:
        pipe.end(ClientGone(received=received))
        raise
    except Exception as exc:  # noqa: BLE001 - raised in the thread, which would otherwise wait for ever
        pipe.end(exc)
    else:
        pipe.end()


async def with_body(request: Request, run: Runner, work: Callable[[Iterable[Piece]], T]) -> T:
    """Run `work` in a thread with the request's body as an iterator of pieces.

    The thread starts when a whole block or the whole body has arrived, so that a small body does not occupy one while
    in transit. The body is never held in memory as a whole. If the client disconnects, the iterator raises ClientGone
    after the pieces that arrived.
    """
    loop = asyncio.get_running_loop()
    pipe = _Pipe(loop)
    feeding: asyncio.Future[Any] = asyncio.ensure_future(_feed(request, pipe))
    working: asyncio.Future[Any] | None = None
    try:
        await pipe.begun.wait()
        working = asyncio.ensure_future(run(lambda: work(pipe.pieces())))
        # If the request is abandoned earlier, no one needs to see its failure.
        working.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({working, feeding}, return_when=asyncio.FIRST_COMPLETED)
        result: T = await working
        return result
    finally:
        feeding.cancel()
        if working is not None and not working.done():
            # The end of its pieces ends the thread.
            pipe.end(ClientGone(received=0))


async def from_thread(run: Runner, items: Iterator[T]) -> AsyncIterator[T]:
    """Iterate over a blocking iterator without blocking the loop."""
    done = object()
    while True:
        item = await run(next, items, done)
        if item is done:
            return
        yield item


def progress_stream(call: Call, steps: Iterator[T], show: Callable[[T], msgspec.Struct]) -> StreamingResponse:
    """Stream the progress of long work, one event for each step of the iterator."""

    async def events() -> AsyncIterator[bytes]:
        async for step in from_thread(call.runner("exports"), steps):
            yield b"event: progress\ndata: " + encode(show(step)) + b"\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


class HeldStream(StreamingResponse):
    """A long-running answer, which takes one of the client's places for such answers."""

    def __init__(
        self, call: Call, content: AsyncIterable[bytes], media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._place = call.services.streams.take(call.client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)
