"""Scan zips and tars: the canonical form, on which all readers agree, or else every member that any reader finds."""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, cast

from modelyard.domain.formats.ranged import MIB, Malformed, OverBudget, Source
from modelyard.domain.formats.zips import Member, canonical_members, data_start, list_directories
from modelyard.domain.scanning import keras
from modelyard.domain.scanning.context import File, Scan, most_unpacked_bytes
from modelyard.domain.scanning.legacy_tar import check_legacy_torch
from modelyard.domain.scanning.sources import SourceFile, Unpacked, part_of, unpacked_member
from modelyard.domain.scanning.verdicts import Verdict

ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
ZIP_END = b"PK\x05\x06"
_CHECKED_STORED_BYTES = 16 * MIB
"""A larger stored member is not read completely for its checksum, which does not affect what a loader runs."""
_MAX_TAR_PADDING_BYTES = 1 * MIB
_FAULTS = (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, struct.error)


# --- zip -----------------------------------------------------------------------------------------------


def look_into_zip(scan: Scan, file: File) -> None:
    begins = file.skim.head[:4] in ZIP_STARTS
    if not begins and (ZIP_END not in file.skim.tail or _by_library(file.source) is None):
        return
    scan.enter(file, "zip")
    try:
        members = canonical_members(file.source)
        if _by_library(file.source) != sorted(map(_key, members)):
            raise Malformed("Python's zipfile finds other members than its directory names")
        groups = [(0, members)]
    except OverBudget:
        raise
    except Malformed as error:
        # A tar may contain a zip near its end, and zip readers find that one.
        if begins or not begins_tar(file.skim.head):
            why = f"it is not a zip as libraries write it: {error}"
            scan.note(Verdict.NOT_SCANNED, why, file.inside)
        groups = _all_members(file.source)
    for shift, members in groups:
        for member in members:
            scan.count_member()
            _note_torchscript(scan, member.name)
            if member.size_bytes or member.compressed_bytes:
                _look_into_member(scan, file, member, shift)


def _key(member: Member) -> tuple[int, int, int, int]:
    return member.header_offset, member.compressed_bytes, member.size_bytes, member.method


def _listed(source: Source) -> list[zipfile.ZipInfo] | None:
    """Return the members that zipfile lists, which NumPy and pandas use; None if it does not see a zip."""
    try:
        with zipfile.ZipFile(cast(IO[bytes], SourceFile(source))) as opened:
            return opened.infolist()
    except _FAULTS:
        return None


def _by_library(source: Source) -> list[tuple[int, int, int, int]] | None:
    members = _listed(source)
    if members is None:
        return None
    return sorted((m.header_offset, m.compress_size, m.file_size, m.compress_type) for m in members)


def _all_members(source: Source) -> list[tuple[int, list[Member]]]:
    """List each member that any directory names, in any reading of it."""
    groups: list[tuple[int, list[Member]]] = []
    for m in _listed(source) or ():
        encrypted = bool(m.flag_bits & 1)
        sizes = (m.compress_size, m.file_size, m.header_offset, m.CRC, m.flag_bits)
        groups.append((0, [Member(m.filename, m.compress_type, encrypted, *sizes)]))
    try:
        groups += list_directories(source)
    except OverBudget:
        raise
    except Malformed:
        pass  # The deviation from the canonical form was noted already.
    return groups


def _note_torchscript(scan: Scan, name: str) -> None:
    if name.endswith("/constants.pkl") or ("/code/" in name and name.endswith(".py")):
        scan.found.note_kind("torchscript")


def _look_into_member(scan: Scan, file: File, member: Member, shift: int) -> None:
    place = file.member(member.name)
    try:
        if member.encrypted:
            scan.note(Verdict.NOT_SCANNED, "it is marked as encrypted", place)
        start = data_start(file.source, member, shift)
        limit = most_unpacked_bytes(member.compressed_bytes)
        for content in unpacked_member(file.source, member, start, limit):
            if not _is_whole(content, member):
                scan.note(Verdict.NOT_SCANNED, "its bytes are not those that the zip describes", place)
            if member.name.endswith((".json", ".config")):
                keras.check_source(scan, content, place)
            scan.look(content, place, file.depth + 1)
    except OverBudget as error:
        scan.note(Verdict.NOT_SCANNED, str(error), place)
    except Malformed as error:
        scan.note(Verdict.NOT_SCANNED, f"it contradicts its format: {error}", place)


def _is_whole(content: Source, member: Member) -> bool:
    if content.size_bytes != member.size_bytes:
        return False
    if isinstance(content, Unpacked):
        return not content.is_broken and content.checksum == member.checksum
    if content.size_bytes > _CHECKED_STORED_BYTES:
        return True
    return zlib.crc32(content.read(0, content.size_bytes)) == member.checksum


# --- tar -----------------------------------------------------------------------------------------------


def look_into_tar(scan: Scan, file: File) -> None:
    if not begins_tar(file.skim.head):
        return
    scan.enter(file, "tar")
    names: set[str] = set()
    end = 0
    for entry in _entries(file.source):
        scan.count_member()
        place = file.member(entry.name)
        # A link leads to another member, which is scanned at its own position.
        is_plain = (entry.isreg() and not entry.issparse()) or entry.isdir() or entry.issym() or entry.islnk()
        if not is_plain or entry.name in names or entry.size < 0:
            scan.note(Verdict.NOT_SCANNED, "it is a member that readers of tars read differently", place)
        names.add(entry.name)
        end = entry.offset_data
        if entry.isreg() and entry.size > 0:
            end += -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            content = part_of(file.source, entry.offset_data, entry.size)
            if check_legacy_torch(scan, content, place, file.depth + 1, entry.name):
                continue
            scan.look(content, place, file.depth + 1)
    _check_tar_end(file.source, end)


def _entries(source: Source) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=cast(IO[bytes], SourceFile(source)), mode="r:") as opened:
            yield from opened
    except (tarfile.TarError, ValueError, EOFError, OSError, RecursionError) as error:
        raise Malformed(f"the tar is broken ({type(error).__name__})") from None


def _check_tar_end(source: Source, end: int) -> None:
    rest = source.size_bytes - end
    if rest > _MAX_TAR_PADDING_BYTES:
        raise Malformed("bytes follow the last member of the tar")
    if rest < 0 or source.read(end, max(rest, 0)).strip(b"\0"):
        raise Malformed("bytes follow the last member of the tar, or it ends early")


def begins_tar(head: bytes) -> bool:
    """Return whether the first header has a valid checksum, which even tars without magic bytes have."""
    if len(head) < tarfile.BLOCKSIZE or not head[:1].strip(b"\0"):
        return False
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True
