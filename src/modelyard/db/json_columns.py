"""JSON as a column holds it: canonical text, or NULL. Only queries decode it; what they build carries values."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import msgspec

from modelyard.domain.canonical import canonical_json

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


def load_json(text: str | None) -> Any:
    """The value of a JSON column; None for NULL."""
    return None if text is None else msgspec.json.decode(text)


def load_noun(text: str | None, noun: type[S]) -> S | None:
    """A noun that is a column of its own; None for NULL. Keys that it does not know are left out."""
    return None if text is None else msgspec.json.decode(text, type=noun)


def dump_json(value: Any) -> str | None:
    """Canonical text of a value, or of a noun; None for NULL."""
    if value is None:
        return None
    return canonical_json(msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value).decode()


class JsonText(Generic[T]):
    """A JSON value as it is stored, decoded when its value is first asked for.

    For large columns that most readers only pass on, or do not look at: a page of versions carries a hundred
    records of any size, and resolving one reads none of them.
    """

    __slots__ = ("_value", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._value: T | None = None

    def __eq__(self, other: object) -> bool:
        """Texts are canonical, so equal values are equal texts."""
        return isinstance(other, JsonText) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def value(self) -> T:
        """Shared by all who ask: not to be changed."""
        if self._value is None:
            self._value = cast(T, msgspec.json.decode(self.text))
        return self._value
