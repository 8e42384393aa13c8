"""JSON as a column holds it: canonical text, or NULL. Only queries decode it; what they build carries values."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.domain.canonical import canonical_json


def load_json(text: str | None) -> Any:
    """The value of a JSON column; None for NULL."""
    return None if text is None else msgspec.json.decode(text)


def dump_json(value: Any) -> str | None:
    return None if value is None else canonical_json(value).decode()


class JsonText:
    """A JSON object as it is stored, decoded when its value is first asked for.

    For large columns that most readers only pass on, or do not look at: a page of versions carries a hundred
    records of any size, and resolving one reads none of them.
    """

    __slots__ = ("_value", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._value: dict[str, Any] | None = None

    @property
    def value(self) -> dict[str, Any]:
        """Shared by all who ask: not to be changed."""
        if self._value is None:
            self._value = msgspec.json.decode(self.text, type=dict[str, Any])
        return self._value
