"""Scan consecutive pickles, as pickle, joblib and torch's old format read them.

A real unpickler stops at its first fault, after running everything before it. So a walk that faults before the
first name shows that nothing runs; one that faults later shows what has run by then.
"""

from __future__ import annotations

from modelyard.domain.formats.ranged import Cursor, Malformed, OverBudget
from modelyard.domain.scanning.context import MAX_DEPTH, File, Scan
from modelyard.domain.scanning.imports import is_harmless_import, is_word
from modelyard.domain.scanning.pickles import Inspector
from modelyard.domain.scanning.sources import part_of
from modelyard.domain.scanning.verdicts import FileScan, Finding, Verdict

_LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_TORCH_PICKLES = 4
"""After the magic number: protocol, system, the object, the keys of its storages. Raw numbers follow."""


def look_into_pickles(scan: Scan, file: File, start: int = 0) -> None:
    """Walk the pickle at `start` and those that follow, which a loader reads in further calls."""
    position = start
    count = named = 0
    is_torch = False
    while position < file.source.size_bytes:
        walk = _Walk(scan, file, position)
        if is_torch and walk.fault is not None:
            scan.note(Verdict.DANGEROUS, f"it cannot be followed to its end: {walk.fault}", file.inside)
        named += walk.judge(is_certain=is_torch or named > 0)
        if walk.fault is not None:
            break
        position = walk.end
        count += 1
        is_torch |= count == 1 and walk.is_legacy_torch
        if is_torch and count > _LEGACY_TORCH_PICKLES:
            return
    rest = file.source.size_bytes - position
    if count == 0 or rest == 0:
        return
    if named:
        scan.note(Verdict.NOT_SCANNED, f"{rest} bytes follow the pickle's end", file.inside)
    scan.look(part_of(file.source, position, rest), f"{file.inside}[{position}:]", file.depth + 1)


class _Walk:
    """One pickle, walked to its STOP or its first fault. Raises OverBudget after noting the findings so far."""

    def __init__(self, scan: Scan, file: File, position: int) -> None:
        self._scan = scan
        self._file = file
        self._found = FileScan()
        self._inspector = Inspector(Cursor(file.source, scan.budget, position), self._found, file.inside)
        self.fault: str | None = None
        try:
            self._inspector.run()
        except OverBudget:
            self._take()
            raise
        except Malformed as error:
            self.fault = str(error)
        self.end = self._inspector.cursor.position

    @property
    def is_legacy_torch(self) -> bool:
        stack = self._inspector.stack
        return self.fault is None and bool(stack) and stack[-1] == _LEGACY_TORCH_MAGIC

    def judge(self, *, is_certain: bool) -> bool:
        """Note the globals that it named, if a loader gets that far; return whether one does."""
        inspector = self._inspector
        if self.fault is None and inspector.walk.protocol >= 2:
            self._scan.found.note_kind("pickle")
        if not inspector.seen and not inspector.extensions:
            return False
        if not is_certain and inspector.walk.protocol < 2 and not inspector.acts and self._is_harmless():
            return False
        self._take()
        self._embedded()
        if self.fault is not None:
            why = f"it cannot be followed to its end: {self.fault}"
            place = (self._file.inside, inspector.opcode_at, inspector.opcode or None)
            self._scan.found.note(Finding(Verdict.DANGEROUS, why, *place))
        elif not inspector.is_canonical:
            self._scan.note(Verdict.NOT_SCANNED, "it is a pickle that no pickler writes so", self._file.inside)
        return True

    def _is_harmless(self) -> bool:
        """Return whether the names were not used, their imports have no effect, and no name is returned.

        A complete pickle returns the global that it named, and its caller may call it. It counts as words only if other
        bytes follow and no known package has such a name.
        """
        modules = [name.module for name in self._inspector.seen]
        if self.fault is not None:
            return all(map(is_harmless_import, modules))
        return self.end < self._file.source.size_bytes and all(
            is_word(m) and is_harmless_import(m) for m in modules
        )

    def _take(self) -> None:
        self._scan.found.note_kind("pickle")
        for finding in self._found.findings:
            self._scan.found.note(finding)
        self._scan.found.more_findings |= self._found.more_findings
        self._scan.found.allowed += self._found.allowed

    def _embedded(self) -> None:
        file = self._file
        for offset, length in self._inspector.embedded:
            if file.depth >= MAX_DEPTH:
                raise OverBudget(f"files are nested more than {MAX_DEPTH} deep")
            place = f"{file.inside}[{offset}:{offset + length}]"
            self._scan.look(part_of(file.source, offset, length), place, file.depth + 1)
