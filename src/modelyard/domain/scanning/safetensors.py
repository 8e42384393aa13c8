"""Check safetensors, recognised by its bytes and not by the file's name.

A file that violates the format is dangerous, because readers differ on its contents.
Source: the format's own README, "Format".
"""

from __future__ import annotations

import json
import struct
from typing import Any

from modelyard.domain.formats.ranged import MIB
from modelyard.domain.scanning.context import File, Scan
from modelyard.domain.scanning.verdicts import Verdict

_LENGTH = struct.Struct("<Q")
_MAX_HEADER_BYTES = 100_000_000
_MAX_READ_BYTES = 32 * MIB
"""A longer header is left unread; nothing in a safetensors file runs, whatever its header says."""
_ENTRY = {"dtype", "shape", "data_offsets"}


class _Twins(Exception):
    pass


def begins_safetensors(head: bytes, size_bytes: int) -> bool:
    if len(head) < 10:
        return False
    (length,) = _LENGTH.unpack_from(head)
    return 2 <= length <= min(_MAX_HEADER_BYTES, size_bytes - 8) and head[8:9] == b"{"


def check(scan: Scan, file: File) -> None:
    head = file.skim.head
    if not begins_safetensors(head, file.source.size_bytes):
        return
    (length,) = _LENGTH.unpack_from(head)
    if length > _MAX_READ_BYTES:
        return
    raw = b"".join(file.source.read(8 + at, min(MIB, length - at)) for at in range(0, length, MIB))
    try:
        header: Any = json.loads(raw, object_pairs_hook=_refuse_twins)
    except _Twins:
        if b"data_offsets" in raw:
            _note(scan, file, "a key appears twice in one object")
        return
    except (ValueError, RecursionError):
        return
    if not isinstance(header, dict) or not any(_is_entry(entry) for entry in header.values()):
        return
    scan.found.note_kind("safetensors")
    fault = _fault_of(header, file.source.size_bytes - 8 - length)
    if fault is not None:
        _note(scan, file, fault)


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twins
    return found


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and set(entry) == _ENTRY


def _fault_of(header: dict[str, Any], data_bytes: int) -> str | None:
    """Return the fault of tensors that do not fill the data without gaps. Types are not checked, as new ones appear."""
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        offsets = entry.get("data_offsets") if _is_entry(entry) else None
        if not isinstance(offsets, list) or [type(x) for x in offsets] != [int, int]:
            return f"{name[:100]!r} is not described by dtype, shape and data_offsets"
        spans.append((offsets[0], offsets[1]))
    position = 0
    for start, end in sorted(spans):
        if start != position or end < start:
            return "the tensors overlap or leave a gap"
        position = end
    if position < data_bytes:
        return f"{data_bytes - position} bytes after the last tensor belong to none"
    if position > data_bytes:
        return f"the file lacks {position - data_bytes} bytes of its tensors"
    return None


def _note(scan: Scan, file: File, fault: str) -> None:
    scan.note(Verdict.DANGEROUS, f"malformed safetensors: {fault}", file.inside)
