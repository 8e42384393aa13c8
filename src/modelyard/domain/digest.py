"""Digest: the public identity of bytes. Descriptor: a digest with a size and a media type."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from modelyard.domain.errors import InvalidDigest

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class Digest(str):
    """`sha256:` and 64 lowercase hex digits, always of raw bytes.

    A string, so that it goes to SQL and JSON as it is; made by `parse`, so that it is valid.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, value: str) -> Digest:
        """Raises InvalidDigest. Accepts the bare 64 hex digits too, as some foreign clients send."""
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
        """The 40 hex digits that Hugging Face clients take for a commit."""
        return self[7:47]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Bytes as a manifest names them."""

    digest: Digest
    size_bytes: int
    media_type: str = "application/octet-stream"
