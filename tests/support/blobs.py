"""Each implementation of the store of bytes with hooks that its border does not offer."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelyard.blobs.filesystem import FilesystemStore
from modelyard.blobs.memory import MemoryStore
from modelyard.blobs.store import BlobStore
from modelyard.domain.digest import Digest
from modelyard.domain.errors import ModelyardError
from tests.support.s3 import S3Server


@dataclass
class BlobStoreUnderTest:
    """A fresh, empty store and what a test may do behind its back."""

    store: BlobStore
    reopen: Callable[[], BlobStore]
    """The same store as another process would open it."""
    corrupt: Callable[[Digest], None]
    """Flip one bit in the middle of a blob."""
    age: Callable[[], datetime]
    """Make everything in the store look older than what is written next; a moment between the two."""
    leftovers: Callable[[], list[str]]
    """Temporary and staged things, which a finished test must not leave."""


EMPTY = Digest.of(b"")
SIZES = (0, 1, 4095, (1 << 20) + 3, (4 << 20), (12 << 20) + 17)


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(f"{seed}/{size}").randbytes(size)


def cut(data: bytes, chunk_bytes: int = 65536) -> Iterator[bytes]:
    for start in range(0, len(data), chunk_bytes):
        yield data[start : start + chunk_bytes]


def an_id() -> str:
    return str(uuid.uuid4())


def content(under_test: BlobStoreUnderTest, digest: Digest) -> bytes:
    with under_test.store.open(digest) as reader:
        return b"".join(reader.chunks())


class ConnectionLost(OSError):
    """What a source of chunks raises; an OSError, since sockets raise those."""


def broken_after(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise ConnectionLost("gone")


def in_threads(*tasks: Callable[[], object]) -> list[object]:
    """Each task's result, or the exception it raised."""
    results: list[object] = [None] * len(tasks)
    barrier = threading.Barrier(len(tasks))

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = tasks[index]()
        except (ModelyardError, OSError) as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


_A_DAY = timedelta(days=1)


def flip_a_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def filesystem_under_test(root: Path) -> BlobStoreUnderTest:
    store = FilesystemStore(root)

    def corrupt(digest: Digest) -> None:
        path = store.local_path(digest)
        assert path is not None
        path.write_bytes(flip_a_bit(path.read_bytes()))

    def age() -> datetime:
        for path in root.rglob("*"):
            if path.is_file():
                state = path.stat()
                os.utime(path, (state.st_atime, state.st_mtime - _A_DAY.total_seconds()))
        return datetime.now(UTC) - _A_DAY / 2

    def leftovers() -> list[str]:
        return [str(path) for folder in ("blobs/staging", "blobs/tmp") for path in (root / folder).iterdir()]

    return BlobStoreUnderTest(store, lambda: FilesystemStore(root), corrupt, age, leftovers)


def memory_under_test() -> BlobStoreUnderTest:
    store = MemoryStore()
    state = store.state

    def corrupt(digest: Digest) -> None:
        data, modified_at = state.blobs[digest]
        state.blobs[digest] = (flip_a_bit(data), modified_at)

    def age() -> datetime:
        for digest, (data, modified_at) in state.blobs.items():
            state.blobs[digest] = (data, modified_at - _A_DAY)
        for staged in state.staged.values():
            staged.written_at -= _A_DAY
        return datetime.now(UTC) - _A_DAY / 2

    return BlobStoreUnderTest(store, lambda: MemoryStore(state), corrupt, age, lambda: list(state.staged))


def s3_under_test(server: S3Server, bucket: str) -> BlobStoreUnderTest:
    """The caller has put the server's credentials into the environment."""
    from modelyard.blobs import layout, s3

    prefix = f"some/prefix-{uuid.uuid4().hex[:8]}"
    url = server.url(bucket, prefix)
    store = s3.from_url(url)

    def corrupt(digest: Digest) -> None:
        key = layout.blob_key(digest)
        store.bucket.put(key, flip_a_bit(bytes(store.bucket.get(key).bytes())))

    def age() -> datetime:
        # Times in S3 are whole seconds, rounded up or down.
        limit = int(time.time()) + 1.5
        time.sleep(2.1)
        return datetime.fromtimestamp(limit, UTC)

    def leftovers() -> list[str]:
        listed = [
            meta["path"]
            for folder in (layout.STAGING, layout.TEMPORARY)
            for page in store.bucket.list(folder)
            for meta in page
        ]
        return listed + [each for each in server.unfinished_uploads(bucket) if each.startswith(prefix)]

    return BlobStoreUnderTest(store, lambda: s3.from_url(url), corrupt, age, leftovers)
