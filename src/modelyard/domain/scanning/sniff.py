"""Decide from a file's skim whether it must be scanned."""

from __future__ import annotations

from modelyard.domain.formats.ranged import Budget, BytesSource, Cursor, Malformed, OverBudget
from modelyard.domain.scanning import documents
from modelyard.domain.scanning.archives import ZIP_END, ZIP_STARTS, begins_tar
from modelyard.domain.scanning.arrays import NPY
from modelyard.domain.scanning.compressed import kind_of
from modelyard.domain.scanning.hdf5 import begins_hdf5
from modelyard.domain.scanning.pickles import Inspector
from modelyard.domain.scanning.safetensors import begins_safetensors
from modelyard.domain.scanning.skim import Skim
from modelyard.domain.scanning.verdicts import FileScan

_FIRST_STEPS = 2000


def needs_scan(skim: Skim) -> bool:
    """Return False only if the skim shows that no loader reaches a first name."""
    head = skim.head
    return (
        head[:4] in ZIP_STARTS
        or ZIP_END in skim.tail
        or head[:6] == NPY
        or begins_hdf5(skim)
        or begins_tar(head)
        or kind_of(head) is not None
        or begins_safetensors(head, skim.size_bytes)
        or documents.may_hold(head, skim.size_bytes)
        or _may_be_pickle(skim)
    )


class _Beyond(Exception):
    """The reader asked for bytes after the head."""


class _Head(Cursor):
    """A cursor over the head. Reading past the head raises _Beyond, and past the file Malformed."""

    def __init__(self, skim: Skim) -> None:
        super().__init__(BytesSource(skim.head), Budget(max_steps=_FIRST_STEPS))
        self._skim = skim
        self._size_bytes = skim.size_bytes

    def read(self, length: int) -> bytes:
        self._refuse_beyond(length)
        return super().read(length)

    def peek(self, length: int) -> bytes:
        self._refuse_beyond(min(length, self._size_bytes - self.position))
        return super().peek(length)

    def fork(self) -> _Head:
        other = _Head(self._skim)
        other.budget, other.position = self.budget, self.position
        return other

    def skip(self, length: int) -> None:
        self._refuse_beyond(length)
        super().skip(length)

    def read_line(self, cap: int) -> bytes | None:
        self._refuse_beyond(1)
        line = super().read_line(cap)
        self._refuse_beyond(1)
        return line

    @property
    def is_at_its_end(self) -> bool:
        """Return whether the head ended before the file, so that a fault here need not be one of the whole file."""
        return self.end <= self.position and self.end < self._size_bytes

    def _refuse_beyond(self, length: int) -> None:
        if self.end - self.position < length <= self._size_bytes - self.position:
            raise _Beyond


def _may_be_pickle(skim: Skim) -> bool:
    """Return whether the head, read as opcodes, has no fault or names a global."""
    if not skim.head:
        return False
    head = _Head(skim)
    inspector = Inspector(head, FileScan())
    try:
        inspector.run()
    except (_Beyond, OverBudget):
        return True
    except Malformed:
        return bool(inspector.seen or inspector.extensions) or head.is_at_its_end
    return True
