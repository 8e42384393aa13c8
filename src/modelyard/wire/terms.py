"""Terms of use of models."""

from __future__ import annotations

from modelyard.wire.base import Answer, LongText, Page, Request, Text


class SetTerms(Request, kw_only=True):
    """text: Markdown; empty: remove the terms."""

    text: LongText


class Terms(Answer, kw_only=True):
    """text "" and digest null: the model has none. accepted_at: when the caller accepted them; null: not yet."""

    model: str
    text: str
    digest: str | None
    set_at: str | None
    set_by: str | None
    accepted_at: str | None


class AcceptTerms(Request, kw_only=True):
    """digest: of the terms that the caller has read."""

    digest: Text


class Acceptance(Answer, kw_only=True):
    account: str
    digest: str
    at: str


class AcceptancePage(Page, kw_only=True):
    items: list[Acceptance]
