"""Every path and key that the stores of bytes write, drawn once.

A folder and a bucket hold the same keys; in a bucket they may stand under a prefix:

    blobs/format                          the format of all that follows, one line: "modelyard blobs 1"
    blobs/sha256/ab/<64 hex digits>       a whole blob, visible; ab are its first two digits
    blobs/staging/<upload id>             folder: the bytes of an upload that have arrived
    blobs/staging/<upload id>.done        folder: that upload was committed as the digest written in here
    blobs/staging/<upload id>/<offset>    bucket: the bytes of one append; the offset has 20 digits
    blobs/staging/<upload id>/done        bucket: as the folder's .done
    blobs/tmp/<32 hex digits>             a put or a probe under way; worthless to anyone else

What follows `sha256/` never changes: `put` and `commit` may replace a blob by itself, nothing else may.

How this grows: a store that keeps blobs in pieces (segments, differences) will add `blobs/packs/ab/<id>`
next to these and raise FORMAT. Whole blobs stay readable where they are, so a store is carried over by
writing its format last, and the state of a blob (whole, in pieces, both) is known from which keys exist.
A program that meets a newer format refuses to touch the store.
"""

from __future__ import annotations

import re

from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobFormatUnknown

FORMAT = 1
FORMAT_KEY = "blobs/format"
BLOBS = "blobs/sha256"
STAGING = "blobs/staging"
TEMPORARY = "blobs/tmp"
DONE_SUFFIX = ".done"
DONE_NAME = "done"

_UPLOAD_ID = re.compile(r"[A-Za-z0-9-]{1,128}\Z")
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_OFFSET = re.compile(r"[0-9]{20}\Z")
_FORMAT_LINE = re.compile(rb"modelyard blobs ([0-9]{1,9})\n\Z")


def format_line() -> bytes:
    return f"modelyard blobs {FORMAT}\n".encode()


def check_format(content: bytes) -> None:
    """Raises BlobFormatUnknown unless this program knows what the store holds."""
    match = _FORMAT_LINE.match(content)
    if match is None or not 1 <= int(match[1]) <= FORMAT:
        found = match[1].decode() if match else ascii(content[:40])
        raise BlobFormatUnknown(found=found, known=FORMAT)


def blob_key(digest: Digest) -> str:
    return f"{BLOBS}/{digest.hex[:2]}/{digest.hex}"


def digest_of_name(name: str) -> Digest | None:
    """The digest of a blob from the last part of its key; None for what is not a blob."""
    return Digest.from_hex(name) if _HEX.match(name) else None


def check_upload_id(upload_id: str) -> str:
    """The id itself. Raises ValueError: ids are made by our code, so a bad one is a defect."""
    if not _UPLOAD_ID.match(upload_id):
        raise ValueError(f"not an upload id: {upload_id[:200]!r}")
    return upload_id


def staging_key(upload_id: str) -> str:
    return f"{STAGING}/{check_upload_id(upload_id)}"


def done_key(upload_id: str) -> str:
    """The mark of a committed upload in a folder."""
    return staging_key(upload_id) + DONE_SUFFIX


def staging_prefix(upload_id: str) -> str:
    """What all keys of one upload in a bucket begin with."""
    return staging_key(upload_id) + "/"


def staged_part_key(upload_id: str, offset: int) -> str:
    return f"{staging_prefix(upload_id)}{offset:020d}"


def offset_of_name(name: str) -> int | None:
    """Where the bytes of a staged object begin, from the last part of its key; None for a mark."""
    return int(name) if _OFFSET.match(name) else None


def temporary_key(name: str) -> str:
    return f"{TEMPORARY}/{name}"
