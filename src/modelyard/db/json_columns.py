"""JSON in columns: canonical text, or NULL. Only queries decode it; the nouns that they build hold values."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import msgspec

from modelyard.domain.canonical import canonical_json

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


def load_json(text: str | None) -> Any:
    """Return the value of a JSON column; None for NULL."""
    return None if text is None else msgspec.json.decode(text)


def load_noun(text: str | None, noun: type[S]) -> S | None:
    """Return the noun stored in a JSON column; None for NULL. Unknown keys are ignored."""
    return None if text is None else msgspec.json.decode(text, type=noun)


def dump_json(value: Any) -> str | None:
    """Return the canonical text of a value or of a noun; None (NULL) for None."""
    if value is None:
        return None
    return canonical_json(msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value).decode()


class JsonText(Generic[T]):
    """A stored JSON value, decoded when `value` is first read.

    For large columns that most readers only pass on or ignore: a page of versions has a hundred records of any size,
    and resolving a version reads none of them.
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
        """Return the decoded value. All callers share it, so it must not be changed."""
        if self._value is None:
            self._value = cast(T, msgspec.json.decode(self.text))
        return self._value
