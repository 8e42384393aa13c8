"""Present parts of a file as sources: ranges of it, and the unpacked bytes of a compressed range.

Unpacked bytes are not kept: a stream is unpacked again from its start when an earlier offset is read.
"""

from __future__ import annotations

import bz2
import contextlib
import io
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from modelyard.domain.formats.ranged import MIB, Malformed, OverBudget, Source
from modelyard.domain.formats.zips import Member
from modelyard.domain.scanning.skim import Skim

_PIECE_BYTES = 1 << 18
_WINDOW_BYTES = 1 << 20
_MEMORY_BYTES = 256 * MIB
_METHODS = {8: "deflate", 12: "bz2", 14: "zip-lzma"}


class Part:
    """[start, start + size) of another source."""

    def __init__(self, source: Source, start: int, size_bytes: int) -> None:
        self._source = source
        self._start = start
        self.size_bytes = max(0, min(size_bytes, source.size_bytes - start))

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size_bytes - offset)
        return self._source.read(self._start + offset, length) if length > 0 else b""


def part_of(source: Source, start: int, size_bytes: int) -> Source:
    return Part(source, start, size_bytes)


class _Stream(Protocol):
    """Returns an iterator over the unpacked bytes, which raises Malformed where the packed ones are broken."""

    def __call__(self) -> Iterator[bytes]: ...


class Unpacked:
    """The unpacked bytes of a stream, by ranges; reading forward is cheap, reading backward begins again.

    is_broken: the packed bytes end early, are invalid, or are followed by others; all bytes before that are here,
    up to the last one that any reader could get. skim: of the unpacked bytes. checksum: their CRC-32.
    """

    def __init__(self, stream: _Stream, max_bytes: int) -> None:
        self._stream = stream
        self.is_broken = False
        self.size_bytes = 0
        self.checksum = 0
        self.skim = Skim()
        try:
            for piece in stream():
                self.size_bytes += len(piece)
                self.skim.feed(piece)
                self.checksum = zlib.crc32(piece, self.checksum)
                if self.size_bytes > max_bytes:
                    raise OverBudget(f"it unpacks to more than {max_bytes} bytes")
        except OverBudget:
            raise
        except Malformed:
            self.is_broken = True
        self._rewind()

    def _rewind(self) -> None:
        self._pieces = self._stream()
        self._window = bytearray()
        self._at = 0

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size_bytes - offset)
        if length <= 0:
            return b""
        if offset < self._at:
            self._rewind()
        while offset + length > self._at + len(self._window):
            self._window += next(self._pieces)
            # Readers step back a little (a peek, a second cursor), so this much is kept.
            passed = min(offset - self._at - _WINDOW_BYTES, len(self._window))
            if passed > _WINDOW_BYTES:
                del self._window[:passed]
                self._at += passed
        start = offset - self._at
        return bytes(self._window[start : start + length])


def unpacked_stream(source: Source, kind: str, max_bytes: int) -> Unpacked:
    """Unpack all members of a gzip, zlib, bz2, xz or lzma stream in a row, as Python's own readers do."""
    return Unpacked(lambda: _pieces(source, kind), max_bytes)


def unpacked_member(source: Source, member: Member, start: int, max_bytes: int) -> Iterator[Source]:
    """Yield the content of a zip's member, in each way in which a reader may read it.

    Raises OverBudget for a method that the standard library cannot unpack, and above `max_bytes`.
    """
    packed = Part(source, start, member.compressed_bytes)
    if member.method == 0:
        yield packed
        if member.size_bytes > member.compressed_bytes:
            # The directory lies about one of the two sizes, and readers differ on which one they trust.
            yield Part(source, start, member.size_bytes)
        return
    word = _METHODS.get(member.method)
    if word is None:
        raise OverBudget(f"it is packed with method {member.method}, which is not undone here")
    yield Unpacked(lambda: _pieces(packed, word), min(max_bytes, member.size_bytes + MIB))


_SIGNATURES = {"gzip": b"\x1f\x8b\x08", "bz2": b"BZh", "xz": b"\xfd7zXZ\0", "lzip": b"LZIP"}


