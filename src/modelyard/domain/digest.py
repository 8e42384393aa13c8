"""Digest: the public identity of bytes. Descriptor: a digest with a size and a media type."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from modelyard.domain.errors import InvalidDigest

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class Digest(str):
    """`sha256:` and 64 lowercase hex digits, always of raw bytes.

    It is a string, so SQL and JSON take it unchanged; `parse` makes it, so it is valid.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, value: str) -> Digest:
        """Parse a digest. Raises InvalidDigest. Accepts the bare 64 hex digits too, as some other clients send them."""
        if len(value) == 64:
            value = f"sha256:{value}"
        if not _DIGEST.match(value):
            raise InvalidDigest(value=value[:100])
        return cls(value)

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview) -> Digest:
        return cls(f"sha256:{hashlib.sha256(data).hexdigest()}")

    @classmethod
    def from_hex(cls, hex_digits: str) -> Digest:
        return cls.parse(f"sha256:{hex_digits}")

    @property
    def hex(self) -> str:
        return self[7:]

    @property
    def commit(self) -> str:
        """Return the 40 hex digits that Hugging Face clients treat as a commit."""
        return self[7:47]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The description of bytes in a manifest."""

    digest: Digest
    size_bytes: int
    media_type: str = "application/octet-stream"
