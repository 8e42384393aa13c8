"""Model cards."""

from __future__ import annotations

from modelyard.wire.base import Answer, LongText, Request, Whole


class SetCard(Request, kw_only=True):
    text: LongText


class Card(Answer, kw_only=True):
    """by, at: of a card set after registration; None: it is one of the version's files."""

    reference: str
    text: str
    sections: dict[str, int]
    by: str | None
    at: str | None
    number: int = 0
    """0 for the file, then 1, 2, … as they were set."""


class CardQuery(Request, kw_only=True):
    """number: 0 for the file, 1, 2, … as they were set; left out: the newest."""

    number: Whole | None = None


class CardTemplate(Answer, kw_only=True):
    """text: front matter and sections, filled with what is known; what people must write stands in comments."""

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
    """html: without its author's own markup, scripts and images."""

    reference: str
    html: str
