"""What all shapes share."""

from __future__ import annotations

from typing import Any

import msgspec


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

    limit: int = 50
    cursor: str | None = None


class Reason(Request, kw_only=True):
    reason: str | None = None


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def encode(value: Any) -> bytes:
    """JSON; names and digests, which are kinds of text, go out as text."""
    return _encoder.encode(value)
