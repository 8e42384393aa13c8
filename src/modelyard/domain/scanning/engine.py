"""From a file's bytes to its verdict: which containers it is, and the pickles inside."""

from __future__ import annotations

import ast
import struct
import tarfile
from collections.abc import Iterator
from typing import IO, Any, cast

from modelyard.domain.formats.ranged import Budget, Cursor, Malformed, OverBudget, Source, read_exactly
from modelyard.domain.formats.zips import Member, data_start, list_directories
from modelyard.domain.scanning.pickles import Inspector, looks_like_name
from modelyard.domain.scanning.sniff import CLOSED, HEAD_BYTES, begins_like_pickle, kind_of, needs_scan
from modelyard.domain.scanning.sources import (
    SourceFile,
    part_of,
    unpacked_member,
    unpacked_stream,
)
from modelyard.domain.scanning.verdicts import FileScan, Finding, Verdict

MAX_DEPTH = 4
MAX_RATIO = 200
MAX_UNPACKED_BYTES = 64 << 30
MAX_STEPS = 400_000_000
MAX_MEMBERS = 20_000
_MAX_HEADER_BYTES = 64 * 1024
_LAMBDA_WORDS = (
    b'"__lambda__"',
    b'"class_name": "Lambda"',
    b'"class_name":"Lambda"',
    b"'class_name': 'Lambda'",
)
_LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_SEARCH_BYTES = 1 << 20


def scan(source: Source) -> FileScan:
    """Look into one file. Nothing in it raises; what the source itself raises is not caught.

    Memory grows with a pickle's memo, and time with its opcodes: the caller limits both for the process.
    """
    found = FileScan()
    _Scan(found).look(source, "", 0)
    return found


