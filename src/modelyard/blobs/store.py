"""The border to bytes: one protocol, kept by a folder, an S3-compatible bucket and a double in memory.

Everything is synchronous and safe to call from several threads; the doors call it from a thread pool.
Bytes are named by the sha256 of the raw content and never change. A blob is visible only when it is
complete, verified and durable. How it lies in the store is known to `layout.py` and to no caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from modelyard.domain.digest import Digest

Chunk = bytes | memoryview
"""Some of a file's bytes. A view that cannot be written through is of memory that stays as it is for as long
as anybody has a view of it; what can be written through is copied when it is taken."""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """What the store itself knows of a blob."""

    digest: Digest
    size_bytes: int
    modified_at: datetime
    """When it last became visible, aware UTC. Putting or committing the same bytes again renews it."""


class BlobReader(Protocol):
    """An open blob. Reading past the end gives fewer bytes; close it when done."""

    size_bytes: int

    def read(self, offset: int, length: int) -> bytes: ...

    def chunks(self, offset: int = 0, length: int | None = None, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The bytes from `offset`, in order. length None: to the end."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> BlobReader: ...

    def __exit__(self, *exc: object) -> None: ...


class StagedUpload(Protocol):
    """Bytes that arrive, seen by no one else, found again by their upload id after any crash.

    One writer at a time: of two at once at least one raises Busy, and their bytes never mix.
    `append` may be called in another process than the one before it.
    """

    def size(self) -> int:
        """How many bytes have arrived and would survive a kill of this process."""
        ...

    def append(self, chunks: Iterable[Chunk]) -> int:
        """Add to the end and return the new size. Hashes while it writes.

        On an error, what had arrived in whole before it stays; the next append goes on from size().
        An error of `chunks` itself comes out as it is. After a commit it begins a new upload.
        Raises Busy, DiskFull, BlobStoreUnavailable.
        """
        ...

    def commit(self, expected: Digest, size_bytes: int) -> None:
        """Verify the whole, make it durable, then visible as the blob `expected`; idempotent.

        A mark that this upload became this blob stays until discard() or sweep_staging(), so that a
        repeated commit succeeds; an upload that never had the bytes cannot claim a blob by its digest.
        Raises SizeMismatch or DigestMismatch (the staged bytes are kept until discarded), Busy, DiskFull,
        BlobStoreUnavailable.
        """
        ...

    def discard(self) -> None:
        """Forget the staged bytes and the mark of a commit, never the blob; nothing happens without any.

        Raises Busy, BlobStoreUnavailable.
        """
        ...


class BlobStore(Protocol):
    def stage(self, upload_id: str) -> StagedUpload:
        """Begin or go on with an upload; nothing is written before the first append.

        upload_id: 1 to 128 letters, digits and '-', chosen by the caller. Raises ValueError for another.
        """
        ...

    def put(self, chunks: Iterable[Chunk], expected: Digest, size_bytes: int | None = None) -> int:
        """One pass: hash while writing, verify, make durable, then visible. Returns the size in bytes.

        Bytes that are here already are replaced by themselves, which also heals damaged ones.
        Nothing is visible or left behind on any error; an error of `chunks` itself comes out as it is.
        Raises DigestMismatch, SizeMismatch, DiskFull, BlobStoreUnavailable.
        """
        ...

    def open(self, digest: Digest) -> BlobReader:
        """Raises BlobNotFound, BlobStoreUnavailable."""
        ...

    def stat(self, digest: Digest) -> StoredBlob | None:
        """None when there is no such blob. Raises BlobStoreUnavailable."""
        ...

    def delete(self, digest: Digest) -> bool:
        """True when there was something to delete."""
        ...

    def list(self) -> Iterator[StoredBlob]:
        """Every visible blob, in no promised order; bounded memory."""
        ...

    def verify(self, digest: Digest) -> None:
        """Read the whole blob and compare. Raises BlobNotFound, BlobCorrupt."""
        ...

    def local_path(self, digest: Digest) -> Path | None:
        """A plain file with exactly these bytes, for sendfile-like serving; None where there is none."""
        ...

    def presigned_url(self, digest: Digest, expires_in_seconds: int, filename: str | None = None) -> str | None:
        """A URL that gives the bytes without our token; None where the store cannot."""
        ...

    def sweep_staging(self, older_than: datetime) -> int:
        """Remove staged bytes last written before `older_than` (aware UTC); returns how many uploads.

        Takes what killed puts left behind too, and counts it. An upload that is being written stays.
        """
        ...

    def check(self) -> None:
        """Raise BlobStoreUnavailable unless the store can be read and written now."""
        ...

    def close(self) -> None: ...
