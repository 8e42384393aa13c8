"""A signature over the version by a key that the policy names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from modelyard.domain.attested import attested_bytes
from modelyard.registry.promotion.gates.base import Count, RuleBase, failed, passed, unknown
from modelyard.registry.promotion.rules import Evidence, Finding


class AttestationRule(RuleBase, frozen=True, kw_only=True):
    """`attestation: {keys: {release-2026: <base64 of 32 bytes>}}`: signed by `count` of these Ed25519 keys."""

    kind: ClassVar[str] = "attestation"
    needs: ClassVar[frozenset[str]] = frozenset({"attestations"})
    stricter: ClassVar[dict[str, str]] = {"count": "more"}

    keys: Annotated[dict[str, str], msgspec.Meta(min_length=1, max_length=50)]
    count: Count = 1

    def label(self) -> str:
        return "attestation"

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        for name, text in self.keys.items():
            if _key(text) is None:
                return f"key {name!r} is not an Ed25519 public key in base64"
        if self.count > len(self.keys):
            return f"it requires {self.count} signatures but names {len(self.keys)} key(s)"
        return None

    def find(self, evidence: Evidence) -> Finding:
        statement = attested_bytes(evidence.digest, evidence.record_digest)
        signed = []
        for name, text in self.keys.items():
            key = _key(text)
            if key is not None and any(_verifies(key, a.signature, statement) for a in evidence.attestations):
                signed.append(name)
        needed = f"signed by {self.count} of the keys {', '.join(self.keys)}"
        more = {
            "who": "the person who holds the key",
            "fix": f"modelyard attest {evidence.reference} --key KEYFILE",
            "may_change": True,
        }
        if len(signed) >= self.count:
            return passed(f"signed by {', '.join(signed)}", needed)
        if not evidence.attestations:
            return unknown("no attestation", needed, **more)
        said = (
            f"signed by {', '.join(signed)}"
            if signed
            else f"{len(evidence.attestations)} attestation(s), none of them by these keys"
        )
        return failed(said, needed, **more)


def _key(text: str) -> Ed25519PublicKey | None:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        return None


def _verifies(key: Ed25519PublicKey, signature: str, statement: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), statement)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
