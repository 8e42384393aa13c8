"""Downloads: every byte is verified before a file appears under its name.

A download is written to a partial file, and after any interruption the next one continues at its end. The file is
moved to its place only if its sha256 is the one in the manifest.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

from modelyard.domain.digest import Digest
from modelyard.domain.errors import DownloadCorrupt, Kind, ModelyardError, ServerUnreachable, UnexpectedAnswer
from modelyard.domain.manifest import File
from modelyard.sdk.cache import Cache, hash_path
from modelyard.sdk.http import BROKEN, Transport
from modelyard.sdk.parallel import Stop, check

BLOCK_BYTES = 1 << 20
_FICLONE = 0x40049409
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches files of one version. files_at: the API's path of the version's files."""

    transport: Transport
    cache: Cache
    files_at: str
    scratch: Path
    """A folder on the target's file system for incomplete files."""
    link: bool
    advance: Callable[[int], None]

    def bring(self, file: File, targets: list[Path], stop: Stop) -> None:
        """Put one file's bytes at each target. Raises DownloadCorrupt, or the server's error."""
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
        if self._from_cache(file, targets):
            self.advance(file.size_bytes)
            return
        with self.cache.downloading(file.digest):
            # Another process may have fetched it while this one waited.
            if self._from_cache(file, targets):
                self.advance(file.size_bytes)
                return
            partial = self.cache.reserve(file.digest, file.size_bytes)
            kept = partial is not None
            partial = partial or self.scratch / file.digest.hex
            self._download(file, partial, stop)
            if kept:
                with suppress(FileNotFoundError):
                    partial = self.cache.keep(file.digest, partial)
                    for target in targets:
                        self._place(partial, target, None)
                    return
                # Another process has just cleared the cache.
                self._download(file, partial := self.scratch / file.digest.hex, stop)
        for target in targets[1:]:
            copy = self._new_name(target)
            shutil.copyfile(partial, copy)
            copy.replace(target)
        partial.replace(targets[0])

    # --- from the cache --------------------------------------------------------------------------

    def _from_cache(self, file: File, targets: list[Path]) -> bool:
        cached = self.cache.blob(file.digest)
        try:
            for target in targets:
                if not self._place(cached, target, file.digest):
                    self.cache.discard(file.digest)
                    return False
        except FileNotFoundError:
            return False
        self.cache.note_use(file.digest)
        return True

    def _place(self, source: Path, target: Path, expected: Digest | None) -> bool:
        """Copy the source's bytes to the target; return False if they are not the expected ones (None: no check)."""
        new = self._new_name(target)
        try:
            if self.link and (expected is None or hash_path(source) == expected) and _link(source, new):
                pass
            elif _clone(source, new):
                if expected is not None and hash_path(new) != expected:
                    return False
            elif not _copy(source, new, expected):
                return False
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
        return True

    def _new_name(self, target: Path) -> Path:
        name = hashlib.sha256(os.fsencode(target)).hexdigest()[:32]
        return self.scratch / f"new-{os.getpid()}-{name}"

    # --- from the server -------------------------------------------------------------------------

    def _download(self, file: File, partial: Path, stop: Stop) -> None:
        """Fill the partial file with verified bytes. A wrong file is removed, fetched once more, then refused."""
        for last in (False, True):
            actual = _Download(self.transport, self._url(file), file, partial, stop, self.advance).run()
            if actual == file.digest:
                return
            partial.unlink(missing_ok=True)
            if last:
                raise DownloadCorrupt(path=file.path, actual=actual, expected=file.digest)
            self.advance(-file.size_bytes)

    def _url(self, file: File) -> str:
        return f"{self.files_at}/{quote(file.path, safe='/')}"


