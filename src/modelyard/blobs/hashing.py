"""Streams of bytes gathered into larger pieces, and a sha256 that runs next to the write of the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from modelyard.blobs.store import Chunk
from modelyard.domain.digest import Digest

BATCH_BYTES = 2 << 20


class Sha256(Protocol):
    """The type of hashlib.sha256()."""

    def update(self, data: Chunk, /) -> None: ...

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


def groups(
    chunks: Iterable[Chunk], group_bytes: int = BATCH_BYTES, most_chunks: int | None = None
) -> Iterator[list[Chunk]]:
    """Yield the chunks in groups of `group_bytes` or `most_chunks`; no group is empty.

    Writable buffers are copied, because the hash may still read one when the source reuses it.
    If the source fails, its earlier chunks are yielded first, and then its error is raised.
    """
    waiting: list[Chunk] = []
    waiting_bytes = 0
    try:
        for chunk in chunks:
            if not chunk:
                continue
            waiting.append(chunk if memoryview(chunk).readonly else bytes(chunk))
            waiting_bytes += len(chunk)
            if waiting_bytes >= group_bytes or len(waiting) == most_chunks:
                group, waiting, waiting_bytes = waiting, [], 0
                yield group
    except Exception:
        if waiting:
            yield waiting
        raise
    if waiting:
        yield waiting


def batches(chunks: Iterable[Chunk], batch_bytes: int = BATCH_BYTES) -> Iterator[bytes]:
    """Yield the same bytes in pieces of at least `batch_bytes`, except the last; errors as in `groups`."""
    for group in groups(chunks, batch_bytes):
        yield b"".join(group)


class HashBeside:
    """Feeds a sha256 from its own thread, at most one group behind; small groups need no thread.

    hashlib lets other threads run while it works, so the caller can write a group while it is hashed.
    Leave the `with` block before reading the digest.
    """

    def __init__(self, sha: Sha256) -> None:
        self._sha = sha
        self._thread: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def update(self, group: Sequence[Chunk]) -> None:
        self.wait()
        if sum(map(len, group)) < BATCH_BYTES:
            self._update(group)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "sha256")
        self._running = self._thread.submit(self._update, group)

    def wait(self) -> None:
        if self._running is not None:
            self._running.result()
            self._running = None

    def _update(self, group: Sequence[Chunk]) -> None:
        for chunk in group:
            self._sha.update(chunk)

    def __enter__(self) -> HashBeside:
        return self

    def __exit__(self, *exc: object) -> None:
        self.wait()
        if self._thread is not None:
            self._thread.shutdown()
