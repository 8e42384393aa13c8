"""Uploads, and the stored results of reading a blob."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText
from modelyard.domain.digest import Digest


class Upload(msgspec.Struct, frozen=True):
    id: str
    actor_id: int
    digest: Digest
    size_bytes: int
    expires_at: int
    scope: str
    """Of the token that began it; Scope.key."""


class BlobRead(msgspec.Struct, frozen=True):
    """The facts that were read from bytes."""

    scan: str | None
    """JSON of the scan; '': no findings; None: not scanned yet. See registry/scan/rules.py."""
    scan_rules: int
    """Version of the rules of the scan."""
    facts: Mapping[str, JsonText[dict[str, Any]] | None]
    """Reader → facts, None if there are none; a missing reader has not read the bytes yet."""
