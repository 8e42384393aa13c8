"""How fast the folder store takes and gives bytes, against the plainest Python that does the same work.

    python benchmarks/blobs.py [--mib 1024] [--rounds 5] [--folder DIR]

Rounds of the contenders take turns in one process, so that a busy machine harms all of them alike; the
figures are medians. The budget of `put` and of `append` + `commit` is 0.8 of the plain loop or more.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from modelyard.blobs.filesystem import FilesystemStore
from modelyard.domain.digest import Digest

MIB = 1 << 20


def source(block: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield block


def plain_write(path: Path, chunks: Iterator[bytes]) -> str:
    sha = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in chunks:
            sha.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return sha.hexdigest()


def plain_read(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while chunk := file.read(MIB):
            total += len(chunk)
    return total


def timed(task: Callable[[], object]) -> float:
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the temporary folder")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="blobs-", dir=options.folder))
    try:
        measure(folder, options.mib, options.rounds)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, mib: int, rounds: int) -> None:
    store = FilesystemStore(folder / "store")
    block = os.urandom(MIB)
    sha = hashlib.sha256()
    for chunk in source(block, mib):
        sha.update(chunk)
    digest, size_bytes, plain = Digest.from_hex(sha.hexdigest()), mib * MIB, folder / "plain"

    def put(chunk_bytes: int) -> None:
        pieces = [block[i : i + chunk_bytes] for i in range(0, MIB, chunk_bytes)]
        store.put((piece for _ in range(mib) for piece in pieces), digest, size_bytes)

    def staged() -> None:
        upload = store.stage(str(uuid.uuid4()))
        upload.append(source(block, mib))
        upload.commit(digest, size_bytes)
        upload.discard()

    def read() -> None:
        with store.open(digest) as reader:
            assert sum(map(len, reader.chunks())) == size_bytes

    writers: dict[str, Callable[[], object]] = {
        "plain sha256 + write + fsync": lambda: plain_write(plain, source(block, mib)),
        "put, chunks of 1 MiB": lambda: put(MIB),
        "put, chunks of 64 KiB": lambda: put(65536),
        "stage, append, commit": staged,
    }
    readers: dict[str, Callable[[], object]] = {
        "plain read": lambda: plain_read(plain),
        "open, chunks": read,
        "verify": lambda: store.verify(digest),
    }
    for contenders in (writers, readers):
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, task in contenders.items():
                if contenders is writers:
                    # Each from an empty disk: freeing the pages of the file before is not its work.
                    plain.unlink(missing_ok=True)
                    store.delete(digest)
                    os.sync()
                seconds[name].append(timed(task))
        if contenders is writers:
            plain_write(plain, source(block, mib))
        base = statistics.median(next(iter(seconds.values())))
        for name, each in seconds.items():
            median = statistics.median(each)
            spread = f"{min(each):.2f}-{max(each):.2f}"
            print(f"{name:30} {mib / median:7.0f} MiB/s   ratio {base / median:5.2f}   ({spread} s)")


if __name__ == "__main__":
    main()
