"""What all shapes share."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec

T = TypeVar("T")
MAX_TEXT = 32_768
MAX_LONG_TEXT = 1 << 20
MAX_ITEMS = 1_000
MAX_MANY_ITEMS = 1_000_000

# Every value of a request has bounds, which also stand in the OpenAPI document. They are the outermost ones, for what
# no door could store or should read at all; what a feature allows is usually less, and its own rules say so.
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
LongText = Annotated[str, msgspec.Meta(max_length=MAX_LONG_TEXT)]
"""A file that people write, or a log."""
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a database holds in 64 bits."""
FIRST_MOMENT, LAST_MOMENT = -62_000_000_000_000_000, 253_300_000_000_000_000
Moment = Annotated[int, msgspec.Meta(ge=FIRST_MOMENT, le=LAST_MOMENT)]
"""Microseconds since 1970, from the year 5 to the year 9996: in every time zone a time of the calendar."""
Items = Annotated[list[T], msgspec.Meta(max_length=MAX_ITEMS)]
ManyItems = Annotated[list[T], msgspec.Meta(max_length=MAX_MANY_ITEMS)]
"""Files, points and records: the body's own limit in bytes comes first."""
Mapped = Annotated[dict[Text, T], msgspec.Meta(max_length=100 * MAX_ITEMS)]


class Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A body or a query: an unknown field is an error."""


class Answer(msgspec.Struct, kw_only=True):
    """A body that the server sends."""


class Page(Answer, kw_only=True):
    """Part of a list. `next_cursor` goes into `cursor` of the next request; None: this was the last."""

    next_cursor: str | None = None
    total: int | None = None


class Problem(Answer, kw_only=True):
    """RFC 9457 problem details, sent as application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    kind: str
    fix: str
    fields: dict[str, Any] = {}
    request_id: str = ""


class PageQuery(Request, kw_only=True):
    """limit: 1 to 1000."""

    limit: Whole = 50
    cursor: Text | None = None


class Reason(Request, kw_only=True):
    reason: Text | None = None


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def encode(value: Any) -> bytes:
    """JSON; names and digests, which are kinds of text, go out as text."""
    return _encoder.encode(value)
