"""The metadata database, SQLite or PostgreSQL: the only module that tells them apart.

Each read has its own connection and no transaction. Changes are written in batches (writer.py), one batch at a
time. On PostgreSQL a batch begins by locking the head of the event log, so that several processes also write in
one order and no two changes can deadlock. Reasons and figures: decision record 0002.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from operator import add
from types import ModuleType
from typing import Any, TypeVar, cast

import msgspec
import sqlalchemy as sa
import sqlalchemy.event
import sqlalchemy.exc

from modelyard.db.connections import ReadConnections
from modelyard.db.needs import NeedsThread, NeedsWork, Results, Runner
from modelyard.db.revisions import RevisionCheck, Revisions
from modelyard.db.row_notes import RowNotes
from modelyard.db.statement import Statement
from modelyard.db.transaction import Transaction
from modelyard.db.writer import Batch, LoopWriter, ThreadWriter, WriterFigures, driver_errors
from modelyard.domain.errors import ChangedMeanwhile, DatabaseUnavailable, Invalid

T = TypeVar("T")
logger = logging.getLogger(__name__)


def wall_clock() -> int:
    """Return the present time, in whole microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def _sqlite_module() -> ModuleType:
    """Return the newest SQLite available; releases before 3.51.3 can, with rare timing, damage a WAL file."""
    try:
        import pysqlite3.dbapi2 as module  # type: ignore[import-untyped]
    except ImportError:
        import sqlite3 as module

        if module.sqlite_version_info < (3, 51, 3):
            logger.warning(
                "SQLite %s can damage its WAL file under rare timing; use a newer SQLite", module.sqlite_version
            )
    return cast(ModuleType, module)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=10000",
        "foreign_keys=ON",
        "cache_size=-16384",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchone()


def _driver_url(url: str) -> sa.URL:
    advice = "Write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        # The URL is not quoted, because it may contain a password.
        raise Invalid(reason="the database URL is not valid", fix=advice) from None
    if parsed.drivername.partition("+")[0] not in ("sqlite", "postgresql", "postgres"):
        raise Invalid(reason=f"databases of the kind {parsed.drivername} are not supported", fix=advice)
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


_KEPT_CONNECTIONS = 2
"""One of the writer; one of the event loop, for point reads on SQLite and for revisions on PostgreSQL."""


