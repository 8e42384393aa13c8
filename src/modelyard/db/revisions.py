"""The revisions of the database, by which a process knows that what it remembers is still true.

A revision changes with every commit of any process. On SQLite one process writes, which counts its own commits
(`WriterFigures`). On PostgreSQL the row of the log's head holds two numbers that each batch moves in its own transaction,
and requests ask for them: one statement for all requests that wait, on a connection of its own and without a thread.

Why a remembered value is never stale, whichever process committed last: value and revision change in one transaction, so
every statement sees both or neither. A value is kept under a revision that was read before it, hence is at least as new as
that revision. It is used only by a request whose own check began after the request did, and found the same revision; a
commit that was acknowledged before the request began has moved it. So the answer was true at some moment of the request:
reads are linearizable, over any number of processes. A request that comes while a check is under way waits for the next
one. Decision record 0040.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Any, NamedTuple

import sqlalchemy as sa
import sqlalchemy.exc

from modelyard.db.writer import driver_errors
from modelyard.domain.errors import DatabaseUnavailable

_SQL = "SELECT revision, rights_revision FROM event_head WHERE id = 1"
_NAME = "modelyard_revisions"
_LONGEST_SECONDS = 10.0
"""How long an answer may take until the connection counts as lost."""


class Revisions(NamedTuple):
    """They only grow, as long as no one puts back the database."""

    all: int
    """Moves with every commit."""
    rights: int
    """Moves with every commit that may change accounts, tokens, groups and roles."""


class RevisionCheck:
    """Asks PostgreSQL, on one event loop."""

    def __init__(
        self, engine: sa.Engine, executor: Executor, loop: asyncio.AbstractEventLoop, *, prepares: bool
    ) -> None:
        """executor: opens connections. prepares: whether statements may be prepared."""
        self.loop = loop
        self.sent = 0
        """Statements so far."""
        self._engine = engine
        self._executor = executor
        self._prepares = prepares
        assert engine.dialect.dbapi is not None
        self._error = engine.dialect.dbapi.Error
        self._connection: sa.Connection | None = None
        self._driver: Any = None
        """libpq's connection, as psycopg.pq shows it: a statement through psycopg's cursor takes several times as long."""
        self._socket = -1
        self._waiting: list[asyncio.Future[Revisions]] = []
        self._asking: list[asyncio.Future[Revisions]] = []
        """Those whom the check under way answers."""
        self._busy = self._is_second_try = False
        self._revisions: Revisions | None = None
        self._limit: asyncio.TimerHandle | None = None

    def ask(self) -> asyncio.Future[Revisions]:
        """Return the revisions of a moment after this call. The future may fail with DatabaseUnavailable."""
        future: asyncio.Future[Revisions] = self.loop.create_future()
        self._waiting.append(future)
        if not self._busy:
            self._busy = True
            # Later in this turn of the loop, so that all requests of the turn are in it.
            self.loop.call_soon(self._begin)
        return future

    def under_way(self) -> asyncio.Future[Revisions] | None:
        """Return what requests wait for now; None: none waits."""
        asked = self._waiting or self._asking
        return asked[-1] if asked else None

    def close(self) -> None:
        """Close the connection; who still waits is refused. On the loop's thread, or when the loop has ended."""
        self._drop()
        if not self.loop.is_closed():
            self._refuse()

    def _begin(self) -> None:
        if not self._waiting:
            # Closed meanwhile.
            return
        self._asking, self._waiting = self._waiting, []
        self._is_second_try = False
        self._send()

    def _send(self) -> None:
        if self._driver is None:
            opening = self.loop.run_in_executor(self._executor, self._open)
            opening.add_done_callback(self._opened)
            return
        self._revisions = None
        self._limit = self.loop.call_later(_LONGEST_SECONDS, self._fail)
        self.sent += 1
        try:
            # So few bytes that they always fit into the socket's buffer, which is empty.
            if self._prepares:
                self._driver.send_query_prepared(_NAME.encode(), [])
            else:
                self._driver.send_query_params(_SQL.encode(), [])
        except self._error:
            self._try_again()

    def _open(self) -> sa.Connection:
        with driver_errors():
            connection = self._engine.connect()
            try:
                connection.exec_driver_sql(f"PREPARE {_NAME} AS {_SQL}" if self._prepares else _SQL)
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            return connection

    def _opened(self, opening: asyncio.Future[sa.Connection]) -> None:
        failure = opening.exception()
        if failure is not None:
            self._refuse(failure)
            return
        self._connection = opening.result()
        self._driver = self._connection.connection.driver_connection.pgconn  # type: ignore[union-attr]
        self._socket = self._driver.socket
        self.loop.add_reader(self._socket, self._read)
        self._send()

    def _read(self) -> None:
        driver = self._driver
        try:
            driver.consume_input()
            while not driver.is_busy():
                result = driver.get_result()
                if result is None:
                    break
                if result.ntuples == 1:
                    self._revisions = Revisions(int(result.get_value(0, 0)), int(result.get_value(0, 1)))
            else:
                return
        except self._error:
            if self._limit is not None:
                self._try_again()
            else:
                # The server ended an idle connection; the next check opens another one.
                self._drop()
            return
        if self._limit is None:
            return
        if self._revisions is None:
            self._try_again()
        else:
            self._answer(self._revisions)

    def _answer(self, revisions: Revisions) -> None:
        self._end_limit()
        for future in self._asking:
            if not future.done():
                future.set_result(revisions)
        self._asking = []
        if self._waiting:
            self.loop.call_soon(self._begin)
        else:
            self._busy = False

    def _try_again(self) -> None:
        self._drop()
        if self._is_second_try:
            self._refuse()
        else:
            self._is_second_try = True
            self._send()

    def _fail(self) -> None:
        self._drop()
        self._refuse()

    def _refuse(self, reason: BaseException | None = None) -> None:
        refused = self._asking + self._waiting
        self._asking, self._waiting, self._busy = [], [], False
        for future in refused:
            if not future.done():
                future.set_exception(reason or DatabaseUnavailable())

    def _drop(self) -> None:
        self._end_limit()
        connection, self._connection, self._driver = self._connection, None, None
        if connection is None:
            return
        if not self.loop.is_closed():
            self.loop.remove_reader(self._socket)
        connection.invalidate()
        connection.close()

    def _end_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
