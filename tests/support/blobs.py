"""Each implementation of the store of bytes with hooks that its border does not offer."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from modelyard.blobs.filesystem import FilesystemStore
from modelyard.blobs.memory import MemoryStore
from modelyard.blobs.store import BlobStore
from modelyard.domain.digest import Digest


@dataclass
class BlobStoreUnderTest:
    """A fresh, empty store and what a test may do behind its back."""

    store: BlobStore
    reopen: Callable[[], BlobStore]
    """The same store as another process would open it."""
    corrupt: Callable[[Digest], None]
    """Flip one bit in the middle of a blob."""
    age: Callable[[timedelta], None]
    """Make everything in the store look older by this much."""
    leftovers: Callable[[], list[str]]
    """Temporary and staged things, which a finished test must not leave."""


def flip_a_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def filesystem_under_test(root: Path) -> BlobStoreUnderTest:
    store = FilesystemStore(root)

    def corrupt(digest: Digest) -> None:
        path = store.local_path(digest)
        assert path is not None
        path.write_bytes(flip_a_bit(path.read_bytes()))

    def age(by: timedelta) -> None:
        for path in root.rglob("*"):
            if path.is_file():
                state = path.stat()
                os.utime(path, (state.st_atime, state.st_mtime - by.total_seconds()))

    def leftovers() -> list[str]:
        return [str(path) for folder in ("blobs/staging", "blobs/tmp") for path in (root / folder).iterdir()]

    return BlobStoreUnderTest(store, lambda: FilesystemStore(root), corrupt, age, leftovers)


def memory_under_test() -> BlobStoreUnderTest:
    store = MemoryStore()
    state = store.state

    def corrupt(digest: Digest) -> None:
        data, modified_at = state.blobs[digest]
        state.blobs[digest] = (flip_a_bit(data), modified_at)

    def age(by: timedelta) -> None:
        for digest, (data, modified_at) in state.blobs.items():
            state.blobs[digest] = (data, modified_at - by)
        for staged in state.staged.values():
            staged.written_at -= by

    return BlobStoreUnderTest(store, lambda: MemoryStore(state), corrupt, age, lambda: list(state.staged))
