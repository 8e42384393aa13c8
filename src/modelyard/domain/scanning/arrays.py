"""NumPy's own files: an array of Python objects is a pickle behind a header. Source: numpy/lib/format.py."""

from __future__ import annotations

import ast
import re
import struct
from typing import Any

from modelyard.domain.formats.ranged import Malformed, OverBudget, read_exactly
from modelyard.domain.scanning.context import File, Scan
from modelyard.domain.scanning.sources import part_of
from modelyard.domain.scanning.streams import look_into_pickles
from modelyard.domain.scanning.verdicts import Verdict

NPY = b"\x93NUMPY"
_MAX_HEADER_BYTES = 256 * 1024
_WIDTHS = {1: struct.Struct("<H"), 2: struct.Struct("<I"), 3: struct.Struct("<I")}
_KEYS = {"descr", "fortran_order", "shape"}
# The types as NumPy writes them. Any other text might stand for objects.
_PLAIN_TYPE = re.compile(r"[<>|=]?(?:[biufcSaVm]|M8|m8|U|f|c)(\d{1,9})?(\[[0-9A-Za-z/]{1,20}\])?\Z|[<>|=]?\?\Z")
_UNIT_BYTES = {"U": 4}
_LONG = re.compile(r"(?<=\d)L\b")


def look_into_array(scan: Scan, file: File) -> None:
    head = file.skim.head
    if head[:6] != NPY or len(head) < 8 or head[6] not in _WIDTHS:
        return
    scan.found.note_kind("npy")
    width = _WIDTHS[head[6]]
    (length,) = width.unpack(read_exactly(file.source, 8, width.size))
    start = 8 + width.size + length
    if start > file.source.size_bytes:
        return
    if length > _MAX_HEADER_BYTES:
        raise OverBudget(f"the array's header has {length} bytes")
    text = read_exactly(file.source, 8 + width.size, length).decode(
        "utf-8" if head[6] == 3 else "latin-1", "replace"
    )
    header = _header(text)
    item_bytes = _item_bytes(header["descr"]) if header is not None else None
    if header is None or item_bytes is None:
        look_into_pickles(scan, file, start)
        if header is None or not _names_objects(header["descr"]):
            scan.note(
                Verdict.NOT_SCANNED, "the array's header does not describe a type that is known", file.inside
            )
        return
    end = start + item_bytes * _count(header["shape"])
    if end < file.source.size_bytes:
        # Arrays may follow one another in a file.
        place = f"{file.inside}[{end}:]"
        scan.look(part_of(file.source, end, file.source.size_bytes - end), place, file.depth + 1)


def _header(text: str) -> dict[str, Any] | None:
    """Parse a header; None if NumPy did not write it. Python 2 wrote an L after each number."""
    for candidate in (text.strip(), _LONG.sub("", text.strip())):
        try:
            header: Any = ast.literal_eval(candidate)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return header if isinstance(header, dict) and set(header) == _KEYS else None
    return None


def _count(shape: Any) -> int:
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise Malformed("the array has no valid shape")
    count = 1
    for size in shape:
        count *= size
    return count


def _item_bytes(description: Any) -> int | None:
    """Return the bytes of one element; None: not known, or it holds objects."""
    if isinstance(description, str):
        match = _PLAIN_TYPE.match(description)
        if match is None:
            return None
        kind = description.lstrip("<>|=")[0]
        size = 1 if kind == "?" else int(match[1] or 0)
        if kind in "mM":
            return 8
        return size * _UNIT_BYTES.get(kind, 1)
    if isinstance(description, list):
        sizes = [_field_bytes(field) for field in description]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    if isinstance(description, tuple) and len(description) == 2:
        return _times(_item_bytes(description[0]), description[1])
    return None


def _field_bytes(field: Any) -> int | None:
    """Return the bytes of a field: (name, type) or (name, type, shape), whose name may be (title, name)."""
    if not isinstance(field, tuple) or len(field) not in (2, 3) or not isinstance(field[0], str | tuple):
        return None
    return _times(_item_bytes(field[1]), field[2] if len(field) == 3 else ())


def _times(item_bytes: int | None, shape: Any) -> int | None:
    shape = (shape,) if type(shape) is int else shape
    return None if item_bytes is None else item_bytes * _count(shape)


def _names_objects(description: Any) -> bool:
    """Return whether it is a valid type with Python objects; then the pickle behind it decides."""
    if isinstance(description, str):
        return description.lstrip("|<>=") in ("O", "O4", "O8", "object")
    if isinstance(description, list | tuple):
        return any(_names_objects(part) for part in description)
    return False
