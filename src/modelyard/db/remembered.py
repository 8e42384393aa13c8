"""Values read from the database, kept until this process commits a change that may affect them.

If only this process writes (SQLite), a value that was read in one generation of the database stays true for that
generation. Otherwise nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from modelyard.db.engine import Database
from modelyard.db.writer import WriterFigures

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values of one kind by key; for the event loop's thread only.

    generation: a counter of the database that grows whenever such values may have changed.
    """

    def __init__(self, db: Database, most: int, generation: Callable[[WriterFigures], int]) -> None:
        self._db = db
        self._most = most
        self._present = generation
        self._generation = -1
        self._values: dict[K, V] = {}

    @property
    def generation(self) -> int:
        """Return the generation. Read it before the value, and pass both to `keep`."""
        return self._present(self._db.figures)

    def find(self, key: K) -> V | None:
        return self._values.get(key) if self._generation == self.generation else None

    def keep(self, generation: int, key: K, value: V) -> None:
        if not self._db.is_sqlite or generation != self.generation:
            return
        if generation != self._generation or len(self._values) >= self._most:
            self._values.clear()
            self._generation = generation
        self._values[key] = value
