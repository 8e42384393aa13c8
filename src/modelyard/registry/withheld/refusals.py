"""What is answered in the place of withheld bytes, the same through every door."""

from __future__ import annotations

from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BytesWithheld, FileWithheld
from modelyard.domain.times import time_text
from modelyard.registry.withheld import queries


def file_withheld(tx: Transaction, digest: Digest, path: str, reference: str) -> FileWithheld:
    """For who asks for the file. reference: what has it."""
    return FileWithheld(path=path, reference=reference, **_told(tx, digest))


def bytes_withheld(tx: Transaction, digest: Digest) -> BytesWithheld:
    """For who sends or names the bytes. Where they were found is not said: the caller may not know of it."""
    return BytesWithheld(digest=str(digest), **_told(tx, digest))


def _told(tx: Transaction, digest: Digest) -> dict[str, Any]:
    found = queries.find_withheld(tx, digest)
    if found is None:
        return {"by": "somebody", "at": "an unknown time", "event": None, "reason": "no row tells why"}
    return {"by": found.by, "at": time_text(found.at), "event": found.seq, "reason": found.reason}
