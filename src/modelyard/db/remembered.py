"""What was read of the database, kept until this process commits anything.

Where this process alone writes (SQLite), what was read at one generation of the database is true as long as
the generation lasts. Elsewhere nothing is kept.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from modelyard.db.engine import Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values of one kind by key; for the event loop's thread only."""

    def __init__(self, db: Database, most: int) -> None:
        self._db = db
        self._most = most
        self._generation = -1
        self._values: dict[K, V] = {}

    def find(self, key: K) -> V | None:
        return self._values.get(key) if self._generation == self._db.figures.generation else None

    def keep(self, generation: int, key: K, value: V) -> None:
        """generation: `db.figures.generation` as it was before the value was read."""
        if not self._db.is_sqlite or generation != self._db.figures.generation:
            return
        if generation != self._generation or len(self._values) >= self._most:
            self._values.clear()
            self._generation = generation
        self._values[key] = value
