"""One scan in progress: its findings, its remaining budget, and its way back into the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from modelyard.domain.formats.ranged import Budget, OverBudget, Source
from modelyard.domain.scanning.skim import Skim
from modelyard.domain.scanning.verdicts import FileScan, Finding, Verdict

MAX_DEPTH = 4
MAX_RATIO = 200
MAX_UNPACKED_BYTES = 64 << 30
MAX_STEPS = 400_000_000
MAX_MEMBERS = 20_000
_ALWAYS_UNPACKED_BYTES = 64 << 20

Hdf5Reader = Callable[[IO[bytes]], Iterator[tuple[str, str, bytes]]]
"""Gives (path, attribute or '', bytes) of each text and each run of bytes in an HDF5 file, in its own library's
reading. Raises Malformed for a file that the library refuses, OverBudget for one that is too large."""


@dataclass(frozen=True, slots=True)
class File:
    """A file, or a part of a container. inside: the path to it ('' for the file itself)."""

    source: Source
    skim: Skim
    inside: str
    depth: int

    def member(self, name: str) -> str:
        return f"{self.inside}!{name}" if self.inside else name


@dataclass
class Scan:
    found: FileScan
    look: Callable[[Source, str, int], None]
    """Scans a part in all readings: (source, the path to it, depth)."""
    read_hdf5: Hdf5Reader | None = None
    budget: Budget = field(default_factory=lambda: Budget(MAX_UNPACKED_BYTES, MAX_STEPS))
    _members: int = 0

    def note(self, verdict: Verdict, why: str, inside: str) -> None:
        self.found.note(Finding(verdict, why, inside))

    def enter(self, file: File, kind: str) -> None:
        """Count an opened container. Raises OverBudget."""
        self.found.note_kind(kind)
        if file.depth > MAX_DEPTH:
            raise OverBudget(f"containers are nested more than {MAX_DEPTH} deep")

    def count_member(self) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise OverBudget(f"it holds more than {MAX_MEMBERS} files")


def most_unpacked_bytes(packed_bytes: int) -> int:
    """Return the limit on unpacked bytes; at least 64 MiB, because small texts compress well."""
    return min(MAX_UNPACKED_BYTES, max(packed_bytes * MAX_RATIO, _ALWAYS_UNPACKED_BYTES))
