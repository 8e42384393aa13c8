"""Bounded reading: a byte source by ranges, a cursor over it, and a budget that ends every walk.

All lengths that come from a file pass through here before they are used.
"""

from __future__ import annotations

import bz2
import json
import lzma
import struct
import zlib
from typing import Any, Protocol

MIB = 1 << 20
READ_BUDGET_BYTES = 32 * MIB
STEP_BUDGET = 600_000
_FIRST_WINDOW_BYTES = 4096
_LARGEST_WINDOW_BYTES = 64 * 1024
_MAX_JSON_CONTAINERS = 600_000
_MAX_JSON_COMMAS = 2_400_000


class Source(Protocol):
    """The bytes of one file, by ranges. Reading past the end gives fewer bytes."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...


class BytesSource:
    """A source over bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class Malformed(ValueError):
    """The file contradicts itself or its format. Ends the reader; its text becomes a problem."""


class OverBudget(Malformed):
    """The file may be sound, but it is larger or finer than a reader will walk."""


class Budget:
    """The bytes and steps that one file may cost, over all cursors that walk it."""

    def __init__(self, max_bytes: int = READ_BUDGET_BYTES, max_steps: int = STEP_BUDGET) -> None:
        self._bytes_left = max_bytes
        self._steps_left = max_steps
        self._max_bytes = max_bytes
        self._max_steps = max_steps

    def take_bytes(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise OverBudget(f"reading stopped after {self._max_bytes} bytes")

    def step(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise OverBudget(f"reading stopped after {self._max_steps} elements")


def read_exactly(source: Source, offset: int, length: int) -> bytes:
    """Read exactly `length` bytes; the caller has bounded `length`. Raises Malformed at the file's end."""
    if offset < 0 or length < 0 or offset + length > source.size_bytes:
        raise Malformed(f"bytes {offset} to {offset + length} lie outside the file")
    data = source.read(offset, length)
    if len(data) != length:
        raise Malformed(f"the file ends before byte {offset + length}")
    return data


class Cursor:
    """A forward walk over [start, end) of a source in small windows; skipping reads nothing.

    Windows start small after a skip and double while reading goes on, so that a walk over many large
    skipped stretches costs little.
    """

    def __init__(
        self, source: Source, budget: Budget | None = None, start: int = 0, end: int | None = None
    ) -> None:
        self._source = source
        self.budget = Budget() if budget is None else budget
        self.position = start
        self.end = source.size_bytes if end is None else min(end, source.size_bytes)
        self._window = b""
        self._window_start = start
        self._next_window_bytes = _FIRST_WINDOW_BYTES

    def read(self, length: int) -> bytes:
        if length < 0 or length > self.end - self.position:
            raise Malformed(f"{length} bytes at {self.position} reach past the end at {self.end}")
        at = self.position - self._window_start
        if not (at >= 0 and at + length <= len(self._window)):
            self._fill(length)
            at = 0
        self.position += length
        return self._window[at : at + length]

    def _fill(self, length: int) -> None:
        sequential = self.position <= self._window_start + len(self._window)
        size = min(2 * self._next_window_bytes, _LARGEST_WINDOW_BYTES) if sequential else _FIRST_WINDOW_BYTES
        self._next_window_bytes = size
        size = min(max(size, length), self.end - self.position)
        self.budget.take_bytes(size)
        self._window = read_exactly(self._source, self.position, size)
        self._window_start = self.position

    def read_byte(self) -> int:
        at = self.position - self._window_start
        if 0 <= at < len(self._window) and self.position < self.end:
            self.position += 1
            return self._window[at]
        return self.read(1)[0]

    def peek(self, length: int) -> bytes:
        """Return the next bytes without passing them; fewer at the end."""
        at = self.position
        found = self.read(min(length, self.end - at))
        self.position = at
        return found

    def fork(self) -> Cursor:
        """Return another cursor at the same place, with the same budget."""
        return Cursor(self._source, self.budget, self.position, self.end)

    def read_capped(self, length: int, cap: int) -> bytes | None:
        """Return the bytes, or None if there are more than `cap`; then they are skipped, not read."""
        if length > cap:
            self.skip(length)
            return None
        return self.read(length)

    def read_line(self, cap: int) -> bytes | None:
        """Return the line without its newline, which is skipped too; None for a line longer than `cap`.

        If the last line of the file has no newline, its last byte is cut off, as pickle's own reader does.
        """
        line = bytearray()
        length = 0
        while True:
            at = self.position - self._window_start
            if not 0 <= at < len(self._window):
                if self.position >= self.end:
                    raise Malformed(f"a line has no end before {self.end}")
                self._fill(1)
                at = 0
            found = self._window.find(b"\n", at)
            piece = self._window[at : len(self._window) if found < 0 else found]
            length += len(piece)
            line += piece[: max(cap + 1 - len(line), 0)]
            self.position += len(piece)
            if found >= 0:
                self.position += 1
                return bytes(line) if length <= cap else None
            if self.position >= self.end:
                return bytes(line[:-1]) if length <= cap else None

    def skip(self, length: int) -> None:
        if length < 0 or length > self.end - self.position:
            raise Malformed(f"{length} bytes at {self.position} reach past the end at {self.end}")
        self.position += length

    def unpack(self, form: struct.Struct) -> Any:
        """Read the single value of a struct."""
        return form.unpack(self.read(form.size))[0]


def load_json(data: bytes, what: str, *, unique_keys: bool = False) -> Any:
    """Parse JSON with caps on containers and items, so that few bytes cannot make huge objects.

    Raises Malformed for anything that json refuses, for nesting that is too deep, and (unique_keys) for a key that
    occurs twice in one object.
    """
    if data.count(b"{") + data.count(b"[") > _MAX_JSON_CONTAINERS or data.count(b",") > _MAX_JSON_COMMAS:
        raise OverBudget(f"{what} has too many elements")
    try:
        text = data.decode("utf-8")
        return json.loads(text, object_pairs_hook=_refuse_twins if unique_keys else None)
    except RecursionError:
        raise Malformed(f"{what} is nested too deeply") from None
    except Malformed:
        raise
    except ValueError:
        raise Malformed(f"{what} is not valid JSON") from None


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a key appears twice in one object")
    return found


def compression_of(head: bytes) -> str | None:
    """Return the compression that the first bytes show; None if there is none that Python can undo."""
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:3] == b"BZh":
        return "bz2"
    if head[:6] == b"\xfd7zXZ\x00":
        return "xz"
    if head[:3] == b"\x5d\x00\x00":
        return "lzma"
    if len(head) >= 2 and head[0] == 0x78 and (head[0] * 256 + head[1]) % 31 == 0:
        return "zlib"
    return None


def decompress_start(source: Source, compression: str, max_output: int) -> tuple[bytes, bool]:
    """Return the first `max_output` bytes after decompression, and whether these are all.

    Memory stays near `max_output`, whatever the file claims. Raises Malformed for a broken stream.
    """
    engine: Any
    if compression in ("gzip", "zlib"):
        engine = zlib.decompressobj(31 if compression == "gzip" else 15)
    elif compression == "bz2":
        engine = bz2.BZ2Decompressor()
    else:
        engine = lzma.LZMADecompressor(memlimit=128 * MIB)
    output = bytearray()
    cursor = Cursor(source)
    try:
        while not engine.eof and cursor.position < cursor.end and len(output) < max_output:
            piece = cursor.read(min(_LARGEST_WINDOW_BYTES, cursor.end - cursor.position))
            while len(output) < max_output:
                output += engine.decompress(piece, max_output - len(output))
                piece = getattr(engine, "unconsumed_tail", b"")
                if engine.eof or not (piece or getattr(engine, "needs_input", True) is False):
                    break
    except (zlib.error, lzma.LZMAError, OSError, EOFError):
        raise Malformed(f"the {compression} stream is broken") from None
    return bytes(output), bool(engine.eof)
