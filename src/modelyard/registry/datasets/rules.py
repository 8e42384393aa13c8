"""What a dataset entry must look like, wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid, InvalidDigest

MAX_NAME_LENGTH = 200
MAX_ENTRY_BYTES = 256 * 1024
_NOT_IN_NAMES = frozenset("@:/\\")
USE_FIELDS = ("split", "filter", "window", "source", "role")
"""What may differ from one use of the same content to the next."""


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    digest: Digest
    profile: Digest | None
    said: Mapping[str, Any]
    """All of it, as it came."""

    @property
    def use(self) -> dict[str, Any]:
        return {field: self.said[field] for field in USE_FIELDS if self.said.get(field) is not None}


def check_name(name: Any) -> str:
    """Raises Invalid."""
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LENGTH or name != name.strip():
        raise Invalid(
            reason=f"{str(name)[:60]!r} is no name of a dataset",
            fix="Use 1 to 200 characters, without spaces around them",
        )
    if any(ord(c) < 32 or ord(c) == 127 or c in _NOT_IN_NAMES for c in name) or name in (".", ".."):
        raise Invalid(
            reason=f"the dataset name {name[:60]!r} has a character that references need",
            fix="Leave out @ : / \\ and control characters",
        )
    return name


def parse_entry(said: Mapping[str, Any]) -> Entry:
    """Raises Invalid, InvalidDigest."""
    name = check_name(said.get("name"))
    digest = Digest.parse(str(said.get("digest") or ""))
    profile = said.get("profile")
    entry = Entry(name, digest, Digest.parse(str(profile)) if profile else None, dict(said))
    try:
        size = len(canonical_json(entry.said))
    except (ValueError, TypeError, RecursionError) as exc:
        raise Invalid(reason=f"the entry of dataset {name!r} is no plain JSON: {exc}") from None
    if size > MAX_ENTRY_BYTES:
        raise Invalid(
            reason=f"the entry of dataset {name!r} is larger than {MAX_ENTRY_BYTES} bytes",
            fix="Say less of it; names of columns are in its profile too",
        )
    return entry


def find_entries(data: Any) -> list[Entry]:
    """Those of a record's `data` that name a dataset; what says something else is left alone."""
    found = []
    for said in data or ():
        try:
            found.append(parse_entry(said))
        except (Invalid, InvalidDigest):
            continue
    return found
