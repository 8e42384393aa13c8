"""Whether a file must be looked into, from its first bytes alone."""

from __future__ import annotations

import pickletools

from modelyard.domain.formats.ranged import Budget, BytesSource, Cursor, Malformed, compression_of
from modelyard.domain.scanning.pickles import Inspector, looks_like_name
from modelyard.domain.scanning.verdicts import FileScan

HEAD_BYTES = 4096
_FIRST_STEPS = 2000

ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OPCODES = frozenset(op.code.encode("latin-1") for op in pickletools.opcodes)
NPY = b"\x93NUMPY"
HDF5 = b"\x89HDF\r\n\x1a\n"
# Compressed in ways that the standard library cannot undo.
CLOSED = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}


def kind_of(head: bytes) -> str | None:
    """zip, tar, npy, hdf5, pickle, a compression, or one of CLOSED's words; None: none of these.

    A pickle of protocol 0 or 1 has no magic bytes and is not known here.
    """
    if head[:4] in ZIP:
        return "zip"
    if head[:6] == NPY:
        return "npy"
    if head[:8] == HDF5:
        return "hdf5"
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= 8:
        return "pickle"
    for magic, word in CLOSED.items():
        if head.startswith(magic):
            return word
    compression = compression_of(head)
    if compression is not None:
        return compression
    return "tar" if _is_tar(head) else None


def needs_scan(head: bytes, size_bytes: int) -> bool:
    """head: the first HEAD_BYTES, or the whole of a smaller file."""
    if kind_of(head) is not None:
        return True
    return begins_like_pickle(head, size_bytes)


def begins_like_pickle(head: bytes, size_bytes: int) -> bool:
    """Whether the bytes, read as opcodes, name a global or go on to the end of the head without a fault."""
    if head[:1] not in _OPCODES:
        return False
    found = FileScan()
    cursor = Cursor(BytesSource(head), Budget(max_bytes=1 << 20, max_steps=_FIRST_STEPS))
    inspector = Inspector(cursor, found)
    try:
        inspector.run()
    except Malformed:
        reached_end = size_bytes > len(head) and cursor.position >= len(head) - 1
        return reached_end or any(looks_like_name(g) for g in inspector.seen)
    return any(looks_like_name(g) for g in inspector.seen)


def _is_tar(head: bytes) -> bool:
    """By the checksum of the first header, which also tars without a magic have."""
    if len(head) < 512 or not head[:1].strip(b"\0"):
        return False
    field = head[148:156].strip(b" \0")
    if not field or not field.isdigit():
        return False
    try:
        wanted = int(field, 8)
    except ValueError:
        return False
    unsigned = sum(head[:148]) + 8 * 0x20 + sum(head[156:512])
    return wanted == unsigned
