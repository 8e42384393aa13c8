"""Write changes: many with one commit, each undone by itself if it fails.

A batch takes all waiting changes, gives each a savepoint, stores their events and commits them with one fsync; no
caller gets its result before the commit. Two writers run batches, one at a time:

* `ThreadWriter`, in its own thread, for callers that may block and for PostgreSQL;
* `LoopWriter`, for the event loop on SQLite. It runs the statements on the loop itself, because a separate
  thread would compete for the interpreter's lock at every statement. Only the commit, which waits for the
  disk, goes to a thread, and not even that while the disk answers faster than a thread wakes up.

Measured: decision record 0002.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
import sqlalchemy.exc
from msgspec.structs import replace

from modelyard.db import log as event_log
from modelyard.db.batch_memory import BatchMemory
from modelyard.db.needs import NeedsThread, NeedsWork, Results
from modelyard.db.row_notes import RowNotes
from modelyard.db.statement import Statement
from modelyard.db.transaction import PendingEvent, Transaction
from modelyard.domain.errors import DatabaseUnavailable, DiskFull, ModelyardError, QueueFull
from modelyard.domain.events import RowsWritten

T = TypeVar("T")
logger = logging.getLogger(__name__)

_MOST_UNITS = 128
_LONGEST_TURN_SECONDS = 0.008
"""How long one batch may hold the event loop at a time."""
_LONGEST_BATCH_SECONDS = 0.05
"""How long a batch may take over several turns of the event loop before it is committed."""
_LONGEST_GATHERING_SECONDS = 0.005
"""How long a batch waits for changes that are on their way at most."""
_QUIET_TURNS = 3
"""Turns of the event loop in which a request is read, begun and handled as far as its change."""
_QUICK_COMMIT_SECONDS = 0.001
"""Commits that take less on average are not worth a thread."""
_STOP = None
_BEGIN = {
    "sqlite": Statement(sa.text("BEGIN IMMEDIATE")),
    "postgresql": Statement(sa.text("BEGIN")),
}
_COMMIT = Statement(sa.text("COMMIT"))
_SAVEPOINT = Statement(sa.text("SAVEPOINT unit"))
_RELEASE = Statement(sa.text("RELEASE SAVEPOINT unit"))
_ROLL_BACK = Statement(sa.text("ROLLBACK TO SAVEPOINT unit"))


class WriterFigures(msgspec.Struct):
    """The figures of the writers, for /metrics."""

    batches: int = 0
    units: int = 0
    failed_units: int = 0
    generation: int = 0
    """Grows with every commit of this process. On SQLite, where no other process writes, what was read at
    one generation is true as long as it lasts."""
    longest_unit_seconds: float = 0.0
    """The longest time of one change so far."""
    longest_loop_unit_seconds: float = 0.0
    """The same for changes on the event loop, during which nothing else is answered."""
    work_left: threading.Event = msgspec.field(default_factory=threading.Event)
    """Set by each commit that left a job for the workers."""
    rights_generation: int = 0
    """The same, for accounts, tokens, groups and roles: commits that certainly leave them alone do not count."""

    def note_unit(self, elapsed: float, on_loop: bool) -> None:
        self.longest_unit_seconds = max(self.longest_unit_seconds, elapsed)
        if on_loop:
            self.longest_loop_unit_seconds = max(self.longest_loop_unit_seconds, elapsed)


class Batch:
    """One transaction of many changes.

    The connection is in autocommit mode and serves batch after batch, because taking one from the pool and a
    transaction of SQLAlchemy each cost as much as a change. abandoned: called when the batch fails; it closes
    the connection, which undoes everything.
    """

    def __init__(
        self,
        connection: sa.Connection,
        clock: Callable[[], int],
        figures: WriterFigures,
        abandoned: Callable[[], None],
        notes: RowNotes,
    ) -> None:
        self._figures = figures
        self._pending: list[PendingEvent] = []
        self._memory = BatchMemory()
        self._keeps_changes = self._may_change_rights = self._wakes_workers = False
        self._connection = connection
        self._notes = notes
        self._abandoned = abandoned
        try:
            begun = Transaction(connection, 0)
            begun.run_later(_BEGIN[connection.dialect.name])
            self._driver = begun.driver
            notes.begin(begun.run_later)
            self._log_end = event_log.lock_head(connection)
            self._now = clock()
        except BaseException:
            self.abandon()
            raise

    def run(self, fn: Callable[[Transaction], T], results: Results) -> tuple[T | None, BaseException | None]:
        """Return (result, None), or (None, error) if only this change failed.

        Raises if the connection is lost, and with it all changes of the batch.
        """
        tx = Transaction(self._connection, self._now, results, self._driver, self._memory)
        started = time.perf_counter()
        try:
            return self._run(tx, fn)
        finally:
            self._figures.note_unit(time.perf_counter() - started, results.on_loop)

    def _run(self, tx: Transaction, fn: Callable[[Transaction], T]) -> tuple[T | None, BaseException | None]:
        try:
            # SQLAlchemy's own savepoints cost fifteen times as much as these statements.
            tx.run_later(_SAVEPOINT)
            tx.begin_change()
            result = fn(tx)
            tx.end_change()
            # On SQLite a further savepoint hides this one, and the commit ends them all; PostgreSQL is slow with many.
            if not tx.is_sqlite:
                tx.run_later(_RELEASE)
            _vouch(tx, self._notes)
        except (NeedsWork, NeedsThread) as asked:
            self._undo(tx)
            return None, asked
        except Exception as exc:
            self._figures.units += 1
            self._figures.failed_units += 1
            if _is_lost(exc):
                raise
            self._undo(tx)
            return None, as_ours(exc)
        self._figures.units += 1
        self._keeps_changes = True
        self._pending.extend(tx.pending)
        self._wakes_workers = self._wakes_workers or tx.wakes_workers
        self._memory.keep()
        if tx.pending:
            may_change_rights = any(item.event.may_change_rights for item in tx.pending)
        else:
            # A change without an event may have written anything.
            may_change_rights = not tx.leaves_rights
        self._may_change_rights = self._may_change_rights or may_change_rights
        return result, None

    def _undo(self, tx: Transaction) -> None:
        tx.forget_change()
        tx.run_later(_ROLL_BACK)
        if not tx.is_sqlite:
            tx.run_later(_RELEASE)
        self._notes.clear()
        self._memory.undo()

    def seal(self) -> None:
        """Store the events of all changes, and what they left for the end."""
        self._memory.write(Transaction(self._connection, self._now).run_many)
        if self._keeps_changes:
            event_log.store_events(
                self._connection, self._log_end, self._pending, may_change_rights=self._may_change_rights
            )

    def commit(self) -> None:
        Transaction(self._connection, 0).run(_COMMIT)
        self._figures.batches += 1
        self._figures.generation += 1
        self._figures.rights_generation += self._may_change_rights
        if self._wakes_workers:
            self._figures.work_left.set()

    def abandon(self) -> None:
        """Undo everything. Raises nothing, because the caller already handles the original error."""
        self._abandoned()
        self._figures.generation += 1
        self._figures.rights_generation += 1


def _vouch(tx: Transaction, notes: RowNotes) -> None:
    """Name the written rows in the change's last event; a change without an event gets one."""
    rows = notes.take()
    if not rows:
        return
    if not tx.pending:
        tx.pending.append(PendingEvent(RowsWritten(), 0, "server", 0, tx.now))
    tx.pending[-1] = replace(tx.pending[-1], rows=rows)


