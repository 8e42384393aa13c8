"""Redactions: texts that were taken out of a namespace for good."""

from __future__ import annotations

from modelyard.wire.base import Answer, LongText, Request, Text


class RedactText(Request, kw_only=True):
    """text: exactly as it stands there, 6 to 10,000 characters; it is not kept. reason: kept in the event log."""

    text: LongText
    reason: Text


class Redaction(Answer, kw_only=True):
    """`id` stands in the place of the text: `[redacted id]`; in logs there are as many `*` as it had bytes.

    places: `table.column` → number of rows that held the text. events: numbers of redacted events. event, by and
    at: of the event that records the redaction; null in the answer to the request itself.
    """

    id: str
    reason: str
    places: dict[str, int]
    events: list[int]
    event: int | None = None
    by: str | None = None
    at: str | None = None


class RedactionList(Answer, kw_only=True):
    """Newest first."""

    items: list[Redaction]
