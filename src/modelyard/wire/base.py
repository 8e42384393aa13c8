"""Base types and limits of all shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from modelyard.domain.errors import Invalid
from modelyard.domain.texts import readable

T = TypeVar("T")
MAX_TEXT = 32_768
MAX_LONG_TEXT = 1 << 20
MAX_ITEMS = 1_000
MAX_MANY_ITEMS = 1_000_000

# Every value of a request has bounds, which the OpenAPI document also shows. They are the outermost ones: values that
# no door could store or should read at all. A feature usually allows less, by its own rules.
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
LongText = Annotated[str, msgspec.Meta(max_length=MAX_LONG_TEXT)]
"""A file written by people, or a log."""
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""The range of 64 bits in a database."""
FIRST_MOMENT, LAST_MOMENT = -62_000_000_000_000_000, 253_300_000_000_000_000
Moment = Annotated[int, msgspec.Meta(ge=FIRST_MOMENT, le=LAST_MOMENT)]
"""Microseconds since 1970, from the year 5 to the year 9996: valid in the calendar of every time zone."""
Items = Annotated[list[T], msgspec.Meta(max_length=MAX_ITEMS)]
ManyItems = Annotated[list[T], msgspec.Meta(max_length=MAX_MANY_ITEMS)]
"""Files, points and records; the body's limit in bytes is reached first."""
Mapped = Annotated[dict[Text, T], msgspec.Meta(max_length=100 * MAX_ITEMS)]


class Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A body or a query: an unknown field is an error."""


class Answer(msgspec.Struct, kw_only=True):
    """A body that the server sends."""


class Page(Answer, kw_only=True):
    """Part of a list. Send `next_cursor` as `cursor` of the next request; None: this was the last page."""

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
    """Encode as JSON; names and digests are written as text. Raises Invalid for text that is not UTF-8."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError as exc:
        raise Invalid(
            reason=f"the text {readable(exc.object)[:100]!r} is not UTF-8",
            fix="Write it in UTF-8; Python's os.fsencode(text) shows its bytes",
        ) from None


_SLICE = 2000


def encode_list(items: Sequence[Any]) -> bytes:
    """Encode a list piece by piece: one call for a hundred thousand items would block all other threads."""
    pieces = (encode(items[at : at + _SLICE])[1:-1] for at in range(0, len(items), _SLICE))
    return b"[" + b",".join(pieces) + b"]"


def encode_long(value: msgspec.Struct, name: str) -> bytes:
    """Encode the same JSON, with the top-level list `name` piece by piece. Only one field of this name may be empty."""
    items = getattr(value, name)
    if len(items) <= _SLICE:
        return encode(value)
    key = f'"{name}":'.encode()
    before, after = encode(msgspec.structs.replace(value, **{name: []})).split(key + b"[]")
    return b"".join([before, key, encode_list(items), after])
