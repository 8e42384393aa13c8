"""Scan bytes, as far as time allows."""

from __future__ import annotations

import time
from collections.abc import Callable

from modelyard.blobs.store import BlobReader
from modelyard.domain.scanning import FileScan, Skim, needs_scan
from modelyard.domain.scanning.verdicts import not_scanned
from modelyard.domain.secrets import Secret, find_secrets, is_text
from modelyard.registry.scan.process import OutOfPatience, shared_scanner, slow_scanner
from modelyard.registry.scan.rules import scan_text

MAX_TEXT_BYTES = 512 * 1024
"""Texts up to this size are searched for credentials."""
REGISTRATION_SECONDS = 8.0
"""How long a registration waits for scans; the worker does the rest."""
FIRST_TRY_SECONDS = 10.0
"""How long the worker scans a file at first, so that the next one does not wait long."""
WORKER_SECONDS = 600.0
"""How long it scans a file that was not finished then."""


class BlobSource:
    """An open blob in the form that format readers need."""

    def __init__(self, reader: BlobReader) -> None:
        self._reader = reader
        self.size_bytes = reader.size_bytes

    def read(self, offset: int, length: int) -> bytes:
        return self._reader.read(offset, length)


class Patience:
    """The time limit of several scans together. share: their share; is_last: a scan that exceeds the limit has the
    verdict `not_scanned`."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        share: str = "",
        is_last: bool = False,
    ) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self.share = share
        self.is_last = is_last

    @property
    def left(self) -> float:
        return self._end - self._clock()


def scan_blob(reader: BlobReader, patience: Patience) -> str | None:
    """Return the part of the scan that is kept, or None if there was not enough time.

    A file without pickles, containers and text costs a few small reads.
    """
    source = BlobSource(reader)
    skim = Skim.of(source)
    found: FileScan | None = None
    if needs_scan(skim):
        if patience.left <= 0:
            return None
        scanner = slow_scanner() if patience.is_last else shared_scanner()
        try:
            found = scanner.scan(source, patience.left, patience.share)
        except OutOfPatience:
            if not patience.is_last:
                return None
            found = not_scanned(f"it was not finished within {WORKER_SECONDS:.0f} s")
    return scan_text(found, _secrets(reader, skim.head))


def _secrets(reader: BlobReader, head: bytes) -> list[Secret]:
    if not is_text(head) or reader.size_bytes > MAX_TEXT_BYTES:
        return []
    data = head if reader.size_bytes <= len(head) else reader.read(0, MAX_TEXT_BYTES)
    return find_secrets(data.decode("utf-8", "replace"))
