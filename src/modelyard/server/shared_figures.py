"""Exchange of /metrics figures between the processes of one server: one file each, in a folder of their own.

<folder>/<process id>.msgpack   replaced every second; the counts of a dead process stay, so that sums never fall
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelyard.db.engine import PoolFigures
from modelyard.doors.metrics import ProcessFigures

_EVERY_SECONDS = 1.0


class SharedFigures:
    """The folder, as one of its processes sees it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{os.getpid()}.msgpack"

    async def publish(self, figures: Callable[[], ProcessFigures]) -> None:
        """Write this process's figures again and again, until cancelled."""
        while True:
            await asyncio.to_thread(self._write, figures())
            await asyncio.sleep(_EVERY_SECONDS)

    def _write(self, figures: ProcessFigures) -> None:
        temporary = self._own.with_suffix(".new")
        temporary.write_bytes(msgspec.msgpack.encode(figures))
        temporary.replace(self._own)

    def of_others(self) -> list[ProcessFigures]:
        """Return the figures of the other processes, at most a second old."""
        found: list[ProcessFigures] = []
        for path in sorted(self._folder.glob("*.msgpack")):
            if path == self._own:
                continue
            figures = msgspec.msgpack.decode(path.read_bytes(), type=ProcessFigures)
            if not _is_alive(int(path.stem)):
                figures.in_flight = figures.processes = 0
                figures.pool = PoolFigures()
            found.append(figures)
        return found


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
