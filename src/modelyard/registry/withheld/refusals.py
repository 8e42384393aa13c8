"""Make the errors for withheld bytes, the same through every door."""

from __future__ import annotations

from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BytesWithheld, FileWithheld
from modelyard.domain.times import time_text
from modelyard.registry.withheld import queries


def file_withheld(tx: Transaction, digest: Digest, path: str, reference: str) -> FileWithheld:
    """Return the error for a request of the file. reference: the version or run that has it."""
    return FileWithheld(path=path, reference=reference, **_told(tx, digest))


def bytes_withheld(tx: Transaction, digest: Digest) -> BytesWithheld:
    """Return the error for sending or naming the bytes. It does not name their place, which the caller may not know."""
    return BytesWithheld(digest=str(digest), **_told(tx, digest))


def _told(tx: Transaction, digest: Digest) -> dict[str, Any]:
    found = queries.find_withheld(tx, digest)
    if found is None:
        return {"by": "somebody", "at": "an unknown time", "event": None, "reason": "no reason is recorded"}
    return {"by": found.by, "at": time_text(found.at), "event": found.seq, "reason": found.reason}
