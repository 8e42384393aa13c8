"""Withheld bytes, and the reason."""

from __future__ import annotations

import msgspec

from modelyard.domain.digest import Digest


class Withheld(msgspec.Struct, frozen=True):
    """One withholding. holder and path: the file it was asked for; others may have the same bytes."""

    digest: Digest
    size_bytes: int
    namespace: str
    holder: str
    path: str
    reason: str
    at: int
    by: str
    seq: int | None
    """Number of its event; None: the log has no such event."""


class WithheldFile(msgspec.Struct, frozen=True):
    """A file of a version whose bytes are withheld."""

    path: str
    withheld: Withheld
