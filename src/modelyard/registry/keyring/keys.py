"""Keys derived from the server's secret, for signing and sealing."""

from __future__ import annotations

import base64
import binascii
import secrets
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from modelyard.domain.checkpoint import Checkpoint, LogKey, sign_line
from modelyard.domain.errors import Conflict

SECRET_BYTES = 32
_NONCE_BYTES = 12
_SEALED = "sealed:1:"


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


class Keyring:
    """Signs and seals with this server's keys. `origin` is the name of its event log."""

    def __init__(self, secret: bytes, origin: str) -> None:
        self._secret = secret
        self.origin = origin

    def __repr__(self) -> str:
        return f"<Keyring of {self.origin}>"

    def derive(self, purpose: str) -> bytes:
        """Derive 32 bytes from the secret and the purpose; the same input gives the same bytes."""
        return HKDF(hashes.SHA256(), 32, None, f"modelyard {purpose}".encode()).derive(self._secret)

    # --- signing ---------------------------------------------------------------------------------

    @cached_property
    def _signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.derive("event log signature 1"))

    @cached_property
    def log_key(self) -> LogKey:
        """Return the public key that auditors need."""
        return LogKey(self.origin, self._signer.public_key().public_bytes_raw())

    def sign(self, size: int, root: bytes) -> str:
        """Return a checkpoint of the log as a signed note."""
        text = Checkpoint(self.origin, size, root).text()
        return f"{text}\n{sign_line(self.log_key, self._signer.sign(text.encode()))}"

    # --- hashing ---------------------------------------------------------------------------------

    @cached_property
    def idempotency_key(self) -> bytes:
        """Return the key of the hash that tells a repeated request from a different one."""
        return self.derive("request hashes 1")

    # --- sealing ---------------------------------------------------------------------------------

    @cached_property
    def _seal(self) -> AESGCM:
        return AESGCM(self.derive("stored secrets 1"))

    def seal(self, secret: str, place: str) -> str:
        """Encrypt a text so that only `unseal` with the same place opens it.

        place: where it is stored, as `webhook 7`.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._seal.encrypt(nonce, secret.encode(), place.encode())
        return _SEALED + base64.b64encode(nonce + sealed).decode()

    def unseal(self, sealed: str, place: str) -> str:
        """Open a sealed text. Raises Conflict if it was sealed with another server's secret, or for another place."""
        try:
            raw = base64.b64decode(sealed.removeprefix(_SEALED), validate=True)
            return self._seal.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error):
            raise Conflict(
                reason=f"the stored secret of {place} cannot be opened with this server's key",
                fix="Restore the server's former secret key, or set a new secret for it",
            ) from None
