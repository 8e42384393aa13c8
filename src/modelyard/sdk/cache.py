"""Cache of pulled files, by digest, with a hard limit on its size.

    <cache>/blobs/ab/ab12…     whole files; read-only, named after their sha256
    <cache>/partial/ab12….SIZE incomplete files of SIZE bytes; the next download continues at their end
    <cache>/locks/ab1          one download of a file at a time
    <cache>/size, size.lock    total bytes, maintained by all processes together

Several processes may use one cache at once. Nothing in it is trusted: a file's bytes are hashed when they
leave the cache, so a damaged file is detected and fetched again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid
from modelyard.sdk.locations import cache_folder
from modelyard.sdk.locks import locked
from modelyard.sdk.saying import say_once

DEFAULT_CAP_BYTES = 20 << 30
_KEEP_AFTER_EVICTION = 0.9
_BLOCK_BYTES = 1 << 20
_ABANDONED_AFTER_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class CacheUse:
    files: int
    size_bytes: int
    cap_bytes: int


class Cache:
    """A cache in its own folder. cap_bytes 0: keeps nothing."""

    def __init__(self, folder: Path, cap_bytes: int = DEFAULT_CAP_BYTES) -> None:
        self.folder = folder
        self.cap_bytes = cap_bytes
        self._lock = threading.Lock()

    @classmethod
    def default(cls) -> Cache:
        """Return the cache in MODELYARD_HOME or the platform's cache folder, limited by MODELYARD_CACHE_BYTES."""
        text = os.environ.get("MODELYARD_CACHE_BYTES") or str(DEFAULT_CAP_BYTES)
        if not text.isdigit():
            raise Invalid(reason=f"MODELYARD_CACHE_BYTES is {text[:40]!r}", fix="Write a number of bytes")
        return cls(cache_folder(), int(text))

    def blob(self, digest: Digest) -> Path:
        return self.folder / "blobs" / digest.hex[:2] / digest.hex

    def _partial(self, digest: Digest, size_bytes: int) -> Path:
        # The name contains the size, because the reserved bytes count, not those that have arrived.
        return self.folder / "partial" / f"{digest.hex}.{size_bytes}"

    @cached_property
    def _private(self) -> Path:
        """Return the cache's folder, which only its owner can read, because it holds files of private models."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(PermissionError):
            if stat.S_IMODE(self.folder.stat().st_mode) & 0o077:
                self.folder.chmod(0o700)
        return self.folder

    @cached_property
    def _is_writable(self) -> bool:
        """Return whether files are kept. If the folder is not writable, one warning says so, and nothing is kept."""
        if self.cap_bytes <= 0:
            return False
        try:
            with tempfile.TemporaryFile(dir=self._private):
                return True
        except OSError as error:
            say_once(
                f"no cache is used: {self.folder} cannot be written ({error.strerror}); MODELYARD_HOME names another place"
            )
            return False

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Yield a temporary folder, if possible next to the cached files, so that they can be linked."""
        place = self.folder / "loading" if self._is_writable else None
        if place is not None:
            place.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="modelyard-", dir=place, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    @contextmanager
    def downloading(self, digest: Digest) -> Iterator[None]:
        """Hold the lock of a file's download, so that other threads and processes wait and then find the file."""
        if not self._is_writable:
            yield
            return
        # There are at most a few thousand lock files, which are never removed.
        with locked(self._private / "locks" / digest.hex[:3]):
            yield

    def note_use(self, digest: Digest) -> None:
        """Mark the file as used, so that it is kept longer."""
        with suppress(OSError):
            os.utime(self.blob(digest))

    def discard(self, digest: Digest) -> None:
        """Forget a file that turned out damaged, or that is withheld."""
        if not self._is_writable:
            return
        with suppress(FileNotFoundError):
            size = self.blob(digest).stat().st_size
            self.blob(digest).unlink()
            self._count(-size)

    def reserve(self, digest: Digest, size_bytes: int) -> Path | None:
        """Return the path for a file's bytes until `keep`; None if there is no room.

        The least recently used files are removed for it. Call it inside `downloading`.
        """
        if not self._is_writable or size_bytes > self.cap_bytes // 2:
            return None
        partial = self._partial(digest, size_bytes)
        if partial.exists():
            return partial
        if not self._count(size_bytes):
            return None
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.touch(mode=0o600)
        return partial

    def keep(self, digest: Digest, partial: Path) -> Path:
        """Make a whole, verified and synced partial file a cached one."""
        target = self.blob(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Read-only, so that a program which edits a linked file fails instead of damaging the cache.
        partial.chmod(0o400)
        partial.replace(target)
        return target

    def use(self) -> CacheUse:
        held = [*self._held()]
        return CacheUse(len(held), sum(size for _, size, _ in held), self.cap_bytes)

    def clear(self) -> CacheUse:
        """Remove all files; return their number."""
        with locked(self.folder / "size.lock"):
            held = [*self._held()]
            for _, _, path in held:
                path.unlink(missing_ok=True)
            self._write_total(0)
        return CacheUse(len(held), sum(size for _, size, _ in held), self.cap_bytes)

    # --- the cap ---------------------------------------------------------------------------------

    def _count(self, change: int) -> bool:
        """Add to the shared total, evicting files if it would exceed the cap. Return whether there was room."""
        with self._lock, locked(self._private / "size.lock"):
            total = self._read_total() + change
            if total > self.cap_bytes and change > 0:
                total = self._evict(change)
                if total > self.cap_bytes:
                    self._write_total(total - change)
                    return False
            self._write_total(max(0, total))
            return True

    def _evict(self, wanted: int) -> int:
        """Remove the least recently used files until `wanted` more bytes fit; return the new total including them."""
        held = sorted(self._held())
        total = sum(size for _, size, _ in held) + wanted
        goal = int(self.cap_bytes * _KEEP_AFTER_EVICTION)
        busy_since = time.time_ns() - _ABANDONED_AFTER_NS
        for used_at, size, path in held:
            if total <= goal:
                break
            if path.parent.name == "partial" and used_at > busy_since:
                continue
            with suppress(FileNotFoundError):
                path.unlink()
            total -= size
        return total

    def _held(self) -> Iterator[tuple[int, int, Path]]:
        """Yield (last use, bytes, path) of complete files and reservations."""
        for folder in (self.folder / "blobs", self.folder / "partial"):
            for place, _, names in os.walk(folder):
                for name in names:
                    path = Path(place) / name
                    promised = name.partition(".")[2]
                    with suppress(FileNotFoundError):
                        info = path.stat()
                        yield info.st_mtime_ns, int(promised) if promised.isdigit() else info.st_size, path

    def _read_total(self) -> int:
        try:
            return int((self.folder / "size").read_text())
        except (FileNotFoundError, ValueError):
            return sum(size for _, size, _ in self._held())

    def _write_total(self, total: int) -> None:
        (self.folder / "size").write_text(str(total))


def hash_path(path: Path) -> Digest:
    """Return the digest of a file's bytes."""
    hasher = hashlib.sha256()
    block = bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    with path.open("rb", buffering=0) as source:
        while count := source.readinto(block):
            hasher.update(view[:count])
    return Digest.from_hex(hasher.hexdigest())
