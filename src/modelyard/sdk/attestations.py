"""Attestations: signatures over a version's digests, and signing keys."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from modelyard.domain.errors import ExtraMissing, Invalid
from modelyard.sdk.session import Feature
from modelyard.sdk.views import Version
from modelyard.wire import attestations as wire


class Attestations(Feature):
    """`client.attestations`: Ed25519 signatures over a version's two digests."""

    def list(self, ref: str) -> wire.AttestationList:
        """Return the cryptographic signatures over a version, and the statement that they sign.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The statement and the signatures.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [attestation.by for attestation in client.attestations.list("fraud/scorer:12").items]
            ['ada']
        """
        return self._get(self._version(ref, "attestations"), wire.AttestationList)

    def sign(self, ref: str, key_file: str | Path) -> wire.Attestation:
        """Sign a version's digests with a private key.

        The statement is built on this machine from the digests, so the key never signs text from the server.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            key_file: A PEM file with an Ed25519 private key without a password.

        Returns:
            The attestation.

        Raises:
            ExtraMissing: Signing needs the packages of `modelyard[audit]`.
            Invalid: The file does not hold such a key, or your account has not registered its public key.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.attestations.sign("fraud/scorer:12", "ada.pem").by
            'ada'
        """
        from modelyard.domain.attested import attested_bytes

        key = _private_key(Path(key_file))
        version = self._get(self._version(ref), Version)
        signature = key.sign(attested_bytes(version.digest, version.record_digest))
        return self.add(version.reference, base64.b64encode(signature).decode())

    def add(self, ref: str, signature: str) -> wire.Attestation:
        """Add a signature that was made elsewhere over the statement of `list`.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            signature: The Ed25519 signature in base64.

        Returns:
            The attestation.

        Raises:
            VersionDeleted: The version was deleted.
            Invalid: The signature is not valid.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.attestations.add("fraud/scorer:12", signature).by
            'ada'
        """
        return self._post(
            self._version(ref, "attestations"), wire.Attestation, wire.Attest(signature=signature)
        )


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
            reason=f"{path} does not hold an unencrypted PEM private key: {exc}",
            fix="Create one with: modelyard key create FILE",
        ) from exc
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise Invalid(
            reason=f"{path} does not hold an Ed25519 key", fix="Create one with: modelyard key create FILE"
        )
    return key


def create_key(path: Path) -> str:
    """Write a new private key, readable only by its owner; return the public key as policies take it."""
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
