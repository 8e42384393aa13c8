"""One request or job, one transaction, committed at the edge.

Use cases and queries receive a `Transaction` and never commit. A writing transaction also collects the events
of the change, which are stored with it or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from modelyard.db.batch_memory import BatchMemory
from modelyard.db.needs import MOST_ROWS_ON_LOOP, NeedsThread, Results
from modelyard.db.row_notes import RowNote
from modelyard.db.statement import Statement
from modelyard.domain.actor import Actor
from modelyard.domain.canonical import canonical_json
from modelyard.domain.events import Event
from modelyard.domain.times import time_text

T = TypeVar("T")


class PendingEvent(msgspec.Struct, frozen=True):
    """An event that will be stored when its batch commits."""

    event: Event
    actor_id: int
    actor: str
    model_id: int
    at: int
    rows: Sequence[RowNote] = ()
    """The rows that the change wrote."""

    def body(self, seq: int, at: int) -> str:
        """Return the event in canonical JSON, as the log stores it and auditors read it. at: its time in the log."""
        value = {
            "seq": seq,
            "at": time_text(at),
            "kind": self.event.kind,
            "actor": {"id": self.actor_id, "name": self.actor},
            "namespace": self.event.namespace,
            "model": self.event.model,
            "model_id": self.model_id or None,
            "version": self.event.version,
            "data": self.event.data(),
            "rows": [row.to_json() for row in self.rows] or None,
        }
        return canonical_json({k: v for k, v in value.items() if v is not None}).decode()


class Transaction:
    """A connection, the time it began, and the events of the change so far."""

    def __init__(
        self,
        connection: sa.Connection,
        now: int,
        results: Results | None = None,
        driver: Any = None,
        memory: BatchMemory | None = None,
    ) -> None:
        """results: of work that was done for this change; None: the change may do its work itself. driver: the driver's
        connection, if it is known already. memory: of the batch; None: this is not part of one."""
        self.connection = connection
        self.now = now
        """Whole microseconds since 1970 UTC; one moment for the whole change."""
        self.pending: list[PendingEvent] = []
        self.leaves_rights = False
        """Set by a change without events that certainly does not affect accounts, tokens, groups and roles."""
        self.wakes_workers = False
        """Set by a change that leaves a job for them, so that those of this process look at once."""
        self._results = Results(may_wait=True) if results is None else results
        self._dialect = connection.dialect
        self._memory = memory
        self.driver: Any = _driver_of(connection) if driver is None else driver

    @property
    def is_sqlite(self) -> bool:
        return self._dialect.name == "sqlite"

    def run(self, statement: Statement, **parameters: Any) -> Any:
        """Run a fixed statement; returns the driver's cursor."""
        sql, values = statement.prepare(self._dialect, parameters)
        if self._memory is not None:
            self._meet(statement)
        return self._drive(self.driver.execute, sql, values)

    def run_many(self, statement: Statement, rows: Sequence[dict[str, Any]]) -> None:
        """Run a fixed statement for each row of parameters.

        On PostgreSQL it waits for the next statement with an answer, or for the end of the change, which raises its error.
        """
        if len(rows) == 1 and self.is_sqlite:
            self.run(statement, **rows[0])
        elif rows:
            prepared = [statement.prepare(self._dialect, row) for row in rows]
            if self._memory is not None:
                self._meet(statement)
            sql, values = prepared[0][0], [row for _, row in prepared]
            self._drive(self.driver.executemany if self.is_sqlite else self.driver.later, sql, values)

    def run_later(self, statement: Statement) -> None:
        """Run a fixed statement without parameters under the conditions of `run_many`."""
        self.run_many(statement, [{}])

    def begin_change(self) -> None:
        """Begin a change of a batch, after its savepoint."""
        if not self.is_sqlite:
            self.driver.begin_change()

    def end_change(self) -> None:
        """Run what the change left to `run_many`; its errors are those of the change."""
        if not self.is_sqlite:
            self._drive(lambda *_: self.driver.flush_change(), "what waited", ())

    def forget_change(self) -> None:
        """Drop what a failed change left to `run_many`."""
        if not self.is_sqlite:
            self.driver.forget_change()

    def _meet(self, statement: Statement) -> None:
        memory = self._memory
        if memory is not None and not memory.tables.isdisjoint(statement.tables):
            memory.meet(statement.tables, self.run_many, is_read=statement.is_read)

    def once(self, statement: Statement, **parameters: Any) -> tuple[Any, ...] | None:
        """Return the first row, or None; the changes of a batch read it once, until one of its tables is written.

        The effect of what waits for the end of the batch (`add_at_end`) is not in it.
        """
        if self._memory is None:
            return self.one(statement, **parameters)
        key = tuple(parameters.values())
        row: tuple[Any, ...] | None = self._memory.find(statement, key)
        if row is None and (row := self.one(statement, **parameters)) is not None:
            self._memory.remember(statement, key, row)
        return row

    def add_at_end(
        self,
        statement: Statement,
        key: dict[str, Any],
        sums: dict[str, int],
        last: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Write a row when the batch that holds this change is stored, or before a statement that names its table: once for
        all of its changes with the same key.

        sums: values that are added up; last: values of which the last one counts. No event may vouch for the table's
        written columns, and a failure of the statement would undo the batch.
        """
        self._for_the_end(statement).add(statement, key, sums, last)

    def insert_at_end(self, statement: Statement, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows at the same moment, under the same conditions."""
        if rows:
            self._for_the_end(statement).add_rows(statement, rows)

    def waiting(self, statement: Statement, *key: Any) -> dict[str, Any]:
        """Return what `add_at_end` was given for a row and is not written yet; empty: nothing."""
        return {} if self._memory is None else self._memory.waiting(statement, key)

    def _for_the_end(self, statement: Statement) -> BatchMemory:
        if self._memory is None:
            raise RuntimeError("only a change of a batch can leave writes for its end")
        if not statement.tables:
            statement.compile(self._dialect)
        return self._memory

    def _drive(self, method: Callable[[str, Any], Any], sql: str, values: Any) -> Any:
        """Call the driver. Raises SQLAlchemy's error: callers see only one kind, and its pool can drop a dead connection."""
        try:
            return method(sql, values)
        except self._dialect.loaded_dbapi.Error as exc:
            raise DBAPIError.instance(
                sql,
                values,
                exc,
                self._dialect.loaded_dbapi.Error,
                connection_invalidated=self._dialect.is_disconnect(exc, self.driver, None),
                dialect=self._dialect,
            ) from exc

    def one(self, statement: Statement, **parameters: Any) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        row: tuple[Any, ...] | None = self.run(statement, **parameters).fetchone()
        return row

    def all(self, statement: Statement, **parameters: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self.run(statement, **parameters).fetchall()
        return rows

    def execute(
        self,
        statement: sa.Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> sa.CursorResult[*tuple[Any, ...]]:
        """Run a statement whose text depends on the request."""
        self._meet_any(statement)
        return self.connection.execute(statement, parameters)

    def rows(self, statement: sa.Executable) -> list[tuple[Any, ...]]:
        self._meet_any(statement)
        return [tuple(row) for row in self.connection.execute(statement)]

    def _meet_any(self, statement: sa.Executable) -> None:
        """Of a statement that is not compiled yet every table may be meant."""
        if self._memory is not None and self._memory.tables:
            self._memory.write(self.run_many)
            if not isinstance(statement, sa.SelectBase):
                self._memory.forget()
        if not self.is_sqlite:
            self._drive(lambda *_: self.driver.flush(), "what waited", ())

    def outside(self, key: Hashable, work: Callable[[], T]) -> T:
        """Return the result of work that is too slow for a transaction; see modelyard.db.needs. May raise NeedsWork."""
        return self._results.find(key, work)

    def expect_rows(self, count: int) -> None:
        """Announce how many rows are handled next, so that a large number does not stop the event loop.

        May raise NeedsThread, so everything before it must be possible to undo.
        """
        if count > MOST_ROWS_ON_LOOP and self._results.on_loop:
            raise NeedsThread(count)

    def expect_many_rows(self) -> None:
        """Announce an unknown number of rows; see `expect_rows`."""
        self.expect_rows(MOST_ROWS_ON_LOOP + 1)

    def append(self, event: Event, actor: Actor, model_id: int = 0) -> None:
        """Record an event; events are stored in the order of the calls, with the change or not at all. Features that react to
        its kind act at once."""
        self.pending.append(PendingEvent(event, actor.id, actor.name, model_id, self.now))
        for reaction in _reactions.get(type(event), ()):
            reaction(self, event, actor, model_id)


def _driver_of(connection: sa.Connection) -> Any:
    """Return what runs fixed statements on a connection: SQLite's driver itself, or PostgresStatements."""
    if connection.dialect.name == "sqlite":
        return connection.connection.driver_connection
    found = connection.info.get(_STATEMENTS)
    if found is None:
        # Imported here, since nothing of PostgreSQL is installed with SQLite alone.
        from modelyard.db.postgres import PostgresStatements

        found = connection.info[_STATEMENTS] = PostgresStatements(
            cast(Any, connection.connection.driver_connection)
        )
    return found


_STATEMENTS = "modelyard.statements"

Reaction = Callable[[Transaction, Any, Actor, int], None]
"""(transaction, event, its actor, id of its model)."""
_reactions: dict[type[Event], list[Reaction]] = {}


def reacts_to(*kinds: type[Event]) -> Callable[[Reaction], Reaction]:
    """Have a function called for each event of these kinds, in the transaction that appends it.

    For a feature that must change together with one below it, which does not know it. A reaction stays short: the rest is a
    job. What may happen later reads the event from the log instead.
    """

    def register(reaction: Reaction) -> Reaction:
        for kind in kinds:
            _reactions.setdefault(kind, []).append(reaction)
        return reaction

    return register
