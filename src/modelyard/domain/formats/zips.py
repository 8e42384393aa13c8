"""Read a zip's directory and single members through ranged reads, with bounds on everything it claims.

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
_HAS_DESCRIPTOR = 8
_DESCRIPTORS = tuple(struct.Struct(form) for form in ("<4sL2Q", "<4s3L", "<L2Q", "<3L"))


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    method: int
    encrypted: bool
    compressed_bytes: int
    size_bytes: int
    header_offset: int
    checksum: int = 0
    flags: int = 0
    raw_name: bytes = b""


def list_directories(source: Source) -> list[tuple[int, list[Member]]]:
    """Return every directory that a reader might use, each with the shift of its offsets.

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
    """Return the offset of the member's packed bytes. Raises Malformed."""
    local = _LOCAL.unpack(read_exactly(source, member.header_offset + shift, _LOCAL.size))
    if local[0] != b"PK\x03\x04":
        raise Malformed(f"{member.name[:100]!r} is not where the zip's directory says")
    return int(member.header_offset + shift + _LOCAL.size + local[10] + local[11])


def canonical_members(source: Source) -> list[Member]:
    """Return the members of a zip on which all readers agree, since it has the form that common libraries write.

    Its members follow one another from the first byte, and the header of each agrees with the directory. The
    directory and its end records come next, and nothing else.
    Raises Malformed with the first difference.
    """
    directory_at, directory_end, count = _one_end(source)
    directory = read_exactly(source, directory_at, directory_end - directory_at)
    members = _entries(directory, count)
    if _entries_bytes(directory) != len(directory):
        raise Malformed("the zip's directory holds more than it counts")
    if len({member.name for member in members}) != len(members):
        raise Malformed("two members of the zip have one name")
    position = 0
    for member in sorted(members, key=lambda m: m.header_offset):
        if member.header_offset != position:
            raise Malformed(f"there are bytes before {member.name[:100]!r} that belong to no member of the zip")
        position = _end_of(source, member)
    if position != directory_at:
        raise Malformed("there are bytes before the zip's directory that belong to no member")
    return members


def _one_end(source: Source) -> tuple[int, int, int]:
    """Return (start of the directory, end of the directory, number of members)."""
    tail_bytes = min(source.size_bytes, 65_535 + _END.size)
    tail = read_exactly(source, source.size_bytes - tail_bytes, tail_bytes)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise Malformed("the zip has no directory at its end")
    _, disk, directory_disk, here, count, size, offset, comment = _END.unpack_from(tail, at)
    end_at = source.size_bytes - tail_bytes + at
    if at + _END.size + comment != len(tail) or tail.count(b"PK\x05\x06", at) != 1:
        raise Malformed("the zip does not end where its end record says")
    if disk != directory_disk or disk or here != count:
        raise Malformed("the zip claims to span several disks")
    before = tail[max(at - _END64_LOCATOR.size, 0) : at]
    if before[:4] == b"PK\x06\x07":
        return _one_end64(source, end_at, (count, size, offset))
    if offset + size != end_at:
        raise Malformed("the zip's directory is not where its end record says")
    return offset, end_at, count


def _one_end64(source: Source, end_at: int, narrow: tuple[int, int, int]) -> tuple[int, int, int]:
    wide = _end64(source, end_at)
    record_at = end_at - _END64_LOCATOR.size - _END64.size
    fields = _END64.unpack(read_exactly(source, record_at, _END64.size))
    if fields[0] != b"PK\x06\x06" or fields[1] != _END64.size - 12 or (fields[7], fields[8], fields[9]) != wide:
        raise Malformed("the zip's 64-bit end record is not where it belongs")
    full = (0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF)
    if any(small not in (large, most) for small, large, most in zip(narrow, wide, full, strict=True)):
        raise Malformed("the zip's two end records disagree")
    if fields[6] != wide[0] or fields[4] or fields[5] or wide[1] + wide[2] != record_at:
        raise Malformed("the zip's directory is not where its end record says")
    return wide[2], record_at, wide[0]


def _entries_bytes(directory: bytes) -> int:
    """Return the bytes of all entries, as found by a reader that goes on to the end of the directory."""
    at = 0
    while at + _ENTRY.size <= len(directory) and directory[at : at + 4] == b"PK\x01\x02":
        entry = _ENTRY.unpack_from(directory, at)
        at += _ENTRY.size + entry[12] + entry[13] + entry[14]
    return at


def _end_of(source: Source, member: Member) -> int:
    """Return the end of the member with its descriptor. Raises Malformed if its own header disagrees."""
    words = f"the zip's directory and the header of {member.name[:100]!r} disagree"
    local = _LOCAL.unpack(read_exactly(source, member.header_offset, _LOCAL.size))
    start = data_start(source, member)
    name = read_exactly(source, member.header_offset + _LOCAL.size, local[10])
    if name != member.raw_name or b"\0" in name or local[3] != member.flags or local[4] != member.method:
        raise Malformed(words)
    extra = read_exactly(source, member.header_offset + _LOCAL.size + local[10], local[11])
    size, compressed, _ = _widen(extra, local[9], local[8], 0)
    end = start + member.compressed_bytes
    stated = (local[7], compressed, size)
    true = (member.checksum, member.compressed_bytes, member.size_bytes)
    if not member.flags & _HAS_DESCRIPTOR:
        if stated != true:
            raise Malformed(words)
        return end
    if any(a not in (b, 0) for a, b in zip(stated, true, strict=True)):
        raise Malformed(words)
    following = source.read(end, 24)
    for form in _DESCRIPTORS:
        fields = form.unpack_from(following) if len(following) >= form.size else ()
        if fields[-3:] == true and (len(fields) == 3 or fields[0] == b"PK\x07\x08"):
            return end + form.size
    raise Malformed(words)


def list_members(source: Source) -> list[Member]:
    """Return the members in the directory at the end. Raises Malformed."""
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
        raw_name = directory[start : start + name_bytes]
        name = raw_name.decode("utf-8", "replace")
        extra = directory[start + name_bytes : start + name_bytes + extra_bytes]
        size, compressed, header_offset = _widen(extra, size, compressed, header_offset)
        encrypted = bool(flags & 1)
        found.append(
            Member(name, method, encrypted, compressed, size, header_offset, entry[9], flags, raw_name)
        )
        at = start + name_bytes + extra_bytes + comment_bytes
    return found


def _widen(extra: bytes, size: int, compressed: int, offset: int) -> tuple[int, int, int]:
    """Replace 32-bit fields that are at their maximum by those of the zip64 extra field."""
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
    """Return the decompressed bytes of the member. Raises Malformed, and OverBudget above `max_bytes`."""
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
