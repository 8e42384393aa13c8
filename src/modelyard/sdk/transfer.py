"""Bytes to the server: ask which are missing, send those in parallel, and resume after any interruption.

If the connection, the server or this program fails, the server keeps the bytes that have arrived, and the next try or
the next push resumes there. A file up to the size of the server's pieces is first sent whole, in one request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO

from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    BytesWithheld,
    DigestMismatch,
    FileChanged,
    Kind,
    ModelyardError,
    OffsetMismatch,
    ServerUnreachable,
    SizeMismatch,
    UnlawfulFile,
    UploadNotFound,
)
from modelyard.sdk.files import BLOCK_BYTES, LocalFile
from modelyard.sdk.http import Patience, Reply, Transport, at
from modelyard.sdk.parallel import Stop, check, each
from modelyard.sdk.progress import Progress
from modelyard.wire import uploads as wire

_ASK_AT_ONCE = 5_000
_FINISH_SECONDS = 900.0
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Missing:
    digests: frozenset[Digest]
    chunk_bytes: int


@dataclass(frozen=True, slots=True)
class Announced:
    """A version that is registered once its files are sent, so that the server can refuse it before."""

    namespace: str
    size_bytes: int


def find_missing(transport: Transport, sizes: dict[Digest, int], announced: Announced | None = None) -> Missing:
    """Return the blobs that the server needs from us. Raises QuotaExceeded if what is announced is too large."""
    entries = [wire.BlobEntry(digest=digest, size_bytes=size) for digest, size in sizes.items()]
    missing: set[Digest] = set()
    chunk_bytes = BLOCK_BYTES
    for start in range(0, len(entries), _ASK_AT_ONCE):
        answer: wire.MissingAnswer = transport.call(
            "POST",
            at("blobs", "missing"),
            body=wire.MissingQuery(
                blobs=entries[start : start + _ASK_AT_ONCE],
                namespace=announced.namespace if announced else None,
                version_bytes=announced.size_bytes if announced else None,
            ),
            returns=wire.MissingAnswer,
        )
        missing.update(Digest.parse(digest) for digest in answer.missing)
        chunk_bytes = max(BLOCK_BYTES, answer.chunk_bytes)
    return Missing(frozenset(missing), chunk_bytes)


def send_missing(
    transport: Transport,
    files: Sequence[tuple[LocalFile, Digest]],
    parallel: int,
    progress: Progress,
    announced: Announced | None = None,
) -> int:
    """Send the files that the server lacks; return their number.

    Raises FileChanged; BytesWithheld, with the path; QuotaExceeded before anything is sent; or what the server or the
    network refuse for good.
    """
    by_digest = {digest: file for file, digest in files}
    sizes = {digest: file.size_bytes for digest, file in by_digest.items()}
    try:
        missing = find_missing(transport, sizes, announced)
    except BytesWithheld as error:
        withheld = by_digest.get(Digest(str(error.fields.get("digest"))))
        if withheld is None:
            raise
        raise BytesWithheld.rebuild(f"{withheld.path}: {error.message}", error.fix, error.fields) from error
    todo = [(by_digest[digest], digest) for digest in by_digest if digest in missing.digests]
    if not todo:
        return 0
    # Largest first, so that no thread is left with a large one at the end.
    todo.sort(key=lambda pair: -pair[0].size_bytes)
    progress.begin("upload", sum(file.size_bytes for file, _ in todo))

    def send(pair: tuple[LocalFile, Digest], stop: Stop) -> None:
        file, digest = pair
        sender = _Sender(transport, file, digest, missing.chunk_bytes, stop, progress)
        sender.send()

    try:
        each(todo, send, parallel)
    finally:
        progress.end()
    return len(todo)


@contextmanager
def _own_failures(file: LocalFile) -> Iterator[None]:
    """Distinguish a file that cannot be read from a broken connection; both raise OSError."""
    try:
        yield
    except OSError as exc:
        raise UnlawfulFile(path=file.path, reason=f"it cannot be read: {exc.strerror}") from exc


def _reading(file: LocalFile) -> FileIO:
    with _own_failures(file):
        return FileIO(file.source)


class _Sender:
    """The upload of one file."""

    def __init__(
        self,
        transport: Transport,
        file: LocalFile,
        digest: Digest,
        chunk_bytes: int,
        stop: Stop,
        progress: Progress,
    ) -> None:
        self._transport = transport
        self._file = file
        self._digest = digest
        self._chunk_bytes = chunk_bytes
        self._stop = stop
        self._progress = progress
        self._told = self._arrived = self._cuts = 0
        self._patience = transport.transfer_patience()

    def send(self) -> None:
        self._file.check_unchanged()
        try:
            if self._file.size_bytes > self._chunk_bytes or not self._send_whole():
                self._send_in_pieces()
        except (DigestMismatch, SizeMismatch) as exc:
            raise FileChanged(path=self._file.path) from exc
        except ServerUnreachable as exc:
            if not self._told:
                raise
            # The address is right, because bytes went through.
            raise ServerUnreachable(
                url=self._transport.url,
                reason=f"the connection broke {self._cuts} times while {self._file.path} was sent, and "
                f"{self._arrived} of its {self._file.size_bytes} bytes have arrived",
                fix="Run the same command again; it resumes there",
            ) from exc
        self._file.check_unchanged()

    def _tell(self, arrived: int) -> None:
        self._progress.advance(arrived - self._told)
        self._told = arrived

    def _blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """Return the file's bytes from start to end. Raises FileChanged when it has fewer."""
        self._tell(start)
        block = bytearray(min(BLOCK_BYTES, max(1, end - start)))
        view = memoryview(block)
        with _reading(self._file) as source:
            source.seek(start)
            while start < end:
                check(self._stop)
                with _own_failures(self._file):
                    count = source.readinto(view[: min(len(view), end - start)])
                if not count:
                    raise FileChanged(path=self._file.path)
                yield view[:count]
                start += count
                self._tell(start)

    def _send_whole(self) -> bool:
        """Send the file in one request, once; return whether that worked. If not, it continues in pieces."""
        size = self._file.size_bytes
        headers = {"content-type": _OCTETS, "content-length": str(size)}
        try:
            self._transport.send(
                "PUT",
                at("blobs", self._digest),
                headers=headers,
                body=lambda: self._blocks(0, size),
                timeout_seconds=_FINISH_SECONDS,
                patience=Patience(0),
            )
        except ModelyardError as exc:
            if exc.kind not in (Kind.BUSY, Kind.UNAVAILABLE):
                raise
            self._cuts += 1
            self._patience.wait(exc)
            return False
        self._tell(size)
        return True

    def _send_in_pieces(self) -> None:
        begun_anew = False
        while True:
            upload = self._start()
            try:
                self._append_all(upload)
                self._finish(upload)
                return
            except DigestMismatch:
                # The bytes that arrived are wrong, perhaps because the file has changed since an earlier try.
                self._file.check_unchanged()
                self._transport.call("DELETE", at("uploads", upload.id))
                if begun_anew:
                    raise
                begun_anew = True
            except UploadNotFound as exc:
                # It expired, or it was finished by a request whose answer was lost.
                check(self._stop)
                if not find_missing(self._transport, {self._digest: self._file.size_bytes}).digests:
                    self._tell(self._file.size_bytes)
                    return
                self._patience.wait(exc)

    def _start(self) -> wire.Upload:
        """Start a new upload, or continue the one of an earlier try."""
        body = wire.StartUpload(digest=self._digest, size_bytes=self._file.size_bytes)
        return self._transport.call("POST", at("uploads"), body=body, returns=wire.Upload)

    def _append_all(self, upload: wire.Upload) -> None:
        offset, size = upload.offset, self._file.size_bytes
        while offset < size:
            check(self._stop)
            try:
                arrived = self._append(upload, offset, min(size, offset + self._chunk_bytes))
            except OffsetMismatch as exc:
                arrived = self._ask_offset(upload)
                if arrived == offset:
                    self._patience.wait(exc)
            except ModelyardError as exc:
                if exc.kind not in (Kind.BUSY, Kind.UNAVAILABLE):
                    raise
                self._cuts += 1
                self._patience.wait(exc)
                arrived = self._ask_offset(upload)
            if arrived > offset:
                self._arrived = arrived
                self._patience.progress()
            offset = arrived
        self._tell(size)

    def _append(self, upload: wire.Upload, start: int, end: int) -> int:
        reply: Reply = self._transport.send(
            "PATCH",
            at("uploads", upload.id),
            headers={
                "content-type": _OCTETS,
                "content-length": str(end - start),
                "upload-offset": str(start),
            },
            body=lambda: self._blocks(start, end),
            timeout_seconds=_FINISH_SECONDS,
            # A broken piece is not simply sent again: the offset is requested first.
            patience=Patience(0),
        )
        answer: wire.Upload = self._transport.decode(reply, wire.Upload, at("uploads", upload.id))
        return answer.offset

    def _ask_offset(self, upload: wire.Upload) -> int:
        reply = self._transport.send("GET", at("uploads", upload.id), patience=self._patience)
        answer: wire.Upload = self._transport.decode(reply, wire.Upload, at("uploads", upload.id))
        return answer.offset

    def _finish(self, upload: wire.Upload) -> None:
        self._transport.send(
            "POST",
            at("uploads", upload.id, "finish"),
            timeout_seconds=_FINISH_SECONDS,
            patience=self._patience,
        )