class _Scan:
    def __init__(self, found: FileScan) -> None:
        self.found = found
        self.budget = Budget(MAX_UNPACKED_BYTES, MAX_STEPS)
        self.members = 0

    def note(self, verdict: Verdict, why: str, inside: str) -> None:
        self.found.note(Finding(verdict, why, inside))

    def look(self, source: Source, inside: str, depth: int) -> None:
        if source.size_bytes == 0:
            return
        try:
            self._look(source, inside, depth)
        except OverBudget as error:
            self.note(Verdict.NOT_SCANNED, str(error), inside)
        except Malformed as error:
            self.note(Verdict.NOT_SCANNED, f"it contradicts its format: {error}", inside)

    def _look(self, source: Source, inside: str, depth: int) -> None:
        head = read_exactly(source, 0, min(HEAD_BYTES, source.size_bytes))
        kind = kind_of(head)
        if kind is None:
            if begins_like_pickle(head, source.size_bytes):
                self._pickle(source, inside, depth, is_certain=False)
            return
        if depth > MAX_DEPTH:
            raise OverBudget(f"containers are nested more than {MAX_DEPTH} deep")
        if kind == "pickle":
            self._pickle(source, inside, depth, is_certain=True)
            return
        if kind not in ("zlib", "lzma"):
            self.found.note_kind(kind)
        if kind in CLOSED.values():
            raise OverBudget(f"it is compressed with {kind}, which is not undone here")
        if kind == "zip":
            self._zip(source, inside, depth)
        elif kind == "tar":
            self._tar(source, inside, depth)
        elif kind == "npy":
            self._npy(source, inside, depth)
        elif kind == "hdf5":
            self._search_lambda(source, inside)
        else:
            self._compressed(source, kind, inside, depth)

    # --- pickles -----------------------------------------------------------------------------------

    def _pickle(self, source: Source, inside: str, depth: int, *, is_certain: bool, start: int = 0) -> None:
        """All pickles in a row. is_certain False: it has no magic bytes, so it counts only when it acts as one."""
        position, first = start, True
        while position < source.size_bytes:
            found = self.found if is_certain else FileScan()
            inspector = Inspector(Cursor(source, self.budget, position), found, inside)
            fault = None
            try:
                inspector.run()
            except OverBudget:
                self._take(inspector, found, is_certain)
                raise
            except Malformed as error:
                fault = str(error)
            if is_certain or self._acts(inspector, fault):
                self.found.note_kind("pickle")
                self._take(inspector, found, is_certain)
                if fault is not None:
                    where = inspector.opcode_at
                    words = f"it cannot be followed to its end: {fault}"
                    self.found.note(Finding(Verdict.DANGEROUS, words, inside, where, inspector.opcode or None))
                self._embedded(source, inspector, inside, depth)
            if fault is not None:
                return
            position = inspector.cursor.position
            if first and self._is_legacy_torch(inspector):
                position = self._rest_of_legacy_torch(source, position, inside, depth)
                return
            first = False
            rest = source.size_bytes - position
            if rest == 0:
                return
            head = read_exactly(source, position, min(HEAD_BYTES, rest))
            if kind_of(head) == "pickle":
                is_certain = True
            elif begins_like_pickle(head, rest):
                is_certain = False
            else:
                if needs_scan(head, rest):
                    self.look(part_of(source, position, rest), f"{inside}[{position}:]", depth + 1)
                return

    def _acts(self, inspector: Inspector, fault: str | None) -> bool:
        named = [g for g in inspector.seen if looks_like_name(g)]
        if fault is None:
            return bool(named)
        if any(inspector.seen[g] is Verdict.DANGEROUS for g in named):
            return True
        return bool(named) and inspector.calls > 0

    def _take(self, inspector: Inspector, found: FileScan, is_certain: bool) -> None:
        if not is_certain:
            for finding in found.findings:
                self.found.note(finding)
            self.found.allowed += found.allowed

    def _embedded(self, source: Source, inspector: Inspector, inside: str, depth: int) -> None:
        for offset, length in inspector.embedded:
            place = f"{inside}[{offset}:{offset + length}]"
            if depth >= MAX_DEPTH:
                raise OverBudget(f"files are nested more than {MAX_DEPTH} deep")
            self.look(part_of(source, offset, length), place, depth + 1)

    def _is_legacy_torch(self, inspector: Inspector) -> bool:
        return bool(inspector.stack) and inspector.stack[-1] == _LEGACY_TORCH_MAGIC

    def _rest_of_legacy_torch(self, source: Source, position: int, inside: str, depth: int) -> int:
        """Protocol, system, the object, the keys of its storages; raw numbers follow, which nobody unpickles."""
        for _ in range(4):
            inspector = Inspector(Cursor(source, self.budget, position), self.found, inside)
            try:
                inspector.run()
            except OverBudget:
                raise
            except Malformed as error:
                words = f"it cannot be followed to its end: {error}"
                self.found.note(
                    Finding(Verdict.DANGEROUS, words, inside, inspector.opcode_at, inspector.opcode or None)
                )
                return position
            self._embedded(source, inspector, inside, depth)
            position = inspector.cursor.position
        return position

    # --- containers --------------------------------------------------------------------------------

    def _zip(self, source: Source, inside: str, depth: int) -> None:
        directories = list_directories(source)
        # Of several, readers disagree on which one counts: a zip stored at the end of another, or a trick.
        for shift, members in directories:
            for member in members:
                self._count_member()
                if member.size_bytes or member.compressed_bytes:
                    self._member(source, member, shift, inside, depth)

    def _member(self, source: Source, member: Member, shift: int, inside: str, depth: int) -> None:
        place = f"{inside}!{member.name}" if inside else member.name
        try:
            if member.encrypted:
                self.note(Verdict.NOT_SCANNED, "it is marked as encrypted", place)
            start = data_start(source, member, shift)
            for content in unpacked_member(source, member, start):
                self._check_ratio(content, member.compressed_bytes)
                if member.name.rpartition("/")[2].endswith((".json", ".config")):
                    self._search_lambda(content, place)
                self.look(content, place, depth + 1)
        except OverBudget as error:
            self.note(Verdict.NOT_SCANNED, str(error), place)
        except Malformed as error:
            self.note(Verdict.NOT_SCANNED, f"it contradicts its format: {error}", place)

    def _tar(self, source: Source, inside: str, depth: int) -> None:
        try:
            with tarfile.open(fileobj=cast(IO[bytes], SourceFile(source)), mode="r:") as opened:
                for entry in opened:
                    self._count_member()
                    if entry.issparse():
                        self.note(Verdict.NOT_SCANNED, "it is a sparse file", f"{inside}!{entry.name}")
                    elif entry.isreg() and entry.size:
                        place = f"{inside}!{entry.name}" if inside else entry.name
                        self.look(part_of(source, entry.offset_data, entry.size), place, depth + 1)
        except (tarfile.TarError, ValueError, EOFError) as error:
            raise Malformed(f"the tar is broken ({type(error).__name__})") from None

    def _count_member(self) -> None:
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise OverBudget(f"it holds more than {MAX_MEMBERS} files")

    def _compressed(self, source: Source, kind: str, inside: str, depth: int) -> None:
        content = unpacked_stream(source, kind, MAX_UNPACKED_BYTES)
        if kind in ("zlib", "lzma") and content.is_broken and content.size_bytes < 16:
            # Their first bytes begin many a text: nothing is compressed here.
            return
        self.found.note_kind(kind)
        self._check_ratio(content, source.size_bytes)
        place = f"{inside}!{kind}" if inside else kind
        self.look(content, place, depth + 1)
        if content.is_broken:
            self.note(Verdict.NOT_SCANNED, f"the {kind} stream is broken", inside)

    def _check_ratio(self, content: Source, packed_bytes: int) -> None:
        """A megabyte is always allowed: small texts compress well."""
        if content.size_bytes > max(packed_bytes, 1) * MAX_RATIO and content.size_bytes > 64 << 20:
            raise OverBudget(f"{packed_bytes} bytes unpack to {content.size_bytes}")

    # --- formats that may hold code ------------------------------------------------------------------

    def _npy(self, source: Source, inside: str, depth: int) -> None:
        version = read_exactly(source, 6, 1)[0]
        width = struct.Struct("<H" if version == 1 else "<I")
        (length,) = width.unpack(read_exactly(source, 8, width.size))
        if length > _MAX_HEADER_BYTES:
            raise OverBudget(f"the array's header has {length} bytes")
        start = 8 + width.size + length
        text = read_exactly(source, 8 + width.size, length).decode("latin-1")
        try:
            header: Any = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise Malformed("the array's header is no dictionary") from None
        if not isinstance(header, dict) or "descr" not in header:
            raise Malformed("the array's header does not describe it")
        if _holds_objects(header["descr"]):
            self._pickle(source, inside, depth, is_certain=True, start=start)

    def _search_lambda(self, source: Source, inside: str) -> None:
        """Keras keeps the code of a Lambda layer beside its description."""
        overlap = max(map(len, _LAMBDA_WORDS))
        previous = b""
        for position, block in _blocks(source):
            text = previous + block
            for word in _LAMBDA_WORDS:
                at = text.find(word)
                if at >= 0:
                    offset = position - len(previous) + at
                    why = "a Keras Lambda layer, which runs the code stored with it"
                    self.found.note(
                        Finding(Verdict.DANGEROUS, why, inside, offset, None, "keras.layers.Lambda")
                    )
                    return
            previous = text[-overlap:]


def _blocks(source: Source) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < source.size_bytes:
        block = source.read(position, min(_SEARCH_BYTES, source.size_bytes - position))
        if not block:
            return
        yield position, block
        position += len(block)


def _holds_objects(description: Any) -> bool:
    """Whether a NumPy type description names Python objects anywhere."""
    if isinstance(description, str):
        return "O" in description
    if isinstance(description, list | tuple):
        # A field is (name, type, shape): its name may have any letters.
        if (
            isinstance(description, tuple)
            and len(description) in (2, 3)
            and isinstance(description[0], str | tuple)
        ):
            return _holds_objects(description[1])
        return any(_holds_objects(part) for part in description)
    return not isinstance(description, int | type(None))
