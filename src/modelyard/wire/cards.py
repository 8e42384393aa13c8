"""Model cards."""

from __future__ import annotations

from modelyard.wire.base import Answer, LongText, Request, Whole


class SetCard(Request, kw_only=True):
    text: LongText


class Card(Answer, kw_only=True):
    """by, at: author and time of a card set after registration; None: the card is one of the version's files."""

    reference: str
    text: str
    sections: dict[str, int]
    by: str | None
    at: str | None
    number: int = 0
    """0 for the file, then 1, 2, … in the order in which cards were set."""


class CitationText(Answer, kw_only=True):
    """text: for people; bibtex: one or more entries. One of them may be empty."""

    text: str
    bibtex: str


class Citation(CitationText, kw_only=True):
    """source: card, or generated if the card has no citation. licence: from the card, otherwise from the files."""

    reference: str
    source: str
    licence: str | None


class CardQuery(Request, kw_only=True):
    """number: 0 for the file, then 1, 2, … in the order in which cards were set. Left out: the newest."""

    number: Whole | None = None


class CardTemplate(Answer, kw_only=True):
    """text: front matter and sections, filled with known facts; comments mark the parts that people must write."""

    reference: str
    text: str


class CardEntry(Answer, kw_only=True):
    number: int
    by: str
    at: str
    words: int


class CardHistory(Answer, kw_only=True):
    """Newest first; a README.md among the files has the number 0 and is not listed."""

    reference: str
    items: list[CardEntry]


class CardProblem(Answer, kw_only=True):
    """where: a section, a key of the front matter, or 'front matter'."""

    where: str
    what: str


class CardCheck(Answer, kw_only=True):
    reference: str
    problems: list[CardProblem]


class CardHtml(Answer, kw_only=True):
    """html: without the author's own markup, scripts and images."""

    reference: str
    html: str