class _Unit(msgspec.Struct):
    """One change that waits for a writer, and the caller who waits for it."""

    fn: Callable[[Transaction], Any]
    results: Results
    future: Future[Any]


_Outcome = tuple[asyncio.Future[Any], Any, BaseException | None]
"""Of one change: who waits for it, what it returned, and the error if it failed."""


class ThreadWriter:
    """A queue, and the thread that runs its changes."""

    def __init__(self, open_batch: Callable[[], Batch], lock: threading.Lock, queue_limit: int) -> None:
        self._open_batch = open_batch
        self._lock = lock
        self._queue: queue.Queue[_Unit | None] = queue.Queue(maxsize=queue_limit)
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[[Transaction], T], results: Results) -> Future[T]:
        """Queue a change; its future fails with NeedsWork if the change asks for work. Raises QueueFull."""
        future: Future[T] = Future()
        try:
            self._queue.put_nowait(_Unit(fn, results, future))
        except queue.Full:
            raise QueueFull() from None
        return future

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def close(self) -> None:
        """Finish the queued changes."""
        self._queue.put(_STOP)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        stop = False
        while not stop:
            batch: list[_Unit] = []
            unit = self._queue.get()
            while unit is not _STOP:
                # A change whose caller gave up before its turn is not run.
                if unit.future.set_running_or_notify_cancel():
                    batch.append(unit)
                if len(batch) == _MOST_UNITS:
                    break
                try:
                    unit = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                stop = True
            if batch:
                with self._lock:
                    self._write(batch)

    def _write(self, units: list[_Unit]) -> None:
        outcomes: list[tuple[Any, BaseException | None]]
        try:
            with driver_errors():
                batch = self._open_batch()
                try:
                    outcomes = [batch.run(unit.fn, unit.results) for unit in units]
                    batch.seal()
                    batch.commit()
                except BaseException:
                    batch.abandon()
                    raise
        except Exception as exc:  # noqa: BLE001 - the batch failed: every caller is told, the writer lives on
            outcomes = [(None, exc)] * len(units)
        for unit, (result, error) in zip(units, outcomes, strict=True):
            if error is None:
                unit.future.set_result(result)
            else:
                unit.future.set_exception(error)


