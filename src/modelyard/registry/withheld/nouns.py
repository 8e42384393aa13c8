"""What is withheld, and why."""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.domain.digest import Digest


@dataclass(frozen=True, slots=True)
class Withheld:
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
    """Number of its event; None: the log does not tell of it."""


@dataclass(frozen=True, slots=True)
class WithheldFile:
    """A file of a version whose bytes are withheld."""

    path: str
    withheld: Withheld
