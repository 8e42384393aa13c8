"""Fixed statements on PostgreSQL, run on libpq itself.

The driver's own cursor looks up how to convert each value and keeps a state machine for each statement, which together
take five times as long as sending it. Here a statement is prepared once on each connection, its parameters are numbers,
text and bytes only (statement.py), and the rows are read by the driver's loaders. Figures: decision record 0041.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import errors, generators, pq
from psycopg.adapt import Transformer
from psycopg.waiting import wait

_MOST_PREPARED = 2000
"""Statements kept prepared on a connection. The program has fewer fixed ones; searches of ever new forms are not kept."""
_MOST_WAITING = 200
"""Statements that are kept before they are sent."""
_INTERVAL_SECONDS = 1.0
"""How often a waiting thread looks for signals. With 0, the default of `wait`, it would never sleep."""
_OK = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})
_Row = tuple[Any, ...]
_Given = tuple[list[Any] | None, list[int] | None]
"""(values as bytes or None, their formats); None: all values are text."""
_Sent = tuple[bytes | None, str, list[Any] | None, list[int] | None]
"""(name of the prepared statement, SQL, values, their formats)."""


class Rows:
    """The answer to a statement, with the methods of a cursor that this program uses."""

    __slots__ = ("_next", "_rows", "rowcount")

    def __init__(self, rows: list[_Row], rowcount: int) -> None:
        self._rows = rows
        self._next = 0
        self.rowcount = rowcount

    def fetchone(self) -> _Row | None:
        at = self._next
        if at == len(self._rows):
            return None
        self._next = at + 1
        return self._rows[at]

    def fetchall(self) -> list[_Row]:
        at, self._next = self._next, len(self._rows)
        return self._rows[at:] if at else self._rows

    def __iter__(self) -> Iterator[_Row]:
        return iter(self.fetchall())


class PostgresStatements:
    """Runs statements on one connection of the driver, whose transaction and state they share. Not for several threads at
    a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._loaders = Transformer(connection)
        self._encoding = connection.info.encoding
        # PgBouncer gives each transaction another connection of the server, on which nothing is prepared.
        self._prepares = connection.prepare_threshold is not None
        self._names: dict[str, bytes] = {}
        self._once: set[str] = set()
        self._waiting: list[_Sent] = []
        self._of_change = 0
        """The place in `_waiting` from which statements belong to the present change."""

    @property
    def closed(self) -> bool:
        return self._connection.closed

    @property
    def broken(self) -> bool:
        return self._connection.broken

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """Run one statement with `$1`, `$2`, … for its values, after those that wait. Raises psycopg.Error."""
        given, formats = self._encoded(values)
        name = self._name_of(sql)
        if self._waiting:
            result = self._send((name, sql, given, formats))
        elif name is None:
            result = self._pg.exec_params(sql.encode(self._encoding), given, None, formats)
        else:
            result = self._pg.exec_prepared(name, given, formats)
        self._check(result)
        count = result.ntuples
        if not count:
            return Rows([], result.command_tuples or 0)
        self._loaders.set_pgresult(result)
        return Rows(self._loaders.load_rows(0, count, tuple), count)

    def later(self, sql: str, rows: Sequence[Sequence[Any]] = ((),)) -> None:
        """Have a statement run once for each of the rows, before the next `execute` or `flush`, which raises its error.

        No answer is waited for in between, and on a line to another machine waiting takes longer than all else.
        """
        name = self._name_of(sql, at_once=True)
        for values in rows:
            self._waiting.append((name, sql, *self._encoded(values)))
            if len(self._waiting) == _MOST_WAITING:
                self.flush()

    def flush(self) -> None:
        """Run what waits. Raises psycopg.Error."""
        if self._waiting:
            self._check(self._send())

    def begin_change(self) -> None:
        """Begin a change whose statements can be told from those that wait already."""
        self._of_change = len(self._waiting)

    def flush_change(self) -> None:
        """Run what waits if any of it belongs to the change, whose error it would be. Raises psycopg.Error."""
        if len(self._waiting) > self._of_change:
            self.flush()

    def forget_change(self) -> None:
        """Drop what waits of the change."""
        del self._waiting[self._of_change :]

    def _send(self, last: _Sent | None = None) -> pq.abc.PGresult:
        """Send what waits, and a last statement; return the first answer that is an error, otherwise that of the last one."""
        pg, waiting = self._pg, self._waiting
        self._waiting, self._of_change = [], 0
        if last is not None:
            waiting.append(last)
        pg.enter_pipeline_mode()
        try:
            for name, sql, given, formats in waiting:
                if name is None:
                    pg.send_query_params(sql.encode(self._encoding), given, None, formats)
                else:
                    pg.send_query_prepared(name, given, formats)
            pg.pipeline_sync()
            # Both let other threads run, and read what comes while they send.
            wait(generators.send(pg), pg.socket, _INTERVAL_SECONDS)
            return self._read_to_sync()
        finally:
            if pg.status == pq.ConnStatus.OK:
                pg.exit_pipeline_mode()

    def _read_to_sync(self) -> pq.abc.PGresult:
        failed: pq.abc.PGresult | None = None
        result: pq.abc.PGresult | None = None
        while True:
            for found in wait(generators.fetch_many(self._pg), self._pg.socket, _INTERVAL_SECONDS):
                if found.status == pq.ExecStatus.PIPELINE_SYNC:
                    assert result is not None
                    return failed or result
                result = found
                if failed is None and found.status not in _OK:
                    failed = found

    def _name_of(self, sql: str, *, at_once: bool = False) -> bytes | None:
        """Return the name of the prepared statement; None: it is not prepared. at_once: not only when it runs again."""
        name = self._names.get(sql)
        if name is not None or not self._prepares:
            return name
        if not at_once and sql not in self._once:
            if len(self._once) < _MOST_PREPARED:
                self._once.add(sql)
            return None
        # After an error PostgreSQL refuses to prepare anything until the savepoint's end, which may wait here still.
        is_failed = self._pg.transaction_status == pq.TransactionStatus.INERROR
        if is_failed or len(self._names) >= _MOST_PREPARED:
            return None
        name = b"my_%d" % len(self._names)
        self._pg.send_prepare(name, sql.encode(self._encoding))
        self._check(wait(generators.execute(self._pg), self._pg.socket, _INTERVAL_SECONDS)[-1])
        self._names[sql] = name
        return name

    def _encoded(self, values: Sequence[Any]) -> _Given:
        """Return the values and their formats as libpq takes them."""
        if not values:
            return None, None
        given: list[Any] = []
        formats: list[int] | None = None
        for value in values:
            encode = _ENCODERS.get(type(value))
            if encode is not None:
                given.append(encode(value))
            elif value is None:
                given.append(None)
            elif isinstance(value, str):
                if "\0" in value:
                    raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
                given.append(value.encode(self._encoding))
            elif isinstance(value, bytes | bytearray | memoryview):
                formats = formats or [pq.Format.TEXT] * len(values)
                formats[len(given)] = pq.Format.BINARY
                given.append(bytes(value))
            else:
                raise psycopg.ProgrammingError(f"a statement takes no value of type {type(value).__name__}")
        return given, formats

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status in _OK:
            return
        if self._pg.status != pq.ConnStatus.OK:
            raise self._lost()
        raise errors.error_from_result(result, encoding=self._encoding)

    def _lost(self) -> psycopg.OperationalError:
        return psycopg.OperationalError(
            self._pg.get_error_message(self._encoding).strip() or "the connection is lost"
        )


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    int: lambda value: b"%d" % value,
    float: lambda value: repr(value).encode(),
}
