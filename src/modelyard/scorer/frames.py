"""Frames between the front and a worker, over a pair of connected sockets.

    4 bytes   length of the head
    4 bytes   length of the body (both big-endian)
    head      JSON
    body      the tensors named in the head, one after the other

A tensor in a head is [name, dtype, tail, size]: its shape without the rows, and its bytes in the body. Packed types are
little-endian, row by row. The type `json` is a list with one JSON value for each row.
This module is used by workers too: it needs the standard library only.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

PREFIX = struct.Struct(">II")
MAX_HEAD_BYTES = 16 << 20
MAX_BODY_BYTES = 1 << 30
JSON = "json"
PACKED = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
}
"""Type → its code in `struct`."""
ITEM_BYTES = {dtype: struct.calcsize(f"<{code}") for dtype, code in PACKED.items()}

# Made once: json.dumps makes one for each call that differs from its defaults.
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class BadFrame(Exception):
    """The other side does not keep to the form of frames."""


class Tensor(NamedTuple):
    """tail: the shape without the first dimension, which is the rows. data: bytes of a packed type; JSON: a list of rows."""

    name: str
    dtype: str
    tail: tuple[int, ...]
    data: Any

    @property
    def row_bytes(self) -> int:
        return row_bytes(self.dtype, self.tail)

    @property
    def rows(self) -> int:
        if self.dtype == JSON:
            return len(self.data)
        size = self.row_bytes
        return len(self.data) // size if size else 0

    def part(self, start: int, stop: int) -> Tensor:
        """Return some of the rows."""
        if self.dtype == JSON:
            return Tensor(self.name, self.dtype, self.tail, self.data[start:stop])
        size = self.row_bytes
        return Tensor(self.name, self.dtype, self.tail, self.data[start * size : stop * size])

    def values(self) -> list[Any]:
        """Return the values of all rows in one list, whatever the shape is."""
        if self.dtype == JSON:
            return list(self.data)
        count = len(self.data) // ITEM_BYTES[self.dtype]
        return list(struct.unpack(f"<{count}{PACKED[self.dtype]}", self.data))

    def nested(self) -> list[Any]:
        """Return one value for each row, nested as the shape is."""
        found = self.values()
        for size in reversed(self.tail):
            found = [found[at : at + size] for at in range(0, len(found), size)] if size else []
        return found


def row_bytes(dtype: str, tail: Iterable[int]) -> int:
    size = ITEM_BYTES[dtype]
    for each in tail:
        size *= each
    return size


def joined(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Put the rows of several requests together; all have the same tensors."""
    if len(parts) == 1:
        return list(parts[0])
    found = []
    for same in zip(*parts, strict=True):
        first = same[0]
        if first.dtype == JSON:
            data: Any = [value for each in same for value in each.data]
        else:
            data = b"".join([each.data for each in same])
        found.append(Tensor(first.name, first.dtype, first.tail, data))
    return found


def pack(head: dict[str, Any], tensors: Iterable[Tensor] = (), field: str = "tensors") -> bytes:
    """Return a frame. field: name in the head under which the tensors are listed."""
    entries, pieces = [], []
    for name, dtype, tail, data in tensors:
        piece = _encode(data).encode() if dtype == JSON else data
        entries.append([name, dtype, tail, len(piece)])
        pieces.append(piece)
    if entries:
        head = {**head, field: entries}
    told = _encode(head).encode()
    body = b"".join(pieces)
    return PREFIX.pack(len(told), len(body)) + told + body


def lengths(prefix: bytes | memoryview) -> tuple[int, int]:
    """Return the lengths of head and body. Raises BadFrame for impossible ones."""
    head, body = PREFIX.unpack(prefix)
    if head > MAX_HEAD_BYTES or body > MAX_BODY_BYTES:
        raise BadFrame(f"a frame announces {head} and {body} bytes")
    return head, body


def read_head(data: bytes) -> dict[str, Any]:
    try:
        head = json.loads(data)
    except (ValueError, RecursionError):
        raise BadFrame("the head of a frame is not JSON") from None
    if not isinstance(head, dict):
        raise BadFrame("the head of a frame is not an object")
    return head


def read_tensors(entries: Any, body: bytes) -> list[Tensor]:
    """Return the tensors of a frame. Raises BadFrame unless their sizes add up to the body, and each to whole rows."""
    found: list[Tensor] = []
    start = 0
    try:
        for name, dtype, tail, size in entries:
            shape = tuple(tail)
            if not isinstance(size, int) or size < 0 or any(type(n) is not int or n < 0 for n in shape):
                raise BadFrame(f"the tensor {name!r} has no valid shape")
            piece = body[start : start + size]
            start += size
            data: Any = piece
            if dtype == JSON:
                data = json.loads(piece)
                if not isinstance(data, list):
                    raise BadFrame(f"the tensor {name!r} is not a list of rows")
            elif len(piece) != size or dtype not in PACKED:
                raise BadFrame(f"the tensor {name!r} has another size than it says, or an unknown type")
            elif (row := row_bytes(dtype, shape)) and size % row:
                raise BadFrame(f"the tensor {name!r} does not end with a row")
            found.append(Tensor(str(name), str(dtype), shape, data))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadFrame(f"the tensors of a frame are not valid: {error}") from None
    if start != len(body):
        raise BadFrame("the sizes of the tensors do not add up to the body")
    return found
