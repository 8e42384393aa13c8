"""Define every path and key of the blob stores.

A folder and a bucket hold the same keys; in a bucket they may have a prefix:

    blobs/format                          the format of everything below, one line: "modelyard blobs 1"
    blobs/sha256/ab/<64 hex digits>       a complete, visible blob; ab are its first two digits
    blobs/staging/<upload id>             folder: the bytes of an upload so far
    blobs/staging/<upload id>.done        folder: that upload was committed as the digest in this file
    blobs/staging/<upload id>/<offset>    bucket: the bytes of one append; the offset has 20 digits
    blobs/staging/<upload id>/done        bucket: the same as the folder's .done
    blobs/tmp/<32 hex digits>             a put or a probe in progress; useless afterwards

Blobs never change; only `put` and `commit` may replace one, with the same bytes.

Future formats: a store that keeps blobs in pieces (segments, differences) will add `blobs/packs/ab/<id>` and raise
FORMAT. Complete blobs stay readable in their places, so a store is converted by writing its format last, and the
existing keys show the state of a blob (complete, in pieces, both). A program that finds a newer format refuses to
use the store.
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
    """Raise BlobFormatUnknown unless this program supports the format of the store."""
    match = _FORMAT_LINE.match(content)
    if match is None or not 1 <= int(match[1]) <= FORMAT:
        found = match[1].decode() if match else ascii(content[:40])
        raise BlobFormatUnknown(found=found, known=FORMAT)


def blob_key(digest: Digest) -> str:
    return f"{BLOBS}/{digest.hex[:2]}/{digest.hex}"


def digest_of_name(name: str) -> Digest | None:
    """Return the digest of a blob from the last part of its key; None if it is not a blob."""
    return Digest.from_hex(name) if _HEX.match(name) else None


def check_upload_id(upload_id: str) -> str:
    """Return the id. Raises ValueError: our code creates all ids, so an invalid one is a defect."""
    if not _UPLOAD_ID.match(upload_id):
        raise ValueError(f"not an upload id: {upload_id[:200]!r}")
    return upload_id


def staging_key(upload_id: str) -> str:
    return f"{STAGING}/{check_upload_id(upload_id)}"


def done_key(upload_id: str) -> str:
    """Return the key that marks an upload as committed, in a folder."""
    return staging_key(upload_id) + DONE_SUFFIX


def staging_prefix(upload_id: str) -> str:
    """Return the common prefix of one upload's keys in a bucket."""
    return staging_key(upload_id) + "/"


def staged_part_key(upload_id: str, offset: int) -> str:
    return f"{staging_prefix(upload_id)}{offset:020d}"


def offset_of_name(name: str) -> int | None:
    """Return the offset of a staged object, from the last part of its key; None for a mark."""
    return int(name) if _OFFSET.match(name) else None


def temporary_key(name: str) -> str:
    return f"{TEMPORARY}/{name}"