class _Download:
    """One file's bytes, resumed after interruptions."""

    def __init__(
        self,
        transport: Transport,
        target: str,
        file: File,
        partial: Path,
        stop: Stop,
        advance: Callable[[int], None],
    ) -> None:
        self._transport = transport
        self._target = target
        self._file = file
        self._partial = partial
        self._stop = stop
        self._advance = advance
        self._hasher = hashlib.sha256()
        self._offset = 0

    def run(self) -> Digest:
        """Download the bytes and return their digest, which the caller compares."""
        patience = self._transport.transfer_patience()
        with self._partial.open("r+b" if self._partial.exists() else "w+b", buffering=0) as out:
            self._take_up(out)
            while self._offset < self._file.size_bytes:
                check(self._stop)
                before = self._offset
                try:
                    self._receive(out)
                    error: ModelyardError = ServerUnreachable(
                        url=self._transport.url, reason=f"{self._file.path} ended early"
                    )
                except ModelyardError as exc:
                    if exc.kind not in (Kind.BUSY, Kind.UNAVAILABLE):
                        raise
                    error = exc
                except BROKEN as exc:
                    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
                        raise
                    error = ServerUnreachable(url=self._transport.url, reason=f"{self._file.path} broke off")
                if self._offset > before:
                    patience.progress()
                if self._offset < self._file.size_bytes:
                    patience.wait(error)
            os.fsync(out.fileno())
        return Digest.from_hex(self._hasher.hexdigest())

    def _take_up(self, out: Any) -> None:
        """Count and hash the bytes that an earlier try left."""
        if out.seek(0, os.SEEK_END) > self._file.size_bytes:
            out.truncate(0)
        out.seek(0)
        while block := out.read(BLOCK_BYTES):
            check(self._stop)
            self._count(block)

    def _count(self, block: bytes) -> None:
        self._hasher.update(block)
        self._offset += len(block)
        self._advance(len(block))

    def _begin_anew(self, out: Any) -> None:
        self._advance(-self._offset)
        self._hasher, self._offset = hashlib.sha256(), 0
        out.seek(0)
        out.truncate(0)

    def _receive(self, out: Any) -> None:
        headers = {"range": f"bytes={self._offset}-"} if self._offset else {}
        with self._transport.open(self._target, headers) as response:
            if response.status not in _REDIRECTS:
                self._write(response, out)
                return
            location = urljoin(self._transport.url + self._target, response.headers.get("location", ""))
        if not location.startswith(("http://", "https://")):
            raise UnexpectedAnswer(url=self._transport.url + self._target, status=response.status)
        # A redirect to the bucket receives only the signed URL, never our token.
        with self._transport.open(location, headers, foreign=True) as response:
            self._write(response, out)

    def _write(self, response: Any, out: Any) -> None:
        if response.status == 200:
            if self._offset:
                self._begin_anew(out)
        elif response.status != 206 or not _begins_at(response, self._offset):
            raise UnexpectedAnswer(url=self._transport.url + self._target, status=response.status)
        while block := response.read(BLOCK_BYTES):
            check(self._stop)
            if self._offset + len(block) > self._file.size_bytes:
                expected = f"{self._file.digest} of {self._file.size_bytes} bytes"
                raise DownloadCorrupt(path=self._file.path, actual="of more bytes", expected=expected)
            _write_all(out, block)
            self._count(block)


def _begins_at(response: Any, offset: int) -> bool:
    return str(response.headers.get("content-range", "")).startswith(f"bytes {offset}-")


def _write_all(out: Any, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[out.write(view) :]


# --- placing -----------------------------------------------------------------------------------------


def _link(source: Path, new: Path) -> bool:
    """Make a hard link; return False if the file systems differ or have no hard links."""
    try:
        os.link(source, new)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def _clone(source: Path, new: Path) -> bool:
    """Make a copy that shares its blocks until either is written to; return False if the file system cannot."""
    try:
        import fcntl
    except ImportError:
        return False
    with source.open("rb") as given, new.open("wb") as out:
        try:
            fcntl.ioctl(out.fileno(), _FICLONE, given.fileno())
        except OSError:
            return False
    return True


def _copy(source: Path, new: Path, expected: Digest | None) -> bool:
    if expected is None:
        shutil.copyfile(source, new)
        return True
    hasher = hashlib.sha256()
    with source.open("rb", buffering=0) as given, new.open("wb", buffering=0) as out:
        while block := given.read(BLOCK_BYTES):
            hasher.update(block)
            _write_all(out, block)
    return hasher.hexdigest() == expected.hex
