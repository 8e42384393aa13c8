"""Which side of a split answers a request.

With a key, the side follows from a hash of it: the same user stays on one side, and a larger weight moves users from the
stable side to the canary only. The canary's number is part of the hash, so that it is not always the same users who try.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

RULE_HEADER = b"x-canary"
"""always or never: the caller decides."""
BODY_PREFIX = "body."
_ALWAYS, _NEVER = b"always", b"never"
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def position(key: bytes, salt: str) -> float:
    """Return where a key stands, from 0 to below 100 percent."""
    found = blake2b(key, digest_size=7, key=salt.encode()[:64]).digest()
    return 100 * int.from_bytes(found) / 2**56


class Split:
    """weight: percent of the requests for the canary. sticky: name of a header, or `body.` and a field of the JSON body; None:
    each request by itself."""

    def __init__(self, weight: int, sticky: str | None, salt: str) -> None:
        self._weight, self._salt = weight, salt
        self._field = sticky[len(BODY_PREFIX) :] if sticky and sticky.startswith(BODY_PREFIX) else None
        self._header = sticky.lower().encode() if sticky and self._field is None else None

    def takes(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Return whether the canary answers."""
        rule = headers.get(RULE_HEADER)
        if rule is not None and (word := rule.strip().lower()) in (_ALWAYS, _NEVER):
            return word == _ALWAYS
        key = self._key(headers, body)
        at = position(key, self._salt) if key else 100 * random.random()
        return at < self._weight

    def _key(self, headers: Mapping[bytes, bytes], body: bytes) -> bytes | None:
        if self._header is not None:
            return headers.get(self._header)
        if self._field is None:
            return None
        try:
            found: Any = _fields(body).get(self._field)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # The revision that gets it says what is wrong with it.
            return None
        return None if found is None else bytes(found)
