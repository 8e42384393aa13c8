"""Blobs in memory: a true double, which passes the same contract suite as the durable stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

import msgspec

from modelyard.blobs import layout
from modelyard.blobs.store import BlobReader, Chunk, StagedUpload, StoredBlob
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobCorrupt, BlobNotFound, Busy, DigestMismatch, SizeMismatch


class _Staged(msgspec.Struct):
    content: bytearray = msgspec.field(default_factory=bytearray)
    written_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    done: Digest | None = None
    busy: bool = False


class MemoryState(msgspec.Struct):
    """The contents of a MemoryStore. Stores with the same state share bytes, as two processes do."""

    blobs: dict[Digest, tuple[bytes, datetime]] = msgspec.field(default_factory=dict)
    staged: dict[str, _Staged] = msgspec.field(default_factory=dict)
    lock: RLock = msgspec.field(default_factory=RLock)


class MemoryStore:
    def __init__(self, state: MemoryState | None = None) -> None:
        self.state = state or MemoryState()

    def stage(self, upload_id: str) -> StagedUpload:
        return _StagedBytes(self.state, layout.check_upload_id(upload_id))

    def put(self, chunks: Iterable[Chunk], expected: Digest, size_bytes: int | None = None) -> int:
        content = bytearray()
        for chunk in chunks:
            content += chunk
            if size_bytes is not None and len(content) > size_bytes:
                break
        if size_bytes is not None and len(content) != size_bytes:
            raise SizeMismatch(actual=len(content), expected=size_bytes)
        _show(self.state, bytes(content), expected)
        return len(content)

    def open(self, digest: Digest) -> BlobReader:
        with self.state.lock:
            if digest not in self.state.blobs:
                raise BlobNotFound(digest=digest)
            return _BytesReader(self.state.blobs[digest][0])

    def stat(self, digest: Digest) -> StoredBlob | None:
        with self.state.lock:
            found = self.state.blobs.get(digest)
        return StoredBlob(digest, len(found[0]), found[1]) if found else None

    def delete(self, digest: Digest) -> bool:
        with self.state.lock:
            return self.state.blobs.pop(digest, None) is not None

    def list(self) -> Iterator[StoredBlob]:
        with self.state.lock:
            present = tuple(self.state.blobs.items())
        for digest, (content, modified_at) in present:
            yield StoredBlob(digest, len(content), modified_at)

    def verify(self, digest: Digest) -> None:
        with self.open(digest) as reader:
            if Digest.of(reader.read(0, reader.size_bytes)) != digest:
                raise BlobCorrupt(digest=digest)

    def local_path(self, digest: Digest) -> Path | None:
        return None

    def presigned_url(self, digest: Digest, expires_in_seconds: int, filename: str | None = None) -> str | None:
        return None

    def sweep_staging(self, older_than: datetime) -> int:
        with self.state.lock:
            old = [k for k, s in self.state.staged.items() if s.written_at < older_than and not s.busy]
            swept = [self.state.staged.pop(upload_id) for upload_id in old]
        return sum(staged.done is None for staged in swept)

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


class _StagedBytes:
    def __init__(self, state: MemoryState, upload_id: str) -> None:
        self._state = state
        self._id = upload_id

    def size(self) -> int:
        with self._state.lock:
            staged = self._state.staged.get(self._id)
            return len(staged.content) if staged else 0

    def append(self, chunks: Iterable[Chunk]) -> int:
        with self._alone(create=True) as staged:
            staged.done = None
            for chunk in chunks:
                with self._state.lock:
                    staged.content += chunk
                    staged.written_at = datetime.now(UTC)
            return len(staged.content)

    def commit(self, expected: Digest, size_bytes: int) -> None:
        with self._alone(create=True) as staged:
            content = bytes(staged.content)
            if not content and staged.done == expected:
                with self._state.lock:
                    found = self._state.blobs.get(expected)
                content = found[0] if found else b""
            if len(content) != size_bytes:
                raise SizeMismatch(actual=len(content), expected=size_bytes)
            _show(self._state, content, expected)
            with self._state.lock:
                staged.content.clear()
                staged.done, staged.written_at = expected, datetime.now(UTC)

    def discard(self) -> None:
        with self._alone(create=False), self._state.lock:
            self._state.staged.pop(self._id, None)

    @contextmanager
    def _alone(self, create: bool) -> Iterator[_Staged]:
        with self._state.lock:
            staged = self._state.staged.get(self._id) or _Staged()
            if staged.busy:
                raise Busy(reason=f"another request is writing the upload {self._id}")
            staged.busy = True
            if create:
                self._state.staged[self._id] = staged
        try:
            yield staged
        finally:
            staged.busy = False


class _BytesReader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size_bytes = len(content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def chunks(self, offset: int = 0, length: int | None = None, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        end = self.size_bytes if length is None else min(offset + length, self.size_bytes)
        for start in range(offset, end, chunk_bytes):
            yield self._content[start : min(start + chunk_bytes, end)]

    def close(self) -> None:
        pass

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _show(state: MemoryState, content: bytes, expected: Digest) -> None:
    actual = Digest.of(content)
    if actual != expected:
        raise DigestMismatch(actual=actual, expected=expected)
    with state.lock:
        state.blobs[expected] = (content, datetime.now(UTC))
