"""Bodies that are too large to hold: from the network to a thread that hashes and writes, and back."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from modelyard.domain.errors import ClientGone

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

    async def put(self, group: list[Piece]) -> None:
        await self._room.acquire()
        self._queue.put(group)

    def end(self, error: BaseException | None = None) -> None:
        self._queue.put(_END if error is None else error)

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


async def with_body(request: Request, executor: Executor, work: Callable[[Iterable[Piece]], T]) -> T:
    """Run `work` in a thread with the request's body as an iterator of pieces.

    The body is never held whole. A client that hangs up makes the iterator raise ClientGone after the
    pieces that did arrive.
    """
    loop = asyncio.get_running_loop()
    pipe = _Pipe(loop)
    working: asyncio.Future[Any] = loop.run_in_executor(executor, lambda: work(pipe.pieces()))
    feeding: asyncio.Future[Any] = asyncio.ensure_future(_feed(request, pipe))
    try:
        await asyncio.wait({working, feeding}, return_when=asyncio.FIRST_COMPLETED)
        result: T = await working
        return result
    finally:
        feeding.cancel()


async def from_thread(executor: Executor, items: Iterator[T]) -> AsyncIterator[T]:
    """Take from a blocking iterator without blocking the loop."""
    loop = asyncio.get_running_loop()
    done = object()
    while True:
        item = await loop.run_in_executor(executor, next, items, done)
        if item is done:
            return
        yield item  # type: ignore[misc]
