"""What is said of a version after it was registered: checks, evaluations, attestations, its card."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, LongText, Mapped, Request, Text, Whole


class ReportCheck(Request, kw_only=True):
    """state: pass, fail, error or pending."""

    name: Text
    state: Text
    url: Text = ""
    summary: Text = ""
    details: Mapped[Any] = {}


class Check(Answer, kw_only=True):
    name: str
    state: str
    url: str
    summary: str
    details: dict[str, Any]
    at: str
    by: str


class CheckList(Answer, kw_only=True):
    """Newest first; the first of each name counts."""

    reference: str
    items: list[Check]


class ReportEvaluation(Request, kw_only=True):
    """metrics: name → value; "NaN", "Infinity" and "-Infinity" as text."""

    metrics: Mapped[float | Text]
    split: Text = ""
    dataset: Text = ""


class Evaluation(Answer, kw_only=True):
    split: str
    dataset: str
    metrics: list[dict[str, Any]]
    at: str
    by: str


class EvaluationList(Answer, kw_only=True):
    reference: str
    items: list[Evaluation]


class Attest(Request, kw_only=True):
    """signature: base64 of an Ed25519 signature over the version's attested bytes."""

    signature: Text


class Attestation(Answer, kw_only=True):
    signature: str
    at: str
    by: str


class AttestationList(Answer, kw_only=True):
    """statement: what a signature is made over, base64."""

    reference: str
    statement: str
    items: list[Attestation]


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
