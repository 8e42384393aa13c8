"""From nouns to the wire's shapes: what changes its form on the way, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from modelyard.api.conversion import fields_of, to_wire
from modelyard.domain.names import ModelName
from modelyard.wire.base import Answer, Request


class Colour(Enum):
    RED = "red"


class Part(Answer, kw_only=True):
    name: str
    at: str | None


class Whole(Answer, kw_only=True):
    model: str
    colour: str
    made_at: str
    ended_at: str | None
    held: bool
    count: int
    parts: list[Part]
    first: Part | None
    names: list[str]
    tags: dict[str, str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class PartNoun:
    name: str
    at: int | None


@dataclass(frozen=True, slots=True)
class WholeNoun:
    model: ModelName
    colour: Colour
    made_at: int
    ended_at: int | None
    held: int
    count: int
    parts: tuple[PartNoun, ...]
    first: PartNoun | None
    names: tuple[str, ...]
    tags: dict[str, str]
    secret: str = "not for the wire"


NOUN = WholeNoun(
    ModelName("fraud", "scorer"),
    Colour.RED,
    1_700_000_000_000_000,
    None,
    1,
    3,
    (PartNoun("a", 0), PartNoun("b", None)),
    None,
    ("x", "y"),
    {"k": "v"},
)


def test_values_take_the_form_of_the_wire() -> None:
    assert to_wire(NOUN, Whole, note="seen") == Whole(
        model="fraud/scorer",
        colour="red",
        made_at="2023-11-14T22:13:20.000000Z",
        ended_at=None,
        held=True,
        count=3,
        parts=[Part(name="a", at="1970-01-01T00:00:00.000000Z"), Part(name="b", at=None)],
        first=None,
        names=["x", "y"],
        tags={"k": "v"},
        note="seen",
    )


def test_what_is_given_stands_before_what_the_noun_has() -> None:
    found = to_wire(NOUN, Whole, note="", count=7, first=Part(name="c", at=None))
    assert (found.count, found.first) == (7, Part(name="c", at=None))


def test_a_field_that_the_noun_lacks_is_an_error_even_with_a_default() -> None:
    with pytest.raises(AttributeError, match="note"):
        to_wire(NOUN, Whole)


def test_text_that_is_missing_is_an_error() -> None:
    with pytest.raises(TypeError):
        to_wire(PartNoun(None, 0), Part)  # type: ignore[arg-type]


def test_a_request_is_handed_on_by_name() -> None:
    class Wanted(Request, kw_only=True):
        name: str
        kind: str
        tags: dict[str, Any] = {}

    assert fields_of(Wanted(name="a", kind="b"), "kind") == {"name": "a", "tags": {}}
