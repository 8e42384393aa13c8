"""Parts of a file as sources of their own: ranges of it, and what a compressed range unpacks to.

Unpacked bytes are never kept: a stream is unpacked again from its start when an earlier place is asked for.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from modelyard.domain.formats.ranged import MIB, Malformed, OverBudget, Source, compression_of
from modelyard.domain.formats.zips import Member

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
    """Makes the unpacked bytes anew, in order. Raises Malformed where the packed ones are broken."""

    def __call__(self) -> Iterator[bytes]: ...


class Unpacked:
    """What a stream gives, by ranges; reading forward is cheap, and backward begins anew.

    is_broken: the packed bytes end early or are not lawful; what comes before that is here.
    """

    def __init__(self, stream: _Stream, max_bytes: int) -> None:
        self._stream = stream
        self.is_broken = False
        self.size_bytes = 0
        try:
            for piece in stream():
                self.size_bytes += len(piece)
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
            # Readers go back a little (a look ahead, a second cursor): that much stays.
            passed = min(offset - self._at - _WINDOW_BYTES, len(self._window))
            if passed > _WINDOW_BYTES:
                del self._window[:passed]
                self._at += passed
        start = offset - self._at
        return bytes(self._window[start : start + length])


def unpacked_stream(source: Source, kind: str, max_bytes: int) -> Unpacked:
    """All members of a gzip, zlib, bz2, xz or lzma stream, one after the other, as Python's own readers do."""
    return Unpacked(lambda: _pieces(source, kind), max_bytes)


def unpacked_member(source: Source, member: Member, start: int) -> Iterator[Source]:
    """The content of a zip's member, in each way in which it may be read.

    Raises OverBudget for a method that the standard library cannot undo.
    """
    packed = Part(source, start, member.compressed_bytes)
    if member.method == 0:
        yield packed
        if member.size_bytes > member.compressed_bytes:
            # The directory lies about one of the two sizes; readers differ on which they believe.
            yield Part(source, start, member.size_bytes)
        return
    word = _METHODS.get(member.method)
    if word is None:
        raise OverBudget(f"it is packed with method {member.method}, which is not undone here")
    yield Unpacked(lambda: _pieces(packed, word), max(member.size_bytes, 1) + MIB)


def _engine(kind: str, source: Source) -> tuple[Any, int]:
    """(decompressor, where its bytes begin)."""
    if kind == "gzip":
        return zlib.decompressobj(31), 0
    if kind == "zlib":
        return zlib.decompressobj(15), 0
    if kind == "deflate":
        return zlib.decompressobj(-15), 0
    if kind == "bz2":
        return bz2.BZ2Decompressor(), 0
    if kind == "zip-lzma":
        return _zip_lzma(source)
    return lzma.LZMADecompressor(memlimit=_MEMORY_BYTES), 0


def _zip_lzma(source: Source) -> tuple[Any, int]:
    """A zip keeps the properties of a raw LZMA stream before it. Source: APPNOTE.TXT 5.8.8."""
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
    engine, position = _engine(kind, source)
    try:
        while True:
            piece = source.read(position, min(_PIECE_BYTES, source.size_bytes - position))
            position += len(piece)
            if not piece and (engine.eof or getattr(engine, "needs_input", True)):
                break
            while True:
                output = engine.decompress(piece, _PIECE_BYTES)
                if output:
                    yield output
                piece = getattr(engine, "unconsumed_tail", b"")
                is_full = len(output) >= _PIECE_BYTES or getattr(engine, "needs_input", True) is False
                if engine.eof or not (piece or is_full):
                    break
            if engine.eof:
                rest = len(engine.unused_data)
                position -= rest
                head = source.read(position, 16).lstrip(b"\0")
                if kind in ("deflate", "zip-lzma") or compression_of(head) != kind:
                    return
                # Padding of zeros between two members is passed over by Python's readers.
                while source.read(position, 1) == b"\0":
                    position += 1
                engine = _engine(kind, source)[0]
    except (zlib.error, lzma.LZMAError, OSError, EOFError):
        raise Malformed(f"the {kind} stream is broken") from None
    if not engine.eof:
        raise Malformed(f"the {kind} stream ends early")


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
