"""The interface to stored bytes: one protocol for a folder, an S3-compatible bucket and an in-memory double.

Everything is synchronous and safe to call from several threads; the doors call it from a thread pool.
Bytes are named by the sha256 of the raw content and never change. A blob is visible only when it is
complete, verified and durable. Only `layout.py` knows its place in the store.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from modelyard.domain.digest import Digest

Chunk = bytes | memoryview
"""Some of a file's bytes. A view that cannot be written through is of memory that stays as it is for as long
as anybody has a view of it; what can be written through is copied when it is taken."""


class StoredBlob(msgspec.Struct, frozen=True):
    """The facts of a blob that the store itself has."""

    digest: Digest
    size_bytes: int
    modified_at: datetime
    """When it last became visible, aware UTC. Putting or committing the same bytes again renews it."""


class BlobReader(Protocol):
    """An open blob. Reading past the end gives fewer bytes; close it when done."""

    size_bytes: int

    def read(self, offset: int, length: int) -> bytes: ...

    def chunks(self, offset: int = 0, length: int | None = None, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Yield the bytes from `offset`, in order. length None: to the end."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> BlobReader: ...

    def __exit__(self, *exc: object) -> None: ...


class StagedUpload(Protocol):
    """Bytes of an upload in progress, invisible to readers, and found again by the upload id after any crash.

    One writer at a time: of two at once at least one raises Busy, and their bytes never mix.
    Successive calls of `append` may come from different processes.
    """

    def size(self) -> int:
        """Return the number of bytes that have arrived and would survive a kill of this process."""
        ...

    def append(self, chunks: Iterable[Chunk]) -> int:
        """Add to the end and return the new size. Hashes while it writes.

        After an error, the bytes stored before it stay, and the next append continues at size(). An error of `chunks`
        itself is raised unchanged. After a commit, `append` begins a new upload.
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
        """Delete the staged bytes and the mark of a commit, if any, but never the blob.

        Raises Busy, BlobStoreUnavailable.
        """
        ...


class BlobStore(Hashable, Protocol):
    def stage(self, upload_id: str) -> StagedUpload:
        """Begin or continue an upload; nothing is written before the first append.

        upload_id: 1 to 128 letters, digits and '-', chosen by the caller. Raises ValueError for any other.
        """
        ...

    def put(self, chunks: Iterable[Chunk], expected: Digest, size_bytes: int | None = None) -> int:
        """Store bytes in one pass: hash, write, verify, make durable, then visible. Returns the size in bytes.

        Bytes that are already stored are replaced by themselves, which also repairs damaged ones.
        After an error nothing is visible or left behind; an error of `chunks` itself is raised unchanged.
        Raises DigestMismatch, SizeMismatch, DiskFull, BlobStoreUnavailable.
        """
        ...

    def open(self, digest: Digest) -> BlobReader:
        """Open a blob. Raises BlobNotFound, BlobStoreUnavailable."""
        ...

    def stat(self, digest: Digest) -> StoredBlob | None:
        """Return the blob's facts; None if there is no such blob. Raises BlobStoreUnavailable."""
        ...

    def delete(self, digest: Digest) -> bool:
        """Delete a blob. Returns True if it existed."""
        ...

    def list(self) -> Iterator[StoredBlob]:
        """List every visible blob, in no particular order, with bounded memory."""
        ...

    def verify(self, digest: Digest) -> None:
        """Read the whole blob and compare. Raises BlobNotFound, BlobCorrupt."""
        ...

    def local_path(self, digest: Digest) -> Path | None:
        """Return a plain file with exactly these bytes, for sendfile-like serving; None if there is none."""
        ...

    def presigned_url(self, digest: Digest, expires_in_seconds: int, filename: str | None = None) -> str | None:
        """Return a URL that serves the bytes without a token of ours; None if the store cannot do this."""
        ...

    def sweep_staging(self, older_than: datetime) -> int:
        """Remove staged bytes last written before `older_than` (aware UTC); returns how many uploads.

        The bytes of killed puts are removed and counted too. An upload that is being written stays.
        """
        ...

    def check(self) -> None:
        """Raise BlobStoreUnavailable unless the store can be read and written now."""
        ...

    def close(self) -> None: ...
