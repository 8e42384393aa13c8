"""A zip's directory and single members through ranged reads, bounded before anything is believed.

Source: APPNOTE.TXT 4.3 (records), 4.5.3 (zip64).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from modelyard.domain.formats.ranged import MIB, Malformed, OverBudget, Source, read_exactly

MAX_DIRECTORY_BYTES = 16 * MIB
MAX_MEMBERS = 100_000
MAX_DIRECTORIES = 20
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    method: int
    encrypted: bool
    compressed_bytes: int
    size_bytes: int
    header_offset: int


def list_directories(source: Source) -> list[tuple[int, list[Member]]]:
    """Every directory that some reader might take for the zip's, each with how far its offsets are shifted.

    Bytes before a zip shift all of it, as Python's reader allows. Raises Malformed when there is none.
    """
    tail_bytes = min(source.size_bytes, 65_535 + _END.size)
    tail = read_exactly(source, source.size_bytes - tail_bytes, tail_bytes)
    found: list[tuple[int, list[Member]]] = []
    fault = Malformed("the zip has no directory at its end")
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0 and len(found) < MAX_DIRECTORIES:
        if at + _END.size <= len(tail):
            try:
                found += _directories_at(source, tail, at, source.size_bytes - tail_bytes + at)
            except OverBudget:
                raise
            except Malformed as error:
                fault = error
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if not found:
        raise fault
    return found


def _directories_at(source: Source, tail: bytes, at: int, end_offset: int) -> list[tuple[int, list[Member]]]:
    _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
    is_full = count == 0xFFFF or 0xFFFF_FFFF in (size, offset)
    if is_full or tail[max(at - _END64_LOCATOR.size, 0) : at][:4] == b"PK\x06\x07":
        count, size, offset = _end64(source, end_offset)
        end_offset -= _END64_LOCATOR.size + _END64.size
    if size > MAX_DIRECTORY_BYTES or count > MAX_MEMBERS:
        raise OverBudget(f"the zip claims a directory of {count} members in {size} bytes")
    found = []
    fault = None
    for shift in sorted({0, max(end_offset - size - offset, 0)}):
        try:
            found.append((shift, _entries(read_exactly(source, offset + shift, size), count)))
        except Malformed as error:
            fault = error
    if not found and fault is not None:
        raise fault
    return found


def data_start(source: Source, member: Member, shift: int = 0) -> int:
    """Where the member's packed bytes begin. Raises Malformed."""
    local = _LOCAL.unpack(read_exactly(source, member.header_offset + shift, _LOCAL.size))
    if local[0] != b"PK\x03\x04":
        raise Malformed(f"{member.name[:100]!r} is not where the zip's directory says")
    return int(member.header_offset + shift + _LOCAL.size + local[10] + local[11])


def list_members(source: Source) -> list[Member]:
    """The members that the directory at the end names. Raises Malformed."""
    tail_bytes = min(source.size_bytes, 65_535 + _END.size)
    tail = read_exactly(source, source.size_bytes - tail_bytes, tail_bytes)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise Malformed("the zip has no directory at its end")
    _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
    end_offset = source.size_bytes - tail_bytes + at
    if count == 0xFFFF or 0xFFFF_FFFF in (size, offset):
        count, size, offset = _end64(source, end_offset)
    if size > MAX_DIRECTORY_BYTES or count > MAX_MEMBERS:
        raise OverBudget(f"the zip claims a directory of {count} members in {size} bytes")
    return _entries(read_exactly(source, offset, size), count)


def _end64(source: Source, end_offset: int) -> tuple[int, int, int]:
    locator = read_exactly(source, end_offset - _END64_LOCATOR.size, _END64_LOCATOR.size)
    signature, _, at, _ = _END64_LOCATOR.unpack(locator)
    if signature != b"PK\x06\x07":
        raise Malformed("the zip lacks its 64-bit directory locator")
    fields = _END64.unpack(read_exactly(source, at, _END64.size))
    if fields[0] != b"PK\x06\x06":
        raise Malformed("the zip lacks its 64-bit directory end")
    return fields[7], fields[8], fields[9]


def _entries(directory: bytes, count: int) -> list[Member]:
    found: list[Member] = []
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(directory):
            raise Malformed("the zip's directory ends early")
        entry = _ENTRY.unpack_from(directory, at)
        if entry[0] != b"PK\x01\x02":
            raise Malformed("the zip's directory is broken")
        flags, method = entry[5], entry[6]
        compressed, size = entry[10], entry[11]
        name_bytes, extra_bytes, comment_bytes, header_offset = entry[12], entry[13], entry[14], entry[18]
        start = at + _ENTRY.size
        if start + name_bytes + extra_bytes + comment_bytes > len(directory):
            raise Malformed("the zip's directory ends early")
        name = directory[start : start + name_bytes].decode("utf-8", "replace")
        extra = directory[start + name_bytes : start + name_bytes + extra_bytes]
        size, compressed, header_offset = _widen(extra, size, compressed, header_offset)
        found.append(Member(name, method, bool(flags & 1), compressed, size, header_offset))
        at = start + name_bytes + extra_bytes + comment_bytes
    return found


def _widen(extra: bytes, size: int, compressed: int, offset: int) -> tuple[int, int, int]:
    """Replace 32-bit fields that are full by those of the zip64 extra field."""
    values = [size, compressed, offset]
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + length]
        at += 4 + length
        if kind != 1:
            continue
        position = 0
        for index, value in enumerate(values):
            if value == 0xFFFF_FFFF:
                if position + 8 > len(body):
                    raise Malformed("a zip64 field is too short")
                (values[index],) = struct.unpack_from("<Q", body, position)
                position += 8
    return values[0], values[1], values[2]


def read_member(source: Source, member: Member, max_bytes: int) -> bytes:
    """The member's bytes, decompressed. Raises Malformed, OverBudget above `max_bytes`."""
    if member.encrypted:
        raise Malformed(f"{member.name[:100]!r} is encrypted")
    if member.size_bytes > max_bytes or member.compressed_bytes > max_bytes:
        raise OverBudget(f"{member.name[:100]!r} is larger than {max_bytes} bytes")
    start = data_start(source, member)
    data = read_exactly(source, start, member.compressed_bytes)
    if member.method == _DEFLATED:
        try:
            data = zlib.decompressobj(-15).decompress(data, max(member.size_bytes, 1))
        except zlib.error:
            raise Malformed(f"{member.name[:100]!r} is not well compressed") from None
    elif member.method != _STORED:
        raise Malformed(f"{member.name[:100]!r} uses compression method {member.method}")
    if len(data) != member.size_bytes:
        raise Malformed(f"{member.name[:100]!r} does not have the size that the directory says")
    return data
