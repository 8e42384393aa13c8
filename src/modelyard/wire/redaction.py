"""Redactions: texts removed from a namespace for good, and files whose bytes are withheld."""

from __future__ import annotations

from modelyard.wire.base import Answer, LongText, Request, Text


class RedactText(Request, kw_only=True):
    """text: the exact text, 6 to 10,000 characters; it is not kept. reason: kept in the event log."""

    text: LongText
    reason: Text


class Redaction(Answer, kw_only=True):
    """`id` appears in place of the text: `[redacted id]`; in logs, one `*` for each of its bytes.

    places: `table.column` → number of rows that held the text. events: numbers of the redacted events. event, by and
    at: number, account and time of the event that records the redaction; null in the answer to the request itself.
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


class WithholdFile(Request, kw_only=True):
    """holder: a version's reference, `run:ID`, or `dataset:NAME@DIGEST` with the path `profile`. reason: kept in the
    event log."""

    holder: Text
    path: Text
    reason: Text


class Withheld(Answer, kw_only=True):
    """also: other files with the same bytes, as `holder path`, which are withheld too; only in the answer to the
    request itself. event, by and at: number, account and time of the event that records it; null in that answer."""

    holder: str
    path: str
    digest: str
    size_bytes: int
    reason: str
    also: list[str] = []
    event: int | None = None
    by: str | None = None
    at: str | None = None


class WithheldList(Answer, kw_only=True):
    """Newest first."""

    items: list[Withheld]
