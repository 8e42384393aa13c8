"""Blobs in a local folder: plain files, atomic by rename, durable by fsync.

The order is always the same: write under a temporary name, verify, fsync the file, rename, fsync the folder. A kill
at any point leaves only complete blobs, and files that the sweep removes.
"""

from __future__ import annotations

import errno
import os
import sys
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import msgspec

from modelyard.blobs import layout
from modelyard.blobs.hashing import HashBeside, Sha256, digest_of, digest_of_chunks, groups, new_sha256
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

if sys.platform != "win32":
    import fcntl

# EFBIG: a file system or a process limit refuses files of this size; the remedy is the same.
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BINARY = getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | _BINARY
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY
_STAGED = os.O_RDWR | os.O_APPEND | _BINARY
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_READ_BYTES = 4 << 20
_REMEMBERED_UPLOADS = 4096
_MOST_CHUNKS = 512
"""Most chunks that one call writes; systems allow 1024 or more."""
_SYNC_EVERY_BYTES = 24 << 20
"""Of a piece as clients send it, 64 MiB, the last sync is then over when the piece is."""


@contextmanager
def _our_errors(what: str) -> Iterator[None]:
    """Convert errors of the file system into ours; wrap only our own calls, never the caller's chunks."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFull(what=what) from error
        raise BlobStoreUnavailable() from error


class _Running(msgspec.Struct, frozen=True):
    """The sha256 of a staged file as this process left it; invalid once the file has changed."""

    sha: Sha256
    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, sha: Sha256, state: os.stat_result) -> _Running:
        return cls(sha, state.st_ino, state.st_size, state.st_mtime_ns)

    def is_of(self, state: os.stat_result) -> bool:
        return (self.inode, self.size_bytes, self.modified_ns) == (
            state.st_ino,
            state.st_size,
            state.st_mtime_ns,
        )


class FilesystemStore:
    """A BlobStore under `root`/blobs; safe in threads, and in many processes on one folder."""

    def __init__(self, root: Path | str) -> None:
        """Create the folders at first use. Raises BlobFormatUnknown, BlobStoreUnavailable, DiskFull."""
        self._root = Path(root).absolute()
        self._running: OrderedDict[str, _Running] = OrderedDict()
        self._running_lock = Lock()
        with _our_errors("the blob store"):
            if self._at(layout.FORMAT_KEY).exists():
                self._check_format()
            self._root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            for folder in ("blobs", layout.BLOBS, layout.STAGING, layout.TEMPORARY):
                self._at(folder).mkdir(mode=_FOLDER_MODE, exist_ok=True)
            self._write_format()

    # --- whole blobs ------------------------------------------------------------------------------

    def put(self, chunks: Iterable[Chunk], expected: Digest, size_bytes: int | None = None) -> int:
        temporary = self._at(layout.temporary_key(uuid.uuid4().hex))
        sha = new_sha256()
        written = 0
        with _our_errors("a file"):
            fd = _open_locked(temporary, _CREATE, temporary.name)
        try:
            with HashBeside(sha) as beside, _Writer(fd, "a file") as writer:
                for group in groups(chunks, most_chunks=_MOST_CHUNKS):
                    written += sum(map(len, group))
                    if size_bytes is not None and written > size_bytes:
                        raise SizeMismatch(actual=written, expected=size_bytes)
                    beside.update(group)
                    with _our_errors("a file"):
                        writer.write(group)
            _compare(written, size_bytes, digest_of(sha), expected)
            with _our_errors("a file"):
                os.fsync(fd)
                self._publish(temporary, expected)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        finally:
            os.close(fd)
        return written

    def open(self, digest: Digest) -> BlobReader:
        try:
            fd = os.open(self._at(layout.blob_key(digest)), _READ)
        except FileNotFoundError as error:
            raise BlobNotFound(digest=digest) from error
        except OSError as error:
            raise BlobStoreUnavailable() from error
        return _FileReader(fd)

    def stat(self, digest: Digest) -> StoredBlob | None:
        try:
            state = self._at(layout.blob_key(digest)).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BlobStoreUnavailable() from error
        return _stored(digest, state)

    def delete(self, digest: Digest) -> bool:
        path = self._at(layout.blob_key(digest))
        with _our_errors("a deletion"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            _fsync_folder(path.parent)
        return True

    def list(self) -> Iterator[StoredBlob]:
        with _our_errors("a listing"):
            folders = sorted(self._at(layout.BLOBS).iterdir())
        for folder in folders:
            # At most one of the 256 folders is in memory, and the scan never runs a caller's code.
            with _our_errors("a listing"):
                yield_now = list(_scan(folder))
            yield from yield_now

    def verify(self, digest: Digest) -> None:
        with self.open(digest) as reader:
            if digest_of_chunks(reader.chunks(chunk_bytes=_READ_BYTES)) != digest:
                raise BlobCorrupt(digest=digest)

    def local_path(self, digest: Digest) -> Path | None:
        path = self._at(layout.blob_key(digest))
        return path if path.is_file() else None

    def presigned_url(self, digest: Digest, expires_in_seconds: int, filename: str | None = None) -> str | None:
        return None

    # --- uploads under way ------------------------------------------------------------------------

    def stage(self, upload_id: str) -> StagedUpload:
        return _StagedFile(self, layout.check_upload_id(upload_id))

    def sweep_staging(self, older_than: datetime) -> int:
        removed = 0
        with _our_errors("a sweep"):
            for path in list(self._at(layout.TEMPORARY).iterdir()):
                removed += _remove_if_older(path, older_than)
            for path in list(self._at(layout.STAGING).iterdir()):
                gone = _remove_if_older(path, older_than)
                removed += gone and path.suffix != layout.DONE_SUFFIX
        return removed

    def check(self) -> None:
        self._check_format()
        probe = self._at(layout.temporary_key(uuid.uuid4().hex))
        try:
            fd = os.open(probe, _CREATE, _FILE_MODE)
            try:
                _write_all(fd, b"probe")
                os.fsync(fd)
            finally:
                os.close(fd)
                found = probe.read_bytes()
                probe.unlink()
        except OSError as error:
            fix = "Free space on the server" if error.errno in _NO_SPACE else None
            raise BlobStoreUnavailable(fix=fix) from error
        if found != b"probe":
            raise BlobStoreUnavailable(fix="The folder returns other bytes than were written to it")

    def close(self) -> None:
        with self._running_lock:
            self._running.clear()

    # --- internals --------------------------------------------------------------------------------

    def _at(self, key: str) -> Path:
        return self._root / key

    def _write_format(self) -> None:
        path = self._at(layout.FORMAT_KEY)
        if path.exists():
            return
        temporary = self._at(layout.temporary_key(uuid.uuid4().hex))
        fd = os.open(temporary, _CREATE, _FILE_MODE)
        try:
            _write_all(fd, layout.format_line())
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
        _fsync_folder(path.parent)

    def _check_format(self) -> None:
        # This file also distinguishes an empty store from a folder that is currently not mounted.
        with _our_errors("the blob store"):
            layout.check_format(self._at(layout.FORMAT_KEY).read_bytes())

    def _publish(self, source: Path, digest: Digest) -> None:
        """Rename a verified and synced file to its name as a blob, durably."""
        target = self._at(layout.blob_key(digest))
        if not target.parent.is_dir():
            target.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            _fsync_folder(target.parent.parent)
        source.replace(target)
        _fsync_folder(target.parent)

    def _remember(self, upload_id: str, running: _Running) -> None:
        with self._running_lock:
            self._running[upload_id] = running
            if len(self._running) > _REMEMBERED_UPLOADS:
                self._running.popitem(last=False)

    def _recall(self, upload_id: str, state: os.stat_result) -> Sha256 | None:
        """Take the remembered sha256 of exactly the bytes of this file; None if it is unknown."""
        with self._running_lock:
            running = self._running.pop(upload_id, None)
        return running.sha if running is not None and running.is_of(state) else None


class _StagedFile:
    def __init__(self, store: FilesystemStore, upload_id: str) -> None:
        self._store = store
        self._id = upload_id
        self._path = store._at(layout.staging_key(upload_id))
        self._done = store._at(layout.done_key(upload_id))

    def size(self) -> int:
        with _our_errors("an upload"):
            try:
                return self._path.stat().st_size
            except FileNotFoundError:
                return 0

    def append(self, chunks: Iterable[Chunk]) -> int:
        with _our_errors("an upload"):
            fd = _open_locked(self._path, _APPEND, self._id)
        try:
            with _our_errors("an upload"):
                self._done.unlink(missing_ok=True)
                state = os.fstat(fd)
            sha = self._store._recall(self._id, state) or (new_sha256() if state.st_size == 0 else None)
            try:
                # Without the sha256 of the earlier bytes, hashing the new ones is useless: commit reads all of them.
                with HashBeside(sha or _NoHash()) as beside, _Writer(fd, "an upload") as writer:
                    for group in groups(chunks, most_chunks=_MOST_CHUNKS):
                        beside.update(group)
                        with _our_errors("an upload"):
                            writer.write(group)
            finally:
                if writer.failed:
                    sha = None  # the hashed bytes and those in the file may differ
                if writer.sync_failed:
                    # The system reports the error only once, so a later commit would consider the file complete.
                    os.ftruncate(fd, 0)
                state = os.fstat(fd)
                if sha is not None:
                    self._store._remember(self._id, _Running.of(sha, state))
            return state.st_size
        finally:
            os.close(fd)

    def commit(self, expected: Digest, size_bytes: int) -> None:
        with _our_errors("an upload"):
            try:
                fd = _open_locked(self._path, _STAGED, self._id)
            except FileNotFoundError:
                fd = -1
        if fd < 0:
            self._commit_without_bytes(expected, size_bytes)
            return
        try:
            with _our_errors("an upload"):
                state = os.fstat(fd)
                sha = self._store._recall(self._id, state)
                if sha is None and state.st_size == size_bytes:
                    sha = new_sha256()
                    with HashBeside(sha) as beside:
                        for chunk in _read(fd, 0, state.st_size, _READ_BYTES):
                            beside.update([chunk])
                try:
                    _compare(state.st_size, size_bytes, digest_of(sha or new_sha256()), expected)
                except (SizeMismatch, DigestMismatch):
                    if sha is not None:
                        self._store._remember(self._id, _Running.of(sha, state))
                    raise
                os.utime(fd if os.utime in os.supports_fd else self._path)
                os.fsync(fd)
                # The mark precedes the rename: after a crash between them the staged bytes remain, and are checked first.
                self._mark_done(expected)
                self._store._publish(self._path, expected)
        finally:
            os.close(fd)

    def discard(self) -> None:
        with _our_errors("an upload"):
            self._done.unlink(missing_ok=True)
            try:
                fd = _open_locked(self._path, _STAGED, self._id)
            except FileNotFoundError:
                return
            try:
                self._store._recall(self._id, os.fstat(fd))
                self._path.unlink()
            finally:
                os.close(fd)

    def _commit_without_bytes(self, expected: Digest, size_bytes: int) -> None:
        """Commit if nothing is staged: a repeated commit, an empty upload, or one that never had the bytes."""
        with _our_errors("an upload"):
            try:
                done = self._done.read_text("ascii")
            except FileNotFoundError:
                done = None
        if done == expected:
            blob = self._store.stat(expected)
            if blob is not None:
                _compare(blob.size_bytes, size_bytes, expected, expected)
                with _our_errors("an upload"), suppress(FileNotFoundError):
                    os.utime(self._store._at(layout.blob_key(expected)))
                return
        _compare(0, size_bytes, Digest.of(b""), expected)
        self._store.put((), expected, 0)
        with _our_errors("an upload"):
            self._mark_done(expected)

    def _mark_done(self, digest: Digest) -> None:
        # Not synced: if a power failure loses it, the client only repeats a commit that it got no answer for.
        fd = os.open(self._done, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, _FILE_MODE)
        try:
            _write_all(fd, digest.encode("ascii"))
        finally:
            os.close(fd)


class _NoHash:
    def update(self, data: Chunk, /) -> None:
        pass

    def hexdigest(self) -> str:
        raise AssertionError("these bytes were not hashed")


class _FileReader:
    """Reads an open file by offset, so that threads can share it and a deletion does not interrupt it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size_bytes = os.fstat(fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        with _our_errors("a read"):
            return b"".join(_read(self._fd, offset, length, length))

    def chunks(self, offset: int = 0, length: int | None = None, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        rest = self.size_bytes - offset if length is None else length
        pieces = _read(self._fd, offset, rest, chunk_bytes)
        while True:
            with _our_errors("a read"):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _read(fd: int, offset: int, length: int, chunk_bytes: int) -> Iterator[bytes]:
    end = offset + length
    while offset < end:
        piece = _read_at(fd, min(chunk_bytes, end - offset), offset)
        if not piece:
            return
        offset += len(piece)
        yield piece


if hasattr(os, "pread"):

    def _read_at(fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

else:
    _seek_lock = Lock()

    def _read_at(fd: int, length: int, offset: int) -> bytes:
        with _seek_lock:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, length)


class _Writer:
    """Writes groups of chunks, and starts writing to disk long before the final fsync.

    Systems hold dirty pages back for many seconds, so without this the disk would first be idle, and then everything
    would wait for it.
    """

    def __init__(self, fd: int, what: str) -> None:
        self._fd = fd
        self._what = what
        self._unsynced_bytes = 0
        self._thread: ThreadPoolExecutor | None = None
        self._syncing: Future[None] | None = None
        self.failed = False
        self.sync_failed = False
        """Some page of the file never reached the disk; it is unknown which one."""

    def write(self, group: Sequence[Chunk]) -> None:
        try:
            self._unsynced_bytes += _write_group(self._fd, group)
            if self._unsynced_bytes >= _SYNC_EVERY_BYTES and (self._syncing is None or self._syncing.done()):
                self._wait()
                self._thread = self._thread or ThreadPoolExecutor(1, "sync")
                self._syncing = self._thread.submit(_fdatasync, self._fd)
                self._unsynced_bytes = 0
        except BaseException:
            self.failed = True
            raise

    def _wait(self) -> None:
        # Remembered, because a system reports a failed write to only one sync; the last one would not see it.
        if self._syncing is not None:
            syncing, self._syncing = self._syncing, None
            try:
                syncing.result()
            except OSError:
                self.sync_failed = True
                raise

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            with _our_errors(self._what):
                self._wait()
        except BaseException:
            self.failed = True
            raise
        finally:
            if self._thread is not None:
                self._thread.shutdown()


_fdatasync = getattr(os, "fdatasync", os.fsync)


def _write_group(fd: int, group: Sequence[Chunk]) -> int:
    """Write all chunks and return the number of bytes."""
    size = sum(map(len, group))
    written = os.writev(fd, group) if hasattr(os, "writev") else 0
    for chunk in group:
        # This loop writes the rest after a full disk or a signal interrupted the first call.
        if written < len(chunk):
            _write_all(fd, chunk[written:])
        written = max(0, written - len(chunk))
    return size


def _write_all(fd: int, data: Chunk) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _compare(size_bytes: int, expected_size: int | None, digest: Digest, expected: Digest) -> None:
    if expected_size is not None and size_bytes != expected_size:
        raise SizeMismatch(actual=size_bytes, expected=expected_size)
    if digest != expected:
        raise DigestMismatch(actual=digest, expected=expected)


def _fsync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return  # a folder cannot be opened on Windows; NTFS journals its own renames
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _open_locked(path: Path, flags: int, upload_id: str) -> int:
    """Open a file for one writer alone. Raises Busy, OSError.

    The lock separates a slow writer from the sweep, and two writers from each other. A request may hang while its
    client returns with another one and completes the blob; the hung request must then not add bytes to it. So after
    locking, a check of the path shows whether the file was renamed.
    """
    while True:
        fd = os.open(path, flags, _FILE_MODE)
        if sys.platform == "win32":
            return fd
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(fd)):
                    return fd
        except BlockingIOError as error:
            os.close(fd)
            raise Busy(reason=f"another request is writing the upload {upload_id}") from error
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _remove_if_older(path: Path, older_than: datetime) -> bool:
    try:
        fd = _open_locked(path, _STAGED, path.name)
    except (FileNotFoundError, Busy):
        return False
    try:
        if os.fstat(fd).st_mtime >= older_than.timestamp():
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(fd)


def _scan(folder: Path) -> Iterator[StoredBlob]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            digest = layout.digest_of_name(entry.name)
            if digest is None:
                continue
            with suppress(FileNotFoundError):
                yield _stored(digest, entry.stat(follow_symlinks=False))


def _stored(digest: Digest, state: os.stat_result) -> StoredBlob:
    return StoredBlob(digest, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))
