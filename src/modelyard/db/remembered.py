"""What was read of the database, kept until this process commits anything that may change it.

Where this process alone writes (SQLite), what was read at one generation of the database is true as long as
the generation lasts. Elsewhere nothing is kept.
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

    generation: the figure of the database that grows whenever such values may have changed.
    """

    def __init__(self, db: Database, most: int, generation: Callable[[WriterFigures], int]) -> None:
        self._db = db
        self._most = most
        self._present = generation
        self._generation = -1
        self._values: dict[K, V] = {}

    @property
    def generation(self) -> int:
        """To be asked for before a value is read, and given with it to `keep`."""
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
