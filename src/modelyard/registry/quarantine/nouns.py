"""Quarantined versions and files of runs."""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.scan.nouns import Release


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A version in quarantine, as a list shows it."""

    id: int
    model: ModelName
    number: int
    digest: str
    verdict: str
    at: int
    """When it was registered."""
    by: str


@dataclass(frozen=True, slots=True)
class StoredRunFile:
    path: str
    digest: Digest
    scan: str | None
    """As rules.read_file takes it."""
    released: Release | None
    logged_by: str | None
