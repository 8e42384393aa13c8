"""Shares of this server's capacity, so that one client cannot take all of it.

Work that waits or computes runs in threads, with a lane for each kind: passwords do not wait for uploads, nor
downloads for an identity provider. In each lane a client (an account, otherwise a network address) has a limited
number of places; waiting clients take turns, oldest first. Decision record: docs/decisions/0023-bounds-and-budgets.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from modelyard.domain.errors import ShareUsedUp

T = TypeVar("T")
Client = Hashable
LaneName = Literal["passwords", "providers", "sign_in", "uploads", "downloads", "exports", "views"]


class Lane:
    """Threads for one kind of work. Use it only on the event loop's thread."""

    def __init__(self, name: str, threads: int, per_client: int, waiting_per_client: int) -> None:
        """waiting_per_client: how many calls may wait for a place; further ones are refused."""
        self.name = name
        self._threads = threads
        self._per_client = per_client
        self._waiting_per_client = waiting_per_client
        self._pool = ThreadPoolExecutor(threads, name)
        self._taken: Counter[Client] = Counter()
        self._waiting: OrderedDict[Client, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def taken(self) -> int:
        return self._taken.total()

    def taken_by(self, client: Client) -> int:
        return self._taken[client]

    async def run(self, client: Client, fn: Callable[..., T], *args: Any) -> T:
        """Run the function in a thread and return its result. Raises ShareUsedUp if too many calls already wait."""
        if self.taken < self._threads and self._taken[client] < self._per_client and not self._waiting:
            self._taken[client] += 1
        else:
            await self._wait(client)
        loop = asyncio.get_running_loop()
        try:
            work: Future[T] = self._pool.submit(fn, *args)
        except BaseException:
            self._release(client)
            raise
        # Not when the caller continues: a cancelled caller leaves a thread at work.
        work.add_done_callback(lambda _: _soon(loop, self._release, client))
        return await asyncio.wrap_future(work)

    async def _wait(self, client: Client) -> None:
        queue = self._waiting.setdefault(client, deque())
        if len(queue) >= self._waiting_per_client:
            raise ShareUsedUp(count=len(queue) + self._taken[client], what=self.name)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release(client)
            else:
                self._forget(client, turn)
            raise

    def _forget(self, client: Client, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(client)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[client]

    def _release(self, client: Client) -> None:
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]
        self._next()

    def _next(self) -> None:
        """Give free places to waiting calls, one client after another."""
        for client in list(self._waiting):
            if self.taken >= self._threads:
                return
            if self._taken[client] >= self._per_client:
                continue
            queue = self._waiting.pop(client)
            turn = queue.popleft()
            if queue:
                # Behind all other waiting clients.
                self._waiting[client] = queue
            if not turn.done():
                self._taken[client] += 1
                turn.set_result(None)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _soon(loop: asyncio.AbstractEventLoop, fn: Callable[[Client], None], client: Client) -> None:
    try:
        loop.call_soon_threadsafe(fn, client)
    except RuntimeError:
        # The loop is closed: the process ends.
        return


class Places:
    """Number of endless answers that a client has open. Use it only on the event loop's thread."""

    def __init__(self, per_client: int) -> None:
        self._per_client = per_client
        self._taken: Counter[Client] = Counter()

    def check(self, client: Client) -> None:
        """Raises ShareUsedUp when the client has all of its places."""
        if self._taken[client] >= self._per_client:
            raise ShareUsedUp(count=self._per_client, what="streams")

    @contextmanager
    def take(self, client: Client) -> Iterator[None]:
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


class Lanes:
    """The lanes of one process."""

    def __init__(self, uploads_per_client: int = 16) -> None:
        self._lanes: dict[LaneName, Lane] = {
            # Hashing a password takes a processor and much memory.
            "passwords": Lane("passwords", 4, 2, 16),
            "providers": Lane("providers", 16, 4, 16),
            "sign_in": Lane("sign_in", 8, 4, 16),
            # A place is held as long as bytes come in; threads that wait for them cost little.
            "uploads": Lane("uploads", 128, uploads_per_client, 256),
            # A place is held for one piece, which the kernel takes at once.
            "downloads": Lane("downloads", 32, 16, 1024),
            "exports": Lane("exports", 16, 4, 32),
            "views": Lane("views", 16, 8, 64),
        }

    def __getitem__(self, name: LaneName) -> Lane:
        return self._lanes[name]

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.close()


Runner = Callable[..., Awaitable[Any]]
"""(function, arguments…) → its result, from a thread of a client's lane."""
