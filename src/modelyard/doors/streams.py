"""Bodies that are too large to hold: from the network to a thread that hashes and writes, and back."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.domain.errors import ClientGone
from modelyard.doors.call import Call
from modelyard.doors.fair_share import Runner

T = TypeVar("T")
Piece = bytes | memoryview
_GROUP_BYTES = 1 << 20
_QUEUED = 2
_END = None


class _Pipe:
    """Groups of pieces, about one MiB each, from the event loop to one thread; at most a few wait.

    The pieces go through as they came from the network: joining them would copy every byte once more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[list[Piece] | BaseException | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(_QUEUED)
        self.begun = asyncio.Event()
        """Set when there is a group, or the end."""

    async def put(self, group: list[Piece]) -> None:
        await self._room.acquire()
        self._queue.put(group)
        self.begun.set()

    def end(self, error: BaseException | None = None) -> None:
        self._queue.put(_END if error is None else error)
        self.begun.set()

    def pieces(self) -> Iterator[Piece]:
        """In the thread. Raises what ended the body early."""
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

    The thread begins when a whole block has come, or all there is, so that a small body occupies none while it is
    under way. The body is never held whole. A client that hangs up makes the iterator raise ClientGone after the
    pieces that did arrive.
    """
    loop = asyncio.get_running_loop()
    pipe = _Pipe(loop)
    feeding: asyncio.Future[Any] = asyncio.ensure_future(_feed(request, pipe))
    working: asyncio.Future[Any] | None = None
    try:
        await pipe.begun.wait()
        working = asyncio.ensure_future(run(lambda: work(pipe.pieces())))
        # When the request is given up before, its failure is no one's to see.
        working.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({working, feeding}, return_when=asyncio.FIRST_COMPLETED)
        result: T = await working
        return result
    finally:
        feeding.cancel()
        if working is not None and not working.done():
            # The thread is told by the end of its pieces.
            pipe.end(ClientGone(received=0))


async def from_thread(run: Runner, items: Iterator[T]) -> AsyncIterator[T]:
    """Take from a blocking iterator without blocking the loop."""
    done = object()
    while True:
        item = await run(next, items, done)
        if item is done:
            return
        yield item


class HeldStream(StreamingResponse):
    """An answer that is long under way: it takes one of the places that the client has for such."""

    def __init__(
        self, call: Call, content: AsyncIterable[bytes], media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._place = call.services.streams.take(call.client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)
