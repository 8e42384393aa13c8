"""Attestations: signatures over a version's digests."""

from __future__ import annotations

from modelyard.wire.base import Answer, Request, Text


class Attest(Request, kw_only=True):
    """signature: base64 of an Ed25519 signature over the version's attested bytes."""

    signature: Text


class Attestation(Answer, kw_only=True):
    signature: str
    at: str
    by: str


class AttestationList(Answer, kw_only=True):
    """statement: the signed bytes, base64."""

    reference: str
    statement: str
    items: list[Attestation]
