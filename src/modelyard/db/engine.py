"""The metadata database: SQLite or PostgreSQL, and the only place that knows which is which.

Reads run each on its own connection without a transaction. Writes go one after another through one writer
thread, which takes what is waiting, gives each change its savepoint, and commits all with one fsync: a
change that fails undoes only itself, and nobody is told "done" before the commit. On PostgreSQL the batch
begins by locking the head of the event log, so N processes write in one order too and no two changes can
deadlock. Reasons and figures: decision record 0002.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar, cast

import sqlalchemy as sa
import sqlalchemy.event
import sqlalchemy.exc

from modelyard.db import log as event_log
from modelyard.db.transaction import MICROSECONDS, PendingEvent, Transaction
from modelyard.domain.errors import DatabaseUnavailable, DiskFull, ModelyardError, QueueFull

T = TypeVar("T")
logger = logging.getLogger(__name__)

_BATCH = 128
_STOP = None


def wall_clock() -> int:
    """Now, in whole microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def _sqlite_module() -> ModuleType:
    """The newest SQLite at hand: releases before 3.51.3 can damage a WAL file under rare timing."""
    try:
        import pysqlite3.dbapi2 as module  # type: ignore[import-untyped]
    except ImportError:
        import sqlite3 as module

        if module.sqlite_version_info < (3, 51, 3):
            logger.warning("SQLite %s has a known WAL fault; a newer one is advised", module.sqlite_version)
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
    parsed = sa.make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


@dataclass(slots=True)
class _Unit:
    """One change that waits for the writer, and the caller who waits for it."""

    fn: Callable[[Transaction], Any]
    future: Future[Any]


@dataclass(slots=True)
class WriterFigures:
    """What the writer did so far, for /metrics."""

    batches: int = 0
    units: int = 0
    failed_units: int = 0


