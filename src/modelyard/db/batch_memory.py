"""What the changes of one batch share: rows that are read once, and writes that wait for the end of the batch.

Both are exact, not approximate. A remembered row is forgotten when a statement writes one of its tables, and what waits
is written before a statement names its table; so a change sees what it would see if each had run at once. A change
that fails takes with it what it remembered and what it left waiting, as its savepoint does in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from modelyard.db.statement import Statement

RunMany = Callable[[Statement, Sequence[dict[str, Any]]], None]
_Key = tuple[Any, ...]


class _Sum(msgspec.Struct):
    """A row whose values are added up (sums) or replaced by later ones (last)."""

    key: dict[str, Any]
    sums: dict[str, int]
    last: dict[str, Any]

    def add(self, sums: Mapping[str, int], last: Mapping[str, Any]) -> None:
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0) + value
        self.last.update(last)


class _Waiting(msgspec.Struct):
    """Writes that wait."""

    sums: dict[Statement, dict[_Key, _Sum]] = msgspec.field(default_factory=dict)
    rows: dict[Statement, list[dict[str, Any]]] = msgspec.field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.sums or self.rows)

    def add(
        self, statement: Statement, key: dict[str, Any], sums: dict[str, int], last: Mapping[str, Any]
    ) -> None:
        rows = self.sums.setdefault(statement, {})
        present = rows.get(found := tuple(key.values()))
        if present is None:
            rows[found] = _Sum(key, dict(sums), dict(last))
        else:
            present.add(sums, last)

    def take_over(self, other: _Waiting) -> None:
        """Add what waits in another one, which is not used any more."""
        for statement, sums in other.sums.items():
            ours = self.sums.setdefault(statement, {})
            for key, row in sums.items():
                if (present := ours.get(key)) is None:
                    ours[key] = row
                else:
                    present.add(row.sums, row.last)
        for statement, rows in other.rows.items():
            self.rows.setdefault(statement, []).extend(rows)

    def names(self, tables: frozenset[str]) -> bool:
        """Return whether a write to one of the tables waits."""
        return any(not tables.isdisjoint(each.tables) for each in (*self.sums, *self.rows))

    def write(self, run_many: RunMany) -> None:
        for statement, sums in self.sums.items():
            run_many(statement, [{**row.key, **row.sums, **row.last} for row in sums.values()])
        for statement, rows in self.rows.items():
            run_many(statement, rows)


class BatchMemory:
    """The memory of one batch, and of the change that runs."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        """Tables of which something is remembered or waits; every statement asks only for these."""
        self._remembered: dict[tuple[Statement, _Key], Any] = {}
        self._kept = _Waiting()
        """Of the changes that succeeded."""
        self._own = _Waiting()
        """Of the change that runs."""
        self._written: _Waiting | None = None
        """Of earlier changes, written inside the change that runs: it waits again if that change is undone."""

    def find(self, statement: Statement, key: _Key) -> Any:
        return self._remembered.get((statement, key))

    def remember(self, statement: Statement, key: _Key, value: Any) -> None:
        self._remembered[statement, key] = value
        self.tables |= statement.tables

    def add(
        self, statement: Statement, key: dict[str, Any], sums: dict[str, int], last: Mapping[str, Any]
    ) -> None:
        self._own.add(statement, key, sums, last)
        self.tables |= statement.tables

    def add_rows(self, statement: Statement, rows: Sequence[dict[str, Any]]) -> None:
        self._own.rows.setdefault(statement, []).extend(rows)
        self.tables |= statement.tables

    def waiting(self, statement: Statement, key: _Key) -> dict[str, Any]:
        """Return the sums and last values of a row that wait; empty: none."""
        found: dict[str, Any] = {}
        for waiting in (self._kept, self._own):
            row = waiting.sums.get(statement, {}).get(key)
            if row is not None:
                found |= {name: found.get(name, 0) + value for name, value in row.sums.items()} | row.last
        return found

    def meet(self, tables: frozenset[str], run_many: RunMany, *, is_read: bool) -> None:
        """Make true what a statement that names these tables is about to see."""
        if self._kept.names(tables) or self._own.names(tables):
            self.write(run_many)
        if not is_read:
            self._forget(tables)

    def write(self, run_many: RunMany) -> None:
        """Write all that waits."""
        kept, own = self._kept, self._own
        if not kept and not own:
            return
        self._kept, self._own = _Waiting(), _Waiting()
        # A second time inside the same change, what earlier changes left has been written already.
        if self._written is None:
            self._written = kept
        kept.write(run_many)
        own.write(run_many)

    def forget(self) -> None:
        """Forget all that was read."""
        self._remembered.clear()

    def keep(self) -> None:
        """The change succeeded."""
        self._kept.take_over(self._own)
        self._own, self._written = _Waiting(), None

    def undo(self) -> None:
        """The change was undone."""
        if self._written is not None:
            self._kept = self._written
        self._own, self._written = _Waiting(), None
        self._remembered.clear()

    def _forget(self, tables: frozenset[str]) -> None:
        for found in [each for each in self._remembered if not tables.isdisjoint(each[0].tables)]:
            del self._remembered[found]