class PoolFigures(msgspec.Struct, frozen=True):
    """The connections of one process to its database, for /metrics."""

    limit: int = 0
    in_use: int = 0
    """Also those that the writer and the event loop keep."""
    idle: int = 0
    waiting_reads: int = 0
    """Reads of requests for which no thread is free."""
    waiting_changes: int = 0
    """Changes that the next commit takes."""

    def plus(self, other: PoolFigures) -> PoolFigures:
        """Return the figures of both processes together."""
        return PoolFigures(*map(add, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class Database:
    """Safe to use from any thread."""

    def __init__(
        self,
        url: str,
        *,
        threads: int = 4,
        queue_limit: int = 4096,
        clock: Callable[[], int] = wall_clock,
        prepare_statements: bool = True,
    ) -> None:
        """url: `sqlite:///path` or `postgresql://…`. prepare_statements: False behind a pooler in transaction mode, where
        nothing stays in a session from one transaction to the next."""
        parsed = _driver_url(url)
        self.url = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.clock = clock
        options: dict[str, Any] = {}
        if self.is_sqlite:
            options["module"] = _sqlite_module()
            # The driver keeps the most used statements, and once it is full, new ones only replace each other;
            # with its default of 100 the statements that create the tables would fill it for good.
            options["connect_args"] = {"check_same_thread": False, "cached_statements": 1024}
        else:
            options["connect_args"] = {"connect_timeout": 5}
            if not prepare_statements:
                options["connect_args"]["prepare_threshold"] = None
        # A caller that needs a transaction begins it with a statement: see `snapshot` and Batch.
        self._engine = sa.create_engine(
            parsed,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
            poolclass=sa.QueuePool,
            pool_size=threads + 1 + _KEPT_CONNECTIONS,
            max_overflow=0,
            pool_timeout=10,
            **options,
        )
        self._migrator = sa.create_engine(parsed, poolclass=sa.NullPool, **options)
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", _set_up_sqlite)
            sa.event.listen(self._migrator, "connect", _set_up_sqlite)
            sa.event.listen(self._migrator, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        self.figures = WriterFigures()
        self._threads = threads
        # One more than threads, for reads of the workers.
        self._readers = ReadConnections(self._engine, threads + 1)
        self._pool = ThreadPoolExecutor(threads, "db-read")
        self._reads = 0
        # Separate from the readers, so that a long read never delays a commit.
        self._commits = ThreadPoolExecutor(1, "db-commit")
        self._outside = ThreadPoolExecutor(2, "db-outside")
        self._queue_limit = queue_limit
        self._write_lock = threading.Lock()
        self._write_connection: sa.Connection | None = None
        self._row_notes: RowNotes | None = None
        self._thread_writer: ThreadWriter | None = None
        self._loop_writer: LoopWriter | None = None
        self._closed = False
        # Taking a connection from the pool costs as much as a point read, so the event loop keeps one.
        self._point_connection: sa.Connection | None = None
        self._prepares = prepare_statements
        self._revision_checks: dict[asyncio.AbstractEventLoop, RevisionCheck] = {}
        self._start_lock = threading.Lock()

    # --- reading ---------------------------------------------------------------------------------

    def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` on its own connection, a second time if the connection turns out to be dead.

        Work that `fn` asks for runs in place. Raises DatabaseUnavailable.
        """
        return self._read(fn, Results(may_wait=True))

    def _read(self, fn: Callable[[Transaction], T], results: Results) -> T:
        try:
            return self._read_once(fn, results)
        except DatabaseUnavailable:
            return self._read_once(fn, results)

    def _read_once(self, fn: Callable[[Transaction], T], results: Results) -> T:
        with driver_errors(), self._readers.take() as connection:
            return fn(Transaction(connection, self.clock(), results))

    def snapshot(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` on a consistent snapshot, whatever is written meanwhile."""
        with driver_errors(), self._readers.take() as connection:
            tx = Transaction(connection, self.clock())
            tx.run(_BEGIN_SNAPSHOT[connection.dialect.name])
            try:
                return fn(tx)
            finally:
                tx.run(_END_SNAPSHOT)

    async def aread(self, fn: Callable[[Transaction], T], run: Runner | None = None) -> T:
        """Read off the event loop. run: runs the work that `fn` asks for; None: the database's own threads."""

        async def attempt(results: Results) -> T:
            self._reads += 1
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, fn, results)
            finally:
                self._reads -= 1

        return await self._with_work(attempt, Results(), run)

    async def apoint(self, fn: Callable[[Transaction], T], run: Runner | None = None) -> T:
        """Read a few rows by key. On SQLite it runs on the event loop, which costs less than a thread."""
        if not self.is_sqlite:
            return await self.aread(fn, run)
        connection = self._point_connection
        if connection is None:
            connection = self._point_connection = self._engine.connect()
        try:
            with driver_errors():
                return fn(Transaction(connection, self.clock(), _ON_LOOP))
        except (NeedsWork, NeedsThread):
            return await self.aread(fn, run)

    async def revisions(self) -> Revisions:
        """Return the revisions of a moment after this call. Raises DatabaseUnavailable."""
        if self.is_sqlite:
            return Revisions(self.figures.generation, self.figures.rights_generation)
        return await self._revision_check().ask()

    @property
    def revision_checks(self) -> int:
        """Return the number of statements with which revisions were asked for so far; 0 on SQLite."""
        return sum(check.sent for check in self._revision_checks.values())

    def _revision_check(self) -> RevisionCheck:
        if self._closed:
            raise DatabaseUnavailable()
        loop = asyncio.get_running_loop()
        check = self._revision_checks.get(loop)
        if check is None:
            for ended in [each for each in self._revision_checks if each.is_closed()]:
                self._revision_checks.pop(ended).close()
            # The thread of commits is free: on PostgreSQL the writer has its own.
            check = RevisionCheck(self._engine, self._commits, loop, prepares=self._prepares)
            self._revision_checks[loop] = check
        return check

    # --- writing ---------------------------------------------------------------------------------

    def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` in a transaction and return after the commit. Never call it on the event loop.

        Work that `fn` asks for runs in this thread, outside the transaction.
        Raises the errors of `fn`, with nothing written; QueueFull; ChangedMeanwhile; DatabaseUnavailable, which leaves
        the outcome unknown if the failure came during the commit.
        """
        results = Results()
        while True:
            try:
                return self.submit(fn, results).result()
            except NeedsWork as needed:
                _refuse_another_round(results, needed)
                results.keep(needed, needed.work())

    async def awrite(
        self, fn: Callable[[Transaction], T], run: Runner | None = None, *, on_loop: bool = True
    ) -> T:
        """Write without blocking the event loop.

        run: as in `aread`. on_loop False: the change is known to be large, so it runs in a thread on SQLite too.
        """
        if not self.is_sqlite:
            return await self._with_work(partial(self._awrite_in_thread, fn), Results(), run)
        if self._closed:
            raise DatabaseUnavailable()
        loop = asyncio.get_running_loop()
        writer = self._loop_writer
        if writer is None or writer.loop is not loop:
            self._leave_ended_loop()
            writer = self._loop_writer = LoopWriter(
                self._open_batch, self._write_lock, self._queue_limit, self._commits, loop
            )

        async def attempt(results: Results) -> T:
            if results.on_loop:
                try:
                    return await writer.write(fn, results)
                except NeedsThread:
                    results.on_loop = False
            return await self._awrite_in_thread(fn, results)

        return await self._with_work(attempt, Results(on_loop=on_loop), run)

    async def _awrite_in_thread(self, fn: Callable[[Transaction], T], results: Results) -> T:
        return await asyncio.wrap_future(self.submit(fn, results))

    async def _with_work(
        self, attempt: Callable[[Results], Awaitable[T]], results: Results, run: Runner | None
    ) -> T:
        """Call a use case until it has every result that it needs. Raises ChangedMeanwhile."""
        while True:
            try:
                return await attempt(results)
            except NeedsWork as needed:
                _refuse_another_round(results, needed)
                done = run(needed.work) if run is not None else self._run_outside(needed.work)
                results.keep(needed, await done)

    async def _run_outside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._outside, work)

    def submit(self, fn: Callable[[Transaction], T], results: Results | None = None) -> Future[T]:
        """Queue one attempt; its future fails with NeedsWork if `fn` asks for work that is not in `results`.

        Raises QueueFull, DatabaseUnavailable after close.
        """
        if self._closed:
            raise DatabaseUnavailable()
        self._leave_ended_loop()
        if self._thread_writer is None:
            with self._start_lock:
                if self._thread_writer is None:
                    self._thread_writer = ThreadWriter(self._open_batch, self._write_lock, self._queue_limit)
        return self._thread_writer.submit(fn, results or Results())

    def _leave_ended_loop(self) -> None:
        """Undo what an event loop that was closed in the middle of a batch can no longer finish."""
        if self._loop_writer is not None and self._loop_writer.loop.is_closed():
            with self._start_lock:
                self._loop_writer.close()

    def _open_batch(self) -> Batch:
        """Open a batch. The caller holds the write lock until the batch is committed or abandoned."""
        was_open = self._write_connection is not None
        try:
            return self._begin_batch()
        except sa.exc.DBAPIError as exc:
            # The connection died after the last batch: nothing is lost, so no caller needs an error.
            if not (was_open and exc.connection_invalidated):
                raise
            return self._begin_batch()

    def _begin_batch(self) -> Batch:
        connection = self._write_connection
        if connection is None:
            connection = self._write_connection = self._engine.connect()
            try:
                self._row_notes = RowNotes(connection)
            except BaseException:
                self._close_write_connection()
                raise
        assert self._row_notes is not None
        return Batch(connection, self.clock, self.figures, self._close_write_connection, self._row_notes)

    def _close_write_connection(self) -> None:
        """Close the connection, whose state is unknown after a failure; the next batch opens a new one."""
        connection, self._write_connection = self._write_connection, None
        if connection is None:
            return
        try:
            connection.invalidate()
            connection.close()
        except sa.exc.SQLAlchemyError as exc:
            logger.warning("the connection of the writer did not close: %s", exc)

    # --- the database as a whole -----------------------------------------------------------------

    def pool_figures(self) -> PoolFigures:
        pool, idle = cast(sa.QueuePool, self._engine.pool), self._readers.idle
        writers = (self._thread_writer, self._loop_writer)
        return PoolFigures(
            limit=pool.size(),
            in_use=pool.checkedout() - idle,
            idle=pool.checkedin() + idle,
            waiting_reads=max(0, self._reads - self._threads),
            waiting_changes=sum(writer.waiting for writer in writers if writer is not None),
        )

    def check(self) -> None:
        """Raise DatabaseUnavailable unless the database answers now."""
        self.read(lambda tx: tx.execute(sa.text("SELECT 1")).scalar_one())

    @contextmanager
    def connect_for_migration(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that commits at the end, without the event log; for schema changes, and
        for facts of the server that a command notes next to it."""
        with driver_errors(), self._migrator.begin() as connection:
            yield connection

    def close(self) -> None:
        """Finish queued changes, then close all connections. Idempotent."""
        self._closed = True
        self._leave_ended_loop()
        if self._thread_writer is not None:
            self._thread_writer.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._commits.shutdown(wait=True)
        self._outside.shutdown(wait=True, cancel_futures=True)
        self._readers.close()
        if self._point_connection is not None:
            self._point_connection.close()
        for check in self._revision_checks.values():
            check.close()
        self._close_write_connection()
        self._engine.dispose()


_BEGIN_SNAPSHOT = {
    "sqlite": Statement(sa.text("BEGIN")),
    "postgresql": Statement(sa.text("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")),
}
# Not through the driver's cursor, which gives up all prepared statements of a connection when it rolls back.
_END_SNAPSHOT = Statement(sa.text("ROLLBACK"))
_ON_LOOP = Results(on_loop=True)
"""The results for a read on the event loop; it stores nothing."""


def _refuse_another_round(results: Results, needed: NeedsWork) -> None:
    if results.is_used_up:
        raise ChangedMeanwhile() from needed
