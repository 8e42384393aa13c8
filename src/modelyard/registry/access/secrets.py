"""Make, recognise and store secrets. Only their hashes are ever stored.

A token is `mdy_<kind>_` + 43 base64url characters (256 random bits) + 6 characters of CRC-32, so that
secret scanners recognise it and a typing error costs no lookup. Some other clients accept only `hf_` with letters
and digits, so that form is available too. A 256-bit random value needs no slow hash; a password does.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import threading
import zlib
from functools import cache
from typing import TYPE_CHECKING

from modelyard.domain import secrets as credentials
from modelyard.domain.errors import Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_BASE62 = string.digits + string.ascii_letters
_TOKEN = re.compile(r"mdy_[a-z]+_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}\Z")
_HF_TOKEN = re.compile(r"hf_[A-Za-z0-9]{40}\Z")

MAX_PASSWORD_LENGTH = 1024
MIN_PASSWORD_LENGTH = 10

# Each check holds 19 MiB; more than two at once would let sign-ins exhaust the memory.
_password_slots = threading.BoundedSemaphore(2)


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return digits


FORMS = ("modelyard", "hf")


def new_token(kind: str = "user", form: str = "modelyard") -> str:
    """Return a new token. form: 'modelyard', or 'hf' for clients that require that prefix."""
    if form == "hf":
        return "hf_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))
    body = f"mdy_{kind}_{secrets.token_urlsafe(32)}"
    return body + _checksum(body)


def looks_like_token(token: str) -> bool:
    if _HF_TOKEN.match(token):
        return True
    return bool(_TOKEN.match(token)) and _checksum(token[:-6]) == token[-6:]


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def hint(token: str) -> str:
    """Return enough of the token to tell tokens apart, but too little to use it."""
    return f"{token[:12]}…{token[-4:]}" if token.startswith("mdy_") else f"{token[:7]}…{token[-4:]}"


def mask(text: str) -> str:
    """Return the text with Modelyard's tokens masked, for logs.

    Each request writes a log line, so other credentials are not searched for."""
    if "mdy_" not in text and "hf_" not in text:
        return text
    return credentials.mask(text)


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    # OWASP's minimum for argon2id: 19 MiB, two passes, one lane.
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe(16))


def hash_password(password: str) -> str:
    """Return the hash of a password. Raises Invalid if the password is too short or too long."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise Invalid(
            reason=f"a password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters",
            fix="Choose a longer one; several words are easy to remember",
        )
    with _password_slots:
        return _hasher().hash(password)


def password_matches(stored: str | None, password: str) -> bool:
    """Compare a password; takes as long for an unknown user (stored None) as for a known one."""
    from argon2.exceptions import VerificationError

    with _password_slots:
        try:
            _hasher().verify(stored or _nobodys_hash(), password[:MAX_PASSWORD_LENGTH])
        except VerificationError:
            return False
    return stored is not None
