"""The bytes that an attestation signs."""

from __future__ import annotations

from modelyard.domain.canonical import canonical_json


def attested_bytes(digest: str, record_digest: str) -> bytes:
    """Return canonical JSON that names the files and the facts of a version, and the purpose of the signature."""
    return canonical_json(
        {"type": "modelyard.attestation.v1", "digest": digest, "record_digest": record_digest}
    )