class LoopWriter:
    """Runs changes on the event loop that asks for them; SQLite only."""

    def __init__(
        self,
        open_batch: Callable[[], Batch],
        lock: threading.Lock,
        queue_limit: int,
        executor: Executor,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.loop = loop
        self._open_batch = open_batch
        self._lock = lock
        self._queue_limit = queue_limit
        self._executor = executor
        self._waiting: deque[tuple[Callable[[Transaction], Any], Results, asyncio.Future[Any]]] = deque()
        self._busy = False
        self._unfinished: Batch | None = None
        """A batch that goes on in a later turn of the loop."""
        self._commit_seconds = _QUICK_COMMIT_SECONDS
        """Moving average."""

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def write(self, fn: Callable[[Transaction], T], results: Results) -> T:
        """Run a change. Raises the errors of `fn`, also NeedsWork and NeedsThread; QueueFull, DatabaseUnavailable."""
        if len(self._waiting) >= self._queue_limit:
            raise QueueFull()
        future: asyncio.Future[T] = self.loop.create_future()
        self._waiting.append((fn, results, future))
        if not self._busy:
            self._busy = True
            self._gather()
        return await future

    def close(self) -> None:
        """Undo a batch that a loop which ended left unfinished. Only for a loop that runs no more."""
        if self._unfinished is not None:
            self._unfinished.abandon()
            self._unfinished = None
            self._lock.release()

    def _gather(self) -> None:
        """Start a batch once no further change has come for a few turns of the event loop.

        A commit costs more than a change, and clients whose last answers were sent together ask again together.
        """
        until = self.loop.time() + _LONGEST_GATHERING_SECONDS

        def look(seen: int, quiet_turns: int) -> None:
            count = len(self._waiting)
            quiet_turns = quiet_turns + 1 if count == seen else 0
            if quiet_turns < _QUIET_TURNS and count < _MOST_UNITS and self.loop.time() < until:
                self.loop.call_soon(look, count, quiet_turns)
            else:
                self._start()

        self.loop.call_soon(look, 0, 0)

    def _start(self) -> None:
        if self._lock.acquire(blocking=False):
            self._write()
        else:
            # The thread is writing. Waiting for its lock must not stop the loop.
            locking = self.loop.run_in_executor(self._executor, self._lock.acquire)
            locking.add_done_callback(lambda _: self._write())

    def _write(self) -> None:
        """Run a batch until nothing waits, with a turn for everyone else in between where it takes long."""
        done: list[_Outcome] = []
        try:
            with driver_errors():
                batch = self._open_batch()
        except Exception as exc:  # noqa: BLE001 - the batch failed: every caller is told, the writer lives on
            self._lock.release()
            self._answer(self._refuse_all(exc))
            return
        until = time.monotonic() + _LONGEST_BATCH_SECONDS

        def take_turn() -> None:
            self._unfinished = None
            try:
                with driver_errors():
                    try:
                        self._run_turn(batch, done)
                        if self._waiting and len(done) < _MOST_UNITS and time.monotonic() < until:
                            self._unfinished = batch
                            self.loop.call_soon(take_turn)
                            return
                        batch.seal()
                        committing = self._begin_commit(batch)
                    except BaseException:
                        batch.abandon()
                        raise
            except Exception as exc:  # noqa: BLE001 - as above
                self._lock.release()
                self._committed(exc, done)
                return
            if committing is None:
                self._committed(self._commit(batch), done)
            else:
                committing.add_done_callback(
                    lambda commit: self._committed(commit.exception() or commit.result(), done)
                )

        take_turn()

    def _run_turn(self, batch: Batch, done: list[_Outcome]) -> None:
        until = time.monotonic() + _LONGEST_TURN_SECONDS
        while self._waiting and len(done) < _MOST_UNITS:
            fn, results, future = self._waiting.popleft()
            if future.done():
                continue
            done.append((future, None, DatabaseUnavailable()))
            result, error = batch.run(fn, results)
            done[-1] = (future, result, error)
            if time.monotonic() > until:
                return

    def _begin_commit(self, batch: Batch) -> asyncio.Future[BaseException | None] | None:
        """Start the commit in a thread and return its future; None if a commit on the loop is faster."""
        if self._commit_seconds < _QUICK_COMMIT_SECONDS:
            return None
        return self.loop.run_in_executor(self._executor, self._commit, batch)

    def _commit(self, batch: Batch) -> BaseException | None:
        """Commit, free the lock, and return the error for every caller of the batch, or None."""
        started = time.perf_counter()
        try:
            failure = _commit(batch)
        finally:
            self._lock.release()
        self._commit_seconds += 0.1 * (time.perf_counter() - started - self._commit_seconds)
        return failure

    def _refuse_all(self, exc: BaseException) -> list[_Outcome]:
        """Fail all waiting changes if no batch can be opened, so that no caller waits forever."""
        refused = [(future, None, exc) for _, _, future in self._waiting]
        self._waiting.clear()
        return refused  # type: ignore[return-value]

    def _committed(self, failure: BaseException | None, done: list[_Outcome]) -> None:
        self._answer(done if failure is None else [(future, None, failure) for future, _, _ in done])

    def _answer(self, done: list[_Outcome]) -> None:
        for future, result, error in done:
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if self._waiting:
            self._gather()
        else:
            self._busy = False


def _commit(batch: Batch) -> BaseException | None:
    """Commit, and return an error instead of raising it."""
    try:
        with driver_errors():
            try:
                batch.commit()
            except BaseException:
                batch.abandon()
                raise
    except Exception as exc:  # noqa: BLE001 - travels as a value to the callers
        return exc
    return None


def _is_lost(exc: BaseException) -> bool:
    """Return whether the connection, and with it the whole batch, is lost."""
    if not isinstance(exc, sa.exc.DBAPIError):
        return False
    return exc.connection_invalidated or _is_full(exc)


def _is_full(exc: sa.exc.DBAPIError) -> bool:
    return "disk is full" in str(exc.orig) or getattr(exc.orig, "sqlstate", None) == "53100"


def as_ours(exc: Exception) -> Exception:
    """Convert a driver's failure into one of our errors; return any other error unchanged."""
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
def driver_errors() -> Iterator[None]:
    """Convert failures of the driver into our errors."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as exc:
        ours = as_ours(exc)
        if ours is exc:
            raise
        raise ours from exc
