"""Check a dataset entry, wherever it occurs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid, InvalidDigest

MAX_NAME_LENGTH = 200
MAX_ENTRY_BYTES = 256 * 1024
_NOT_IN_NAMES = frozenset("@:/\\")
USE_FIELDS = ("split", "filter", "window", "source", "role", "host")
"""Fields that may differ between two uses of the same content."""


class Entry(msgspec.Struct, frozen=True):
    name: str
    digest: Digest
    profile: Digest | None
    said: Mapping[str, Any]
    """The whole entry, as received."""
    namespace: str | None = None
    """The one that the name gives, as in `fraud/transactions`; None: that of the reader."""

    @property
    def use(self) -> dict[str, Any]:
        return {field: self.said[field] for field in USE_FIELDS if self.said.get(field) is not None}


def check_name(name: Any) -> str:
    """Raise Invalid for a name that is not valid."""
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LENGTH or name != name.strip():
        raise Invalid(
            reason=f"{str(name)[:60]!r} is not a valid dataset name",
            fix="Use 1 to 200 characters, without spaces around them",
        )
    if any(ord(c) < 32 or ord(c) == 127 or c in _NOT_IN_NAMES for c in name) or name in (".", ".."):
        raise Invalid(
            reason=f"the dataset name {name[:60]!r} contains a character that is reserved for references",
            fix="Remove @ : / \\ and control characters",
        )
    return name


def parse_entry(said: Mapping[str, Any]) -> Entry:
    """Return the parsed entry. Raises Invalid, InvalidDigest."""
    name = check_name(said.get("name"))
    digest = Digest.parse(str(said.get("digest") or ""))
    profile = said.get("profile")
    entry = Entry(name, digest, Digest.parse(str(profile)) if profile else None, dict(said))
    try:
        size = len(canonical_json(entry.said))
    except (ValueError, TypeError, RecursionError) as exc:
        raise Invalid(reason=f"the entry of dataset {name!r} is not plain JSON: {exc}") from None
    if size > MAX_ENTRY_BYTES:
        raise Invalid(
            reason=f"the entry of dataset {name!r} is larger than {MAX_ENTRY_BYTES} bytes",
            fix="Shorten it; the profile lists the columns too",
        )
    return entry


def find_entries(data: Any) -> list[Entry]:
    """Return the entries of a record's `data` that name a dataset, with its namespace or without; others are ignored."""
    found = []
    for said in data or ():
        namespace, slash, name = str(said.get("name") or "").partition("/")
        try:
            entry = parse_entry({**said, "name": name} if slash else said)
        except (Invalid, InvalidDigest):
            continue
        found.append(msgspec.structs.replace(entry, namespace=namespace if slash else None))
    return found
