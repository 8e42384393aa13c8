"""Streams of bytes cut into batches, and a sha256 that runs beside the write of the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from modelyard.domain.digest import Digest

BATCH_BYTES = 4 << 20


class Sha256(Protocol):
    """What hashlib.sha256() gives."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def new_sha256() -> Sha256:
    return hashlib.sha256()


def digest_of(sha: Sha256) -> Digest:
    return Digest.from_hex(sha.hexdigest())


def digest_of_chunks(chunks: Iterable[bytes]) -> Digest:
    sha = new_sha256()
    for chunk in chunks:
        sha.update(chunk)
    return digest_of(sha)


def batches(chunks: Iterable[bytes], batch_bytes: int = BATCH_BYTES) -> Iterator[bytes]:
    """The same bytes, in pieces of at least `batch_bytes` but for the last; none is empty.

    When the source fails, what it gave before comes out first and its error after that.
    """
    waiting: list[bytes] = []
    waiting_bytes = 0
    try:
        for chunk in chunks:
            # A copy of anything but bytes: the hash may still read it when the source reuses its buffer.
            waiting.append(bytes(chunk))
            waiting_bytes += len(chunk)
            if waiting_bytes >= batch_bytes:
                batch = waiting[0] if len(waiting) == 1 else b"".join(waiting)
                waiting, waiting_bytes = [], 0
                yield batch
    except Exception:
        if waiting_bytes:
            yield b"".join(waiting)
        raise
    if waiting_bytes:
        yield b"".join(waiting)


class HashBeside:
    """Feeds a sha256 from a thread of its own, at most one batch behind; small batches need no thread.

    hashlib lets other threads run while it works, so the caller can write a batch while it is hashed.
    Leave the `with` block before reading the digest.
    """

    def __init__(self, sha: Sha256) -> None:
        self._sha = sha
        self._thread: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def update(self, batch: bytes) -> None:
        self.wait()
        if len(batch) < BATCH_BYTES:
            self._sha.update(batch)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "sha256")
        self._running = self._thread.submit(self._sha.update, batch)

    def wait(self) -> None:
        if self._running is not None:
            self._running.result()
            self._running = None

    def __enter__(self) -> HashBeside:
        return self

    def __exit__(self, *exc: object) -> None:
        self.wait()
        if self._thread is not None:
            self._thread.shutdown()
