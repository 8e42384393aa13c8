"""Recognise compressed streams with the decoders that loaders use.

gzip, bz2 and xz have magic bytes. zlib and LZMA have none: a file counts as one if it unpacks completely, or if a
loader would find a pickle in the bytes that unpack before the fault.
"""

from __future__ import annotations

import lzma

from modelyard.domain.formats.ranged import OverBudget, Source
from modelyard.domain.scanning.context import File, Scan, most_unpacked_bytes
from modelyard.domain.scanning.sources import Unpacked, part_of, unpacked_stream
from modelyard.domain.scanning.verdicts import FileScan, Verdict

# Formats that the standard library cannot unpack.
_CLOSED = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x02\x21\x4c\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}
_OLD_JOBLIB_HEADER_BYTES = len("ZF") + len(hex(2**64))
_WEAK = ("zlib", "lzma", "joblib-zf")


def kind_of(head: bytes) -> str | None:
    """Return gzip, bz2, xz, lzip, zlib, lzma or joblib-zf, or a kind that cannot be unpacked here: zstd, lz4, 7z,
    rar.
    """
    if head[:3] == b"\x1f\x8b\x08":
        return "gzip"
    if head[:3] == b"BZh" and head[3:4] in b"123456789":
        return "bz2"
    if head[:6] == b"\xfd7zXZ\x00":
        return "xz"
    if head[:4] == b"LZIP":
        return "lzip"
    for magic, word in _CLOSED.items():
        if head.startswith(magic):
            return word
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:
        # A skippable frame, which zstd and lz4 allow before the first frame.
        return "zstd"
    if head[:2] == b"ZF":
        return "joblib-zf"
    if len(head) >= 2 and head[0] & 0x8F == 8 and (head[0] * 256 + head[1]) % 31 == 0:
        return "zlib"
    return "lzma" if _begins_lzma(head) else None


def _begins_lzma(head: bytes) -> bool:
    """Return whether it unpacks as old LZMA, which has no magic bytes but a zero as its fourteenth byte."""
    if len(head) < 14 or head[0] > 224 or head[13] != 0:
        return False
    try:
        return bool(lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=1 << 28).decompress(head, 1))
    except lzma.LZMAError:
        return False


def look_into_compressed(scan: Scan, file: File) -> None:
    kind = kind_of(file.skim.head)
    if kind is None:
        return
    if kind in _CLOSED.values():
        scan.found.note_kind(kind)
        raise OverBudget(f"it is compressed with {kind}, which is not undone here")
    if kind in _WEAK:
        _look_into_weak(scan, file, kind)
        return
    scan.enter(file, kind)
    content = _unpacked(file.source, kind)
    scan.look(content, file.member(kind), file.depth + 1)
    if content.is_broken:
        scan.note(Verdict.NOT_SCANNED, f"the {kind} stream is broken, or bytes follow it", file.inside)


def _look_into_weak(scan: Scan, file: File, kind: str) -> None:
    source = file.source
    if kind == "joblib-zf":
        # Source: joblib/numpy_pickle_compat.py, read_zfile.
        start = _OLD_JOBLIB_HEADER_BYTES + (source.read(_OLD_JOBLIB_HEADER_BYTES, 1) == b" ")
        source = part_of(source, start, source.size_bytes)
    content = _unpacked(source, "zlib" if kind == "joblib-zf" else kind)
    if not content.is_broken:
        scan.enter(file, kind)
        scan.look(content, file.member(kind), file.depth + 1)
        return
    found, scan.found = scan.found, FileScan()
    try:
        scan.look(content, file.member(kind), file.depth + 1)
    finally:
        part, scan.found = scan.found, found
    if part.findings or part.kinds:
        scan.enter(file, kind)
        for finding in part.findings:
            scan.found.note(finding)
        scan.found.allowed += part.allowed
        scan.note(Verdict.NOT_SCANNED, f"the {kind} stream is broken, or bytes follow it", file.inside)


def _unpacked(source: Source, kind: str) -> Unpacked:
    return unpacked_stream(source, kind, most_unpacked_bytes(source.size_bytes))
