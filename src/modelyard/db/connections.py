"""Connections for reading, kept open and ready: SQLAlchemy's way out of its pool and back costs as much as a point read."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
import sqlalchemy.exc

from modelyard.domain.errors import DatabaseUnavailable

_LONGEST_WAIT_SECONDS = 10


class ReadConnections:
    """A fixed number of connections in autocommit mode, each lent to one reader at a time. Safe to use from any thread."""

    def __init__(self, engine: sa.Engine, most: int) -> None:
        self._engine = engine
        self._places = threading.Semaphore(most)
        # The last one used comes first, so that few are open while little is read.
        self._idle: deque[sa.Connection] = deque()

    @property
    def idle(self) -> int:
        return len(self._idle)

    @contextmanager
    def take(self) -> Iterator[sa.Connection]:
        """Yield a connection. Raises DatabaseUnavailable if none becomes free, and the driver's errors."""
        if not self._places.acquire(timeout=_LONGEST_WAIT_SECONDS):
            raise DatabaseUnavailable()
        try:
            connection = self._next()
            try:
                yield connection
            except sa.exc.DBAPIError as exc:
                if exc.connection_invalidated:
                    _close(connection)
                    # After a restart of the server these are dead too.
                    self.close()
                raise
            finally:
                if connection.invalidated:
                    connection.close()
                elif not connection.closed:
                    self._idle.append(connection)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close those that no one uses."""
        while self._idle:
            _close(self._idle.pop())

    def _next(self) -> sa.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._engine.connect()


def _close(connection: sa.Connection) -> None:
    if not connection.invalidated:
        connection.invalidate()
    connection.close()
