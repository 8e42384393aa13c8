"""Quarantined versions and files of runs."""

from __future__ import annotations

import msgspec

from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.scan.nouns import Release


class Quarantined(msgspec.Struct, frozen=True):
    """A version in quarantine, as a list shows it."""

    id: int
    model: ModelName
    number: int
    digest: str
    verdict: str
    at: int
    """When it was registered."""
    by: str
    why: str = ""
    """The most serious finding, in words; "": not scanned yet."""


class StoredRunFile(msgspec.Struct, frozen=True):
    path: str
    digest: Digest
    scan: str | None
    """As rules.read_file takes it."""
    released: Release | None
    logged_by: str | None
