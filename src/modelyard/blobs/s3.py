"""Blobs in an S3-compatible bucket.

S3 shows an object only after accepting its last byte, so "verified, then visible" means: if the digest is wrong, the
source of a multipart upload raises before the upload is complete, and obstore aborts it. A process that is killed in
between leaves parts that no listing shows but that still cost money, so a bucket should have the usual lifecycle rule
that aborts old incomplete multipart uploads.

An open upload is stored in objects named by offset, so that any process finds it again. A second write of an offset is
refused by `If-None-Match: *`, which works only for single requests: an append larger than
one request is protected by the digest only.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Full, Queue
from threading import Lock
from typing import Any

import msgspec
import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store as Bucket

from modelyard.blobs import layout
from modelyard.blobs.hashing import Sha256, digest_of, digest_of_chunks, new_sha256
from modelyard.blobs.s3_io import NOT_THERE, READ_BYTES, ObjectReader, Source, our_errors, windows
from modelyard.blobs.s3_url import BucketAddress, make_bucket, parse_url, presign_with_filename
from modelyard.blobs.store import BlobReader, Chunk, StagedUpload, StoredBlob
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    BlobCorrupt,
    BlobNotFound,
    BlobStoreUnavailable,
    Busy,
    DigestMismatch,
    DiskFull,
    SizeMismatch,
)

_MIB = 1 << 20
_SINGLE_PUT_BYTES = 8 * _MIB
"""Smaller objects are sent in one request."""
_LARGEST_PART_BYTES = 64 * _MIB
_PARTS_AT_ONCE = 3
_STAGED_PART_BYTES = 16 * _MIB
_STAGED_OBJECT_BYTES = 4 << 30
"""Below the 5 GiB that a server copies in one request."""
_REMEMBERED_UPLOADS = 4096
_LONGEST_PRESIGNED_SECONDS = 7 * 24 * 3600


def from_url(url: str, *, create_bucket: bool = False) -> S3Store:
    """Open the store at s3://bucket/prefix?endpoint=http://host:port&region=us-east-1.

    Default endpoint: Amazon's for the region; default region: AWS_REGION, then us-east-1. Credentials come from the
    standard AWS_… environment variables (or the machine's role), never from the URL.
    create_bucket, also as &create_bucket=true: create the bucket if it is missing.
    Raises InvalidRequest, BlobFormatUnknown, BlobStoreUnavailable.
    """
    address = parse_url(url)
    if create_bucket or address.create_bucket:
        with our_errors("a bucket"):
            make_bucket(address)
    return S3Store(address)


def part_bytes(size_bytes: int | None) -> int:
    """Return the size of the parts of a multipart upload. S3 accepts at most 10,000 parts of 5 MiB to 5 GiB each.

    As few parts as memory allows (some servers accept only 1000), and larger ones only if nothing else fits.
    """
    if size_bytes is None:
        return _LARGEST_PART_BYTES
    roomy = min(max(_SINGLE_PUT_BYTES, -(-size_bytes // 1000)), _LARGEST_PART_BYTES)
    return max(roomy, -(-size_bytes // 10_000))


class _SourceFailed(Exception):
    """Makes obstore abort a multipart upload; never leaves this module."""


class _Part(msgspec.Struct, frozen=True):
    """One staged object: the bytes from `offset`."""

    offset: int
    size_bytes: int
    key: str
    e_tag: str | None


class _Staged(msgspec.Struct, frozen=True):
    """The objects of an upload in the bucket."""

    parts: tuple[_Part, ...]
    """The parts from offset 0 on, without a gap."""
    stray: tuple[str, ...]
    """Keys after a gap, left by an interrupted discard or commit."""
    done: bool

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)


class S3Store:
    """A BlobStore in a bucket; safe in threads, and in many processes on one bucket."""

    def __init__(self, address: BucketAddress) -> None:
        """Write the format on first use. Raises BlobFormatUnknown, BlobStoreUnavailable."""
        self._address = address
        self._hashed: OrderedDict[str, tuple[str | None, int, Digest]] = OrderedDict()
        self._hashed_lock = Lock()
        with our_errors("the blob store"):
            self.bucket: Bucket = Bucket(address.bucket, **address.client_settings())
            try:
                self._check_format()
            except NOT_THERE:
                try:
                    obstore.put(self.bucket, layout.FORMAT_KEY, layout.format_line(), mode="create")
                except AlreadyExistsError:
                    self._check_format()

    # --- whole blobs ------------------------------------------------------------------------------

    def put(self, chunks: Iterable[Chunk], expected: Digest, size_bytes: int | None = None) -> int:
        # No If-None-Match: replacing a blob by its own verified bytes repairs it and renews its time.
        part = part_bytes(size_bytes)
        source = Source(chunks, part, limit_bytes=size_bytes)
        first = source.next_batch()
        if len(first) < part:
            source.expect(expected, size_bytes)
            with our_errors("a file"):
                obstore.put(self.bucket, layout.blob_key(expected), first, use_multipart=False)
            return source.size_bytes

        def verified() -> Iterator[bytes]:
            yield first
            yield from source.rest()
            source.expect(expected, size_bytes)

        self._put_multipart(layout.blob_key(expected), verified(), part, "a file")
        return source.size_bytes

    def open(self, digest: Digest) -> BlobReader:
        stored = self.stat(digest)
        if stored is None:
            raise BlobNotFound(digest=digest)
        return ObjectReader(self.bucket, digest, stored.size_bytes)

    def stat(self, digest: Digest) -> StoredBlob | None:
        with our_errors("a look"):
            try:
                meta = obstore.head(self.bucket, layout.blob_key(digest))
            except NOT_THERE:
                return None
        return StoredBlob(digest, meta["size"], meta["last_modified"].astimezone(UTC))

    def delete(self, digest: Digest) -> bool:
        if self.stat(digest) is None:
            return False
        with our_errors("a deletion"):
            self._delete([layout.blob_key(digest)])
        return True

    def list(self) -> Iterator[StoredBlob]:
        for meta in self._listed(layout.BLOBS):
            digest = layout.digest_of_name(meta["path"].rpartition("/")[2])
            if digest is not None:
                yield StoredBlob(digest, meta["size"], meta["last_modified"].astimezone(UTC))

    def verify(self, digest: Digest) -> None:
        with self.open(digest) as reader:
            if digest_of_chunks(reader.chunks(chunk_bytes=READ_BYTES)) != digest:
                raise BlobCorrupt(digest=digest)

    def local_path(self, digest: Digest) -> Path | None:
        return None

    def presigned_url(self, digest: Digest, expires_in_seconds: int, filename: str | None = None) -> str | None:
        """filename: the name for a browser's download; ignored if the credentials are a machine's role."""
        key = layout.blob_key(digest)
        lifetime = max(1, min(expires_in_seconds, _LONGEST_PRESIGNED_SECONDS))
        if filename is not None:
            url = presign_with_filename(self._address, key, lifetime, filename)
            if url is not None:
                return url
        with our_errors("a link"):
            return obstore.sign(self.bucket, "GET", key, timedelta(seconds=lifetime))

    # --- uploads in progress ----------------------------------------------------------------------

    def stage(self, upload_id: str) -> StagedUpload:
        return _StagedObjects(self, layout.check_upload_id(upload_id))

    def sweep_staging(self, older_than: datetime) -> int:
        uploads: dict[str, tuple[datetime, bool, list[str]]] = {}
        for meta in self._listed(layout.STAGING):
            upload_id, _, name = meta["path"].removeprefix(layout.STAGING + "/").partition("/")
            written, has_bytes, keys = uploads.get(upload_id, (meta["last_modified"], False, []))
            has_bytes = has_bytes or layout.offset_of_name(name) is not None
            uploads[upload_id] = (max(written, meta["last_modified"]), has_bytes, [*keys, meta["path"]])
        removed = 0
        with our_errors("a sweep"):
            for written, has_bytes, keys in uploads.values():
                if written < older_than:
                    self._delete(keys)
                    removed += has_bytes
        for meta in self._listed(layout.TEMPORARY):
            if meta["last_modified"] < older_than:
                with our_errors("a sweep"):
                    self._delete([meta["path"]])
        return removed

    def check(self) -> None:
        probe = layout.temporary_key(uuid.uuid4().hex)
        try:
            with our_errors("a probe"):
                self._check_format()
                obstore.put(self.bucket, probe, b"probe", use_multipart=False)
                found = bytes(obstore.get_range(self.bucket, probe, start=0, length=5))
                self._delete([probe])
        except DiskFull as error:
            raise BlobStoreUnavailable(fix="Free space in the bucket, or raise its quota") from error
        if found != b"probe":
            raise BlobStoreUnavailable(fix="The bucket returns other bytes than were written to it")

    def close(self) -> None:
        with self._hashed_lock:
            self._hashed.clear()

    # --- internals --------------------------------------------------------------------------------

    def _check_format(self) -> None:
        layout.check_format(bytes(obstore.get(self.bucket, layout.FORMAT_KEY).bytes()))

    def _listed(self, prefix: str) -> Iterator[Any]:
        pages = obstore.list(self.bucket, prefix, chunk_size=1000)
        while True:
            with our_errors("a listing"):
                page = next(pages, None)
            if page is None:
                return
            yield from page

    def _delete(self, keys: Iterable[str]) -> None:
        try:
            obstore.delete(self.bucket, [*keys])
        except NOT_THERE:
            # Some servers report a missing object, most do not; either way it is gone.
            return

    def _put_multipart(self, key: str, chunks: Iterator[bytes], part: int, what: str) -> str | None:
        """Complete the object only if `chunks` ends without an error; an error is raised unchanged.

        obstore reads its source in its own event loop, where a source that also uses obstore would fail. So the upload
        runs in a thread, and the source in the caller's thread.
        """
        handover: Queue[bytes | None] = Queue(1)
        source_failed = False

        def handed_over() -> Iterator[bytes]:
            while (batch := handover.get()) is not None:
                yield batch
            if source_failed:
                raise _SourceFailed

        def hand_over(batch: bytes | None) -> bool:
            """Pass a batch on; return False if the upload has failed and accepts no more."""
            while not upload.done():
                try:
                    handover.put(batch, timeout=0.2)
                except Full:
                    continue
                return True
            return False

        with ThreadPoolExecutor(1, "s3-put") as beside:
            upload = beside.submit(
                obstore.put,
                self.bucket,
                key,
                handed_over(),
                use_multipart=True,
                chunk_size=part,
                max_concurrency=_PARTS_AT_ONCE,
            )
            try:
                for batch in chunks:
                    if not hand_over(batch):
                        break
            except BaseException:
                source_failed = True
                raise
            finally:
                hand_over(None)
            with our_errors(what):
                return upload.result()["e_tag"]

    def _remember(self, upload_id: str, e_tag: str | None, size_bytes: int, digest: Digest) -> None:
        with self._hashed_lock:
            self._hashed[upload_id] = (e_tag, size_bytes, digest)
            if len(self._hashed) > _REMEMBERED_UPLOADS:
                self._hashed.popitem(last=False)

    def _recall(self, upload_id: str, parts: tuple[_Part, ...]) -> Digest | None:
        """Return the digest of an upload that is a single object written by this process; otherwise None."""
        with self._hashed_lock:
            e_tag, size_bytes, digest = self._hashed.get(upload_id, (None, 0, None))
        if len(parts) != 1 or e_tag is None or (parts[0].e_tag, parts[0].size_bytes) != (e_tag, size_bytes):
            return None
        return digest

    def _forget(self, upload_id: str) -> None:
        with self._hashed_lock:
            self._hashed.pop(upload_id, None)


class _StagedObjects:
    def __init__(self, store: S3Store, upload_id: str) -> None:
        self._store = store
        self._bucket = store.bucket
        self._id = upload_id
        self._prefix = layout.staging_key(upload_id)
        self._done_key = f"{self._prefix}/{layout.DONE_NAME}"

    def size(self) -> int:
        return self._look().size_bytes

    def append(self, chunks: Iterable[Chunk]) -> int:
        staged = self._look()
        offset = staged.size_bytes
        self._store._forget(self._id)
        stale = [*staged.stray, *([self._done_key] if staged.done else [])]
        if stale:
            with our_errors("an upload"):
                self._store._delete(stale)
        source = Source(chunks, _SINGLE_PUT_BYTES, forgiving=True)
        begin = offset
        while True:
            sha, first = new_sha256(), source.next_batch()
            if not first:
                break
            e_tag, size_bytes = self._write_object(begin, first, source, sha)
            if begin == 0:
                self._store._remember(self._id, e_tag, size_bytes, digest_of(sha))
            begin += size_bytes
        if source.failure is not None:
            raise source.failure
        return begin

    def commit(self, expected: Digest, size_bytes: int) -> None:
        staged = self._look()
        if not staged.parts:
            self._commit_without_bytes(staged, expected, size_bytes)
            return
        if staged.size_bytes != size_bytes:
            raise SizeMismatch(actual=staged.size_bytes, expected=size_bytes)
        known = self._store._recall(self._id, staged.parts)
        if known is not None and known != expected:
            raise DigestMismatch(actual=known, expected=expected)
        try:
            if known is not None:
                with our_errors("a file"):
                    obstore.copy(self._bucket, staged.parts[0].key, layout.blob_key(expected))
            else:
                self._store.put(self._content(staged.parts), expected, size_bytes)
        except BlobStoreUnavailable:
            # The same commit in another process may have finished first and removed the staged bytes.
            if not self._was_committed(expected, size_bytes):
                raise
            return
        with our_errors("an upload"):
            # The mark comes first: after a crash between them the staged bytes remain, and are checked first.
            obstore.put(self._bucket, self._done_key, expected.encode("ascii"), use_multipart=False)
            self._remove_parts(staged)

    def discard(self) -> None:
        staged = self._look()
        self._store._forget(self._id)
        with our_errors("an upload"):
            self._remove_parts(staged)
            if staged.done:
                self._store._delete([self._done_key])

    def _look(self) -> _Staged:
        found: list[_Part] = []
        done = False
        for meta in self._store._listed(self._prefix):
            offset = layout.offset_of_name(meta["path"].rpartition("/")[2])
            if offset is None:
                done = done or meta["path"] == self._done_key
            else:
                found.append(_Part(offset, meta["size"], meta["path"], meta["e_tag"]))
        found.sort(key=lambda part: part.offset)
        whole: list[_Part] = []
        end = 0
        for part in found:
            if part.offset != end:
                break
            whole.append(part)
            end += part.size_bytes
        return _Staged(tuple(whole), tuple(part.key for part in found[len(whole) :]), done)

    def _write_object(self, offset: int, first: bytes, source: Source, sha: Sha256) -> tuple[str | None, int]:
        """Write a staged object from `first` and the rest of the source; return its e-tag and size."""
        key = layout.staged_part_key(self._id, offset)
        if len(first) < _SINGLE_PUT_BYTES:
            sha.update(first)
            with our_errors("an upload"):
                try:
                    done = obstore.put(self._bucket, key, first, mode="create")
                except AlreadyExistsError as error:
                    raise Busy(reason=f"another request is writing the upload {self._id}") from error
            return done["e_tag"], len(first)
        size_bytes = 0

        def hashed() -> Iterator[bytes]:
            nonlocal size_bytes
            batch = first
            while batch:
                sha.update(batch)
                size_bytes += len(batch)
                yield batch
                batch = source.next_batch() if size_bytes < _STAGED_OBJECT_BYTES else b""

        return self._store._put_multipart(key, hashed(), _STAGED_PART_BYTES, "an upload"), size_bytes

    def _content(self, parts: tuple[_Part, ...]) -> Iterator[bytes]:
        for part in parts:
            yield from windows(self._bucket, part.key, 0, part.size_bytes)

    def _remove_parts(self, staged: _Staged) -> None:
        # The first object goes last: if this is interrupted, the remaining ones have a gap and are ignored.
        keys = [part.key for part in staged.parts]
        if keys:
            self._store._delete(keys[:1])
        rest = [*keys[1:], *staged.stray]
        if rest:
            self._store._delete(rest)

    def _commit_without_bytes(self, staged: _Staged, expected: Digest, size_bytes: int) -> None:
        """Commit if nothing is staged: a repeated commit, an empty upload, or one that never had the bytes."""
        # Asked even if the listing showed no mark: a listing is not a snapshot, and may miss both the mark and the bytes.
        if self._was_committed(expected, size_bytes):
            with our_errors("an upload"):
                self._remove_parts(staged)
            self._renew(expected, size_bytes)
            return
        if size_bytes != 0:
            raise SizeMismatch(actual=0, expected=size_bytes)
        self._store.put((), expected, 0)
        with our_errors("an upload"):
            obstore.put(self._bucket, self._done_key, expected.encode("ascii"), use_multipart=False)

    def _was_committed(self, expected: Digest, size_bytes: int) -> bool:
        with our_errors("an upload"):
            try:
                done = bytes(obstore.get(self._bucket, self._done_key).bytes())
            except NOT_THERE:
                return False
        blob = self._store.stat(expected) if done == expected.encode("ascii") else None
        if blob is None:
            return False
        if blob.size_bytes != size_bytes:
            raise SizeMismatch(actual=blob.size_bytes, expected=size_bytes)
        return True

    def _renew(self, digest: Digest, size_bytes: int) -> None:
        """Renew the time of a blob; S3 can do this only by writing it again."""
        with self._store.open(digest) as reader:
            self._store.put(reader.chunks(chunk_bytes=READ_BYTES), digest, size_bytes)
