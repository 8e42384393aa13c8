"""A model card as it was stored."""

from __future__ import annotations

import msgspec


class CardState(msgspec.Struct, frozen=True):
    """The state of a version's card at one time."""

    sections: dict[str, int] | None
    """Heading in lower case → words below it; None: the version has no card."""
    is_written: bool
    """Whether a person wrote in it; an unedited template does not count as a card."""
    licence: str | None
    """From the card's front matter, otherwise from the files."""


class StoredCard(msgspec.Struct, frozen=True):
    text: str
    sections: dict[str, int]
    at: int
    by: str
    number: int
    """1, 2, … in the order in which they were set."""
