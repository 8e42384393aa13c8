"""Uploads, and what a caller may read of a blob."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.db.json_columns import JsonText
from modelyard.domain.digest import Digest


@dataclass(frozen=True, slots=True)
class Upload:
    id: str
    actor_id: int
    digest: Digest
    size_bytes: int
    expires_at: int
    scope: str
    """Of the token that began it; Scope.key."""


@dataclass(frozen=True, slots=True)
class BlobRead:
    """What was read of some bytes."""

    scan: str | None
    """JSON of the scan; '': there is nothing to tell; None: not looked into yet. registry/scan/rules.py."""
    scan_rules: int
    """The rules that the scan rests on."""
    facts: Mapping[str, JsonText[dict[str, Any]] | None]
    """Reader → facts, None when there are none; a reader that is missing did not read yet."""
