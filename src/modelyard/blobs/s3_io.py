"""Read from a bucket in windows and from a caller with counting, and convert the server's errors into ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store as Bucket

from modelyard.blobs import layout
from modelyard.blobs.hashing import batches, digest_of, new_sha256
from modelyard.blobs.store import BlobReader, Chunk
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobStoreUnavailable, DigestMismatch, DiskFull, SizeMismatch

READ_BYTES = 8 << 20
"""Bytes of one request for a part of an object."""
NOT_THERE = (NotFoundError, FileNotFoundError)
"""obstore raises Python's own error for a missing object."""
_FULL = ("QuotaExceeded", "InsufficientStorage", "StorageFull", "507 ")


@contextmanager
def our_errors(what: str) -> Iterator[None]:
    """Convert errors of the server and the connection into ours; wrap only our own calls."""
    try:
        yield
    except (BaseError, OSError) as error:
        text = str(error)
        if any(word in text for word in _FULL):
            raise DiskFull(what=what) from error
        fix = None
        if "NoSuchBucket" in text:
            fix = "Create the bucket, or add &create_bucket=true to the store's URL"
        elif any(word in text for word in ("403 Forbidden", "401 Unauthorized", "InvalidAccessKeyId")):
            fix = "The server refuses the credentials: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise BlobStoreUnavailable(fix=fix) from error


class Source:
    """The caller's chunks in batches, counted and hashed, with the caller's errors kept apart from ours."""

    def __init__(
        self,
        chunks: Iterable[Chunk],
        batch_bytes: int,
        *,
        limit_bytes: int | None = None,
        forgiving: bool = False,
    ) -> None:
        """limit_bytes: more bytes raise SizeMismatch. forgiving: an error ends the batches and is kept in `failure`,
        so that the earlier bytes can be stored; otherwise it is raised."""
        self._batches = batches(chunks, batch_bytes)
        self._limit = limit_bytes
        self._forgiving = forgiving
        self._sha = None if forgiving else new_sha256()
        self.size_bytes = 0
        self.failure: Exception | None = None

    def next_batch(self) -> bytes:
        """Return at least `batch_bytes`, fewer at the end, and nothing after the end."""
        if self.failure is not None:
            return b""
        try:
            batch = next(self._batches, b"")
        except Exception as error:
            if not self._forgiving:
                raise
            self.failure = error
            return b""
        self.size_bytes += len(batch)
        if self._limit is not None and self.size_bytes > self._limit:
            raise SizeMismatch(actual=self.size_bytes, expected=self._limit)
        if self._sha is not None:
            self._sha.update(batch)
        return batch

    def rest(self) -> Iterator[bytes]:
        while batch := self.next_batch():
            yield batch

    def expect(self, digest: Digest, size_bytes: int | None) -> None:
        """Check size and digest. Raises SizeMismatch, DigestMismatch."""
        # A short first batch is not necessarily the end: the source may still raise an error.
        if self.next_batch():
            raise AssertionError("asked before the end of the source")
        if size_bytes is not None and self.size_bytes != size_bytes:
            raise SizeMismatch(actual=self.size_bytes, expected=size_bytes)
        actual = digest_of(self._sha or new_sha256())
        if actual != digest:
            raise DigestMismatch(actual=actual, expected=digest)


class ObjectReader:
    def __init__(self, bucket: Bucket, digest: Digest, size_bytes: int) -> None:
        self._bucket = bucket
        self._key = layout.blob_key(digest)
        self.size_bytes = size_bytes

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size_bytes - offset)
        return _read_range(self._bucket, self._key, offset, length) if length > 0 else b""

    def chunks(self, offset: int = 0, length: int | None = None, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        end = self.size_bytes if length is None else min(offset + length, self.size_bytes)
        # Each request covers whole chunks, so that none has to be joined from two.
        window = max(chunk_bytes, READ_BYTES // chunk_bytes * chunk_bytes)
        for content in windows(self._bucket, self._key, offset, end, window):
            for start in range(0, len(content), chunk_bytes):
                yield content[start : start + chunk_bytes]

    def close(self) -> None:
        pass

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def windows(bucket: Bucket, key: str, start: int, end: int, window: int = READ_BYTES) -> Iterator[bytes]:
    """Yield the bytes of an object from separate requests, one ahead of the reader.

    The server would cut off one long response to a slow reader, and it could not be retried.
    """
    if end - start <= window:
        if end > start:
            yield _read_range(bucket, key, start, end - start)
        return
    with ThreadPoolExecutor(1, "s3-read") as ahead:
        coming = ahead.submit(_read_range, bucket, key, start, window)
        while start < end:
            content = coming.result()
            start += len(content)
            if start < end:
                coming = ahead.submit(_read_range, bucket, key, start, min(window, end - start))
            yield content


def _read_range(bucket: Bucket, key: str, offset: int, length: int) -> bytes:
    with our_errors("a read"):
        content = bytes(obstore.get_range(bucket, key, start=offset, length=length))
    if len(content) != length:
        raise BlobStoreUnavailable(fix="The server sent fewer bytes than the object has; try again")
    return content
