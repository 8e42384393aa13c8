"""Values read from the database, kept until a commit may have changed them; why they are true: revisions.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values of one kind by key, of one revision of the database; for the event loop's thread only.

    A revision is one that the request itself asked for (`Database.revisions`), before it reads the value.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._revision = -1
        self._values: dict[K, V] = {}
        self._reading: dict[tuple[int, K], asyncio.Future[V]] = {}

    def find(self, revision: int, key: K) -> V | None:
        return self._values.get(key) if revision == self._revision else None

    async def read(self, revision: int, key: K, read: Callable[[], Awaitable[V]]) -> V:
        """Return the value, which requests that have read the same revision read together."""
        reading = self._reading.get((revision, key))
        if reading is not None:
            # Shielded, because the others wait for it too.
            await asyncio.wait([reading])
            if not reading.cancelled():
                return reading.result()
            # The request that read it failed; this one fails or succeeds by itself.
            return await read()
        reading = self._reading[revision, key] = asyncio.get_running_loop().create_future()
        try:
            value = await read()
        except BaseException:
            reading.cancel()
            raise
        finally:
            del self._reading[revision, key]
        reading.set_result(value)
        self._keep(revision, key, value)
        return value

    def _keep(self, revision: int, key: K, value: V) -> None:
        if revision < self._revision:
            return
        if revision != self._revision or len(self._values) >= self._most:
            self._values.clear()
            self._revision = revision
        self._values[key] = value