def _engine(kind: str, source: Source) -> tuple[Any, int]:
    """Return (decompressor, offset of its input)."""
    if kind in ("gzip", "zlib", "deflate"):
        return zlib.decompressobj({"gzip": 31, "zlib": 15, "deflate": -15}[kind]), 0
    if kind == "bz2":
        return bz2.BZ2Decompressor(), 0
    if kind == "zip-lzma":
        return _zip_lzma(source)
    form = lzma.FORMAT_ALONE if kind == "lzma" else lzma.FORMAT_AUTO
    return lzma.LZMADecompressor(form, memlimit=_MEMORY_BYTES), 0


def _zip_lzma(source: Source) -> tuple[Any, int]:
    """Return the same for LZMA in a zip, which stores the properties first. Source: APPNOTE.TXT 5.8.8."""
    head = source.read(0, 4)
    size = int.from_bytes(head[2:4], "little")
    properties = source.read(4, size)
    if size != 5 or len(properties) != 5:
        raise Malformed("an LZMA member lacks its properties")
    byte, dictionary = properties[0], int.from_bytes(properties[1:], "little")
    if byte >= 9 * 5 * 5 or dictionary > _MEMORY_BYTES:
        raise OverBudget("an LZMA member needs too much memory")
    chosen = {
        "id": lzma.FILTER_LZMA1, "lc": byte % 9, "lp": byte // 9 % 5, "pb": byte // 45, "dict_size": max(dictionary, 4096),
    }  # fmt: skip
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chosen]), 9


def _pieces(source: Source, kind: str) -> Iterator[bytes]:
    """Yield the unpacked bytes of all streams of `kind` in a row. Raises Malformed after the last possible byte."""
    start = 0
    while True:
        part = Part(source, start, source.size_bytes - start)
        made = 0
        engine, position = _engine(kind, part)
        try:
            for output, read_to in _steps(part, engine, position):
                position = read_to
                made += len(output)
                yield output
        except _FAULTS:
            # A failed step returns nothing, but a reader with smaller steps would get the bytes before the fault.
            yield from _after(part, kind, made)
            raise Malformed(f"the {kind} stream is broken") from None
        if not engine.eof:
            raise Malformed(f"the {kind} stream ends early")
        start = _next_stream(source, start + position - len(engine.unused_data))
        if start >= source.size_bytes:
            return
        if not source.read(start, 8).startswith(_SIGNATURES.get(kind, b"none follows")):
            raise Malformed(f"bytes follow the {kind} stream")


_FAULTS = (zlib.error, lzma.LZMAError, OSError, EOFError)


def _steps(
    source: Source, engine: Any, position: int, passed: int | None = None
) -> Iterator[tuple[bytes, int]]:
    """Yield (unpacked bytes, offset reached in `source`), until the stream or the source ends.

    passed: after this many bytes the others come one by one; None: never.
    """
    made = 0
    while not engine.eof:
        piece = source.read(position, min(_PIECE_BYTES, source.size_bytes - position))
        if not piece and getattr(engine, "needs_input", True):
            return
        position += len(piece)
        while True:
            wanted = _PIECE_BYTES if passed is None else min(max(passed - made, 1), _PIECE_BYTES)
            output = engine.decompress(piece, wanted)
            made += len(output)
            yield output, position
            piece = getattr(engine, "unconsumed_tail", b"")
            is_full = len(output) >= wanted or getattr(engine, "needs_input", True) is False
            if engine.eof or not (piece or is_full):
                break


def _after(source: Source, kind: str, passed: int) -> Iterator[bytes]:
    """Yield the bytes after the first `passed` ones, up to the fault."""
    made = 0
    engine, position = _engine(kind, source)
    with contextlib.suppress(*_FAULTS):
        for output, _ in _steps(source, engine, position, passed):
            made += len(output)
            if made > passed:
                yield output


def _next_stream(source: Source, position: int) -> int:
    """Return the offset after the zeros that may separate two streams."""
    while (
        block := source.read(position, min(_PIECE_BYTES, max(source.size_bytes - position, 0)))
    ) and not block.strip(b"\0"):
        position += len(block)
    return position + len(block) - len(block.lstrip(b"\0"))


class SourceFile(io.RawIOBase):
    """A source as an open file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, self._source.size_bytes)[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._source.size_bytes - self._position)
        length = left if size is None or size < 0 else min(size, left)
        if length > 64 * MIB:
            raise ValueError("too much is read at once")
        found = self._source.read(self._position, length)
        self._position += len(found)
        return found

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)