class Database:
    """url: `sqlite:///path` or `postgresql://…`. Safe to use from any thread."""

    def __init__(
        self,
        url: str,
        *,
        threads: int = 4,
        queue_limit: int = 4096,
        clock: Callable[[], int] = wall_clock,
        prepare_statements: bool = True,
    ) -> None:
        parsed = _driver_url(url)
        self.url = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.clock = clock
        options: dict[str, Any] = {"max_overflow": 0, "pool_timeout": 10}
        if self.is_sqlite:
            options["module"] = _sqlite_module()
            options["connect_args"] = {"check_same_thread": False}
        else:
            options["connect_args"] = {"connect_timeout": 5}
            if not prepare_statements:
                options["connect_args"]["prepare_threshold"] = None
        self._reader = sa.create_engine(
            parsed,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
            poolclass=sa.QueuePool,
            pool_size=threads + 1,
            **options,
        )
        self._writer = sa.create_engine(parsed, poolclass=sa.QueuePool, pool_size=2, **options)
        if self.is_sqlite:
            sa.event.listen(self._reader, "connect", _set_up_sqlite)
            sa.event.listen(self._writer, "connect", _set_up_sqlite)
            sa.event.listen(self._writer, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        self.figures = WriterFigures()
        self.generation = 0
        """Grows with every commit of this process. On SQLite, where no other process writes, what was read
        at one generation is true as long as it lasts."""
        self._pool = ThreadPoolExecutor(threads, "db-read")
        self._queue: queue.Queue[_Unit | None] = queue.Queue(maxsize=queue_limit)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._start_lock = threading.Lock()

    # --- reading ---------------------------------------------------------------------------------

    def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` on a connection of its own. Tried once more when the connection turns out to be dead.

        Raises DatabaseUnavailable.
        """
        try:
            return self._read_once(fn)
        except DatabaseUnavailable:
            return self._read_once(fn)

    def _read_once(self, fn: Callable[[Transaction], T]) -> T:
        with _driver_errors(), self._reader.connect() as connection:
            try:
                return fn(Transaction(connection, self.clock()))
            except sa.exc.DBAPIError as exc:
                if exc.connection_invalidated and not connection.invalidated:
                    connection.invalidate()
                raise

    def snapshot(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` so that all it reads is of one moment, whatever is written meanwhile."""
        with _driver_errors(), self._reader.connect() as connection:
            begin = "BEGIN" if self.is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            connection.exec_driver_sql(begin)
            try:
                return fn(Transaction(connection, self.clock()))
            finally:
                connection.exec_driver_sql("ROLLBACK")

    async def aread(self, fn: Callable[[Transaction], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read, fn)

    async def apoint(self, fn: Callable[[Transaction], T]) -> T:
        """A read of a few rows by key. On SQLite it costs less than the hop to a thread, so it runs here."""
        if self.is_sqlite:
            return self.read(fn)
        return await self.aread(fn)

    # --- writing ---------------------------------------------------------------------------------

    def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` in a transaction and return after the commit.

        Raises what `fn` raises, with nothing written; QueueFull; DatabaseUnavailable, after which the
        outcome is unknown when the failure came during the commit.
        """
        return self.submit(fn).result()

    async def awrite(self, fn: Callable[[Transaction], T]) -> T:
        return await asyncio.wrap_future(self.submit(fn))

    def submit(self, fn: Callable[[Transaction], T]) -> Future[T]:
        future: Future[T] = Future()
        if self._thread is None:
            self._start_writer()
        if self._closed:
            raise DatabaseUnavailable()
        try:
            self._queue.put_nowait(_Unit(fn, future))
        except queue.Full:
            raise QueueFull() from None
        return future

    def _start_writer(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_loop, name="db-write", daemon=True)
                self._thread.start()

    def _write_loop(self) -> None:
        stop = False
        while not stop:
            batch: list[_Unit] = []
            unit = self._queue.get()
            while unit is not _STOP:
                # A caller who went away before its turn gets nothing done.
                if unit.future.set_running_or_notify_cancel():
                    batch.append(unit)
                if len(batch) == _BATCH:
                    break
                try:
                    unit = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                stop = True
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[_Unit]) -> None:
        outcomes: list[tuple[_Unit, Any, BaseException | None]] = []
        try:
            with _driver_errors():
                outcomes = self._run_batch(batch)
        except Exception as exc:  # noqa: BLE001 - the batch failed: every caller is told, the writer lives on
            failure: BaseException = exc
            outcomes = [(unit, None, failure) for unit in batch]
        self.generation += 1
        self.figures.batches += 1
        self.figures.units += len(batch)
        for unit, result, error in outcomes:
            if error is None:
                unit.future.set_result(result)
            else:
                self.figures.failed_units += 1
                unit.future.set_exception(error)

    def _run_batch(self, batch: list[_Unit]) -> list[tuple[_Unit, Any, BaseException | None]]:
        outcomes: list[tuple[_Unit, Any, BaseException | None]] = []
        pending: list[PendingEvent] = []
        with self._writer.connect() as connection, connection.begin():
            size = event_log.lock_head(connection)
            now = self.clock()
            for unit in batch:
                tx = Transaction(connection, now)
                savepoint = connection.begin_nested()
                try:
                    result = unit.fn(tx)
                    savepoint.commit()
                except Exception as exc:
                    if _is_lost(exc):
                        connection.invalidate()
                        raise
                    savepoint.rollback()
                    outcomes.append((unit, None, _as_ours(exc)))
                else:
                    pending.extend(tx.pending)
                    outcomes.append((unit, result, None))
            if pending:
                event_log.store_events(connection, size, pending)
        return outcomes

    # --- the whole -------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises DatabaseUnavailable unless the database answers now."""
        self.read(lambda tx: tx.execute(sa.text("SELECT 1")).scalar_one())

    @contextmanager
    def connect_for_migration(self) -> Iterator[sa.Connection]:
        """A connection in a transaction that commits at the end; for schema changes only."""
        with _driver_errors(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Finish what is queued, then let go. Idempotent."""
        self._closed = True
        if self._thread is not None and self._thread.is_alive():
            self._queue.put(_STOP)
            self._thread.join(timeout=30)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reader.dispose()
        self._writer.dispose()


def seconds(amount: float) -> int:
    """A duration in the unit of all stored times."""
    return round(amount * MICROSECONDS)


def _is_lost(exc: BaseException) -> bool:
    """Whether the connection, and with it the whole batch, is gone."""
    if not isinstance(exc, sa.exc.DBAPIError):
        return False
    return exc.connection_invalidated or _is_full(exc)


def _is_full(exc: sa.exc.DBAPIError) -> bool:
    return "disk is full" in str(exc.orig) or getattr(exc.orig, "sqlstate", None) == "53100"


def _as_ours(exc: Exception) -> Exception:
    """A driver's failure in our words; everything else as it is."""
    if not isinstance(exc, sa.exc.DBAPIError | sa.exc.TimeoutError):
        return exc
    if isinstance(exc, sa.exc.DBAPIError):
        if _is_full(exc):
            return _caused(DiskFull(what="the database"), exc)
        if isinstance(exc, sa.exc.IntegrityError | sa.exc.ProgrammingError | sa.exc.DataError):
            return exc
        if "readonly" in str(exc.orig) or "malformed" in str(exc.orig):
            logger.error("the database cannot be used: %s", exc.orig)
    return _caused(DatabaseUnavailable(), exc)


def _caused(error: ModelyardError, cause: Exception) -> ModelyardError:
    error.__cause__ = cause
    return error


@contextmanager
def _driver_errors() -> Iterator[None]:
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as exc:
        ours = _as_ours(exc)
        if ours is exc:
            raise
        raise ours from exc
