"""Check that each row of each table holds what the last event that wrote it recorded.

Every event names the rows that its change wrote, with a digest of each (db/row_notes.py). Read in order, the last
digest of a row is what the row must have now. They are kept in a temporary file, so that a long log needs no
more memory than a short one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa

from modelyard.db.row_notes import covered_columns, covered_tables, find_key, list_rows
from modelyard.db.transaction import Transaction

Problem = tuple[int | None, str]
_MOST_NAMED = 100


class RowCheck:
    """Takes every event in order, then reports rows that contradict them."""

    def __init__(self) -> None:
        self.has_notes = False
        # SQLite keeps a database without a name in its cache, moves it to disk if it grows, and removes it.
        self._told = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._told.execute(
            "CREATE TABLE told (name TEXT, key TEXT, seq INTEGER, digest TEXT, seen INTEGER DEFAULT 0, "
            "PRIMARY KEY (name, key)) WITHOUT ROWID"
        )
        self._told.execute("BEGIN")

    def note(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take a page of the log. rows: as `queries.list_rows` returns them."""
        for row in rows:
            if '"rows":[' not in row[8].text:
                continue
            for name, key, digest in row[8].value.get("rows", ()):
                self.has_notes = True
                self._told.execute(
                    "INSERT OR REPLACE INTO told (name, key, seq, digest) VALUES (?, ?, ?, ?)",
                    (name, json.dumps(key), row[0], digest),
                )

    def problems(self, tx: Transaction) -> Iterator[Problem]:
        """Return at most a hundred problems; none for a log without notes, which an earlier release wrote."""
        if self.has_notes:
            yield from islice(self._problems(tx), _MOST_NAMED)

    def _problems(self, tx: Transaction) -> Iterator[Problem]:
        secret = find_key(tx.connection)
        for table in covered_tables():
            yield from self._table_problems(tx, secret, table)
        gone = "SELECT seq, name, key FROM told WHERE digest IS NOT NULL AND NOT seen ORDER BY seq"
        names = {table.name for table in covered_tables()}
        for seq, name, key in self._told.execute(gone):
            if name in names:
                yield seq, f"row {_words(key)} of {name} is gone, and no event removed it"

    def _table_problems(self, tx: Transaction, secret: bytes, table: sa.Table) -> Iterator[Problem]:
        for key, digest in list_rows(tx.connection, secret, table, covered_columns(table)):
            place = (table.name, json.dumps(list(key)))
            told = self._told.execute(
                "SELECT seq, digest FROM told WHERE name = ? AND key = ?", place
            ).fetchone()
            if told is None or told[1] is None:
                seq = told[0] if told else None
                yield seq, f"row {_words(place[1])} of {table.name} was written by no event"
                continue
            self._told.execute("UPDATE told SET seen = 1 WHERE name = ? AND key = ?", place)
            if told[1] != digest:
                yield told[0], f"row {_words(place[1])} of {table.name} is not what this event left there"

    def close(self) -> None:
        self._told.close()


def _words(key: str) -> str:
    return "/".join(map(str, json.loads(key)))
