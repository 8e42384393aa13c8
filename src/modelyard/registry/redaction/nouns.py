"""A place whose bytes are withheld."""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A file with certain bytes. holder: a version's reference, `run:ID`, or `dataset:NAME@DIGEST`."""

    namespace: str
    holder: str
    path: str

    def __str__(self) -> str:
        return f"{self.holder} {self.path}"
