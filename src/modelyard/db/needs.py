"""Let a use case request work that must not run in the writer or on the event loop.

A use case calls `Transaction.outside` for a result that takes long (an expression, the bytes of a file), and
`Transaction.expect_rows` before it handles many rows. If the caller must not wait, these raise; the database undoes
the changes so far, runs the work elsewhere and calls the use case again. So each use case is one function for every
door, and no door prepares anything for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

MOST_ROUNDS = 3
"""How often the work of a use case is repeated because its inputs have changed."""
MOST_ROWS_ON_LOOP = 400
"""A change that handles more rows than this moves off the event loop."""


class NeedsWork(Exception):
    """The result of some work is missing.

    key: names the work with everything that its result depends on; the result is kept under it for the next call.
    work: takes nothing, holds no transaction, and may take seconds; it runs in a thread.
    """

    def __init__(self, key: Hashable, work: Callable[[], Any]) -> None:
        super().__init__(key)
        self.key = key
        self.work = work


class NeedsThread(Exception):
    """The use case handles too many rows for the event loop. rows: about how many."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.rows = rows


class Runner(Protocol):
    """A callable that runs a function in a thread."""

    def __call__(self, fn: Callable[..., T], /, *args: Any) -> Awaitable[T]: ...


class Results:
    """The results so far for one call of a use case.

    may_wait: whether the use case runs in a thread, without a transaction that others wait for, so that the work may
    run in place. on_loop: whether it runs on the event loop.
    """

    __slots__ = ("_by_key", "_rounds", "may_wait", "on_loop")

    def __init__(self, *, may_wait: bool = False, on_loop: bool = False) -> None:
        self._by_key: dict[Hashable, Any] = {}
        self._rounds = 0
        self.may_wait = may_wait
        self.on_loop = on_loop

    def find(self, key: Hashable, work: Callable[[], T]) -> T:
        """Return the result for the key. Raises NeedsWork if there is none yet and this caller must not wait."""
        if key in self._by_key:
            result: T = self._by_key[key]
            return result
        if not self.may_wait:
            raise NeedsWork(key, work)
        result = self._by_key[key] = work()
        return result

    def keep(self, needed: NeedsWork, result: Any) -> None:
        self._rounds += 1
        self._by_key[needed.key] = result

    @property
    def is_used_up(self) -> bool:
        return self._rounds >= MOST_ROUNDS
