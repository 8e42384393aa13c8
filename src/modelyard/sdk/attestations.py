"""Attestations: signatures over a version's digests, and the keys they are made with."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import ExtraMissing, Invalid
from modelyard.sdk.of_version import OfVersion
from modelyard.wire import attestations as wire

if TYPE_CHECKING:
    pass


class Attestations(OfVersion):
    """`client.attestations`: Ed25519 signatures over a version's two digests."""

    def list(self, ref: str) -> wire.AttestationList:
        found: wire.AttestationList = self._transport.call(
            "GET", self._at(ref, "attestations"), returns=wire.AttestationList
        )
        return found

    def sign(self, ref: str, key_file: str | Path) -> wire.Attestation:
        """Sign what the version's digests say with a private key in a PEM file. Raises ExtraMissing, Invalid.

        The statement is made here from the digests, so the key never signs what a server hands it.
        """
        from modelyard.domain.attested import attested_bytes

        key = _private_key(Path(key_file))
        version = self._client.versions.get(ref)
        signature = key.sign(attested_bytes(version.digest, version.record_digest))
        return self.add(version.reference, base64.b64encode(signature).decode())

    def add(self, ref: str, signature: str) -> wire.Attestation:
        """signature: base64, made elsewhere over the statement that `list` gives."""
        found: wire.Attestation = self._transport.call(
            "POST",
            self._at(ref, "attestations"),
            body=wire.Attest(signature=signature),
            returns=wire.Attestation,
        )
        return found


def _cryptography() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as exc:
        raise ExtraMissing(what="signing", package="cryptography", extra="audit") from exc
    return serialization, ed25519


def _private_key(path: Path) -> Any:
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as exc:
        raise Invalid(
            reason=f"{path} holds no private key in PEM without a password: {exc}",
            fix="Make one with: modelyard key create FILE",
        ) from exc
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise Invalid(reason=f"{path} holds no Ed25519 key", fix="Make one with: modelyard key create FILE")
    return key


def create_key(path: Path) -> str:
    """Write a new private key, for its owner's eyes alone; returns the public half as policies hold it."""
    import os

    serialization, ed25519 = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()
