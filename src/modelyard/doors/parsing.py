"""Parsing of requests into typed values: headers, query strings and JSON bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from modelyard.domain.errors import ClientGone, Invalid, InvalidRequest, TooLarge
from modelyard.domain.names import ModelName, Ref
from modelyard.domain.times import to_moment
from modelyard.wire.base import FIRST_MOMENT, LAST_MOMENT

T = TypeVar("T")


def header(request: Request, name: bytes) -> str | None:
    """Return a header by its lower-case name, from the dictionary that the edge built."""
    value: bytes | None = request.scope["modelyard.headers"].get(name)
    return None if value is None else value.decode("latin-1")


_MOST_CACHED_QUERY_BYTES = 300
MAX_PARAMETERS = 200


def parse_query(text: bytes, wanted: type[msgspec.Struct] | None) -> Any:
    """Return the query string as its wire type. Raises InvalidRequest for unknown or wrong parameters.

    Short ones are parsed once, because the same few references are resolved again and again. The result is shared and
    must not be changed.
    """
    if len(text) <= _MOST_CACHED_QUERY_BYTES:
        return _parse_short_query(text, wanted)
    return _parse_query(text, wanted)


@lru_cache(4096)
def _parse_short_query(text: bytes, wanted: type[msgspec.Struct] | None) -> Any:
    return _parse_query(text, wanted)


def _parse_query(text: bytes, wanted: type[msgspec.Struct] | None) -> Any:
    if text.count(b"&") >= MAX_PARAMETERS:
        raise InvalidRequest(
            reason=f"the query has more than {MAX_PARAMETERS} parameters", fix="Send fewer at once"
        )
    pairs = parse_qsl(text.decode("ascii", "replace"), keep_blank_values=True)
    if wanted is None:
        if pairs:
            raise InvalidRequest(reason=f"query parameter {pairs[0][0][:60]!r} is unknown")
        return None
    lists = _list_fields(wanted)
    values: dict[str, Any] = {}
    for name, value in pairs:
        refuse_nul(value, f"query parameter {name[:60]!r}")
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidRequest(reason=f"query parameter {name[:60]!r} is given twice")
        else:
            values[name] = value
    return _decoded(lambda: msgspec.convert(values, wanted, strict=False))


@cache
def _list_fields(wanted: type[msgspec.Struct]) -> frozenset[str]:
    """Return the parameters that may be given several times."""
    fields = msgspec.structs.fields(wanted)
    return frozenset(
        f.name for f in fields if isinstance(msgspec.inspect.type_info(f.type), msgspec.inspect.ListType)
    )


def parse_body(raw: bytes, wanted: type[msgspec.Struct]) -> Any:
    """Decode JSON. Raises InvalidRequest if it is invalid, too deep, of another shape, or has a NUL in a text."""
    found = _decoded(lambda: msgspec.json.decode(raw or b"{}", type=wanted))
    _refuse_duplicate_keys(raw)
    if b"\\u0000" in raw:
        # The escape may itself be escaped, so the values are checked; raw NUL bytes are not valid JSON.
        for text in _texts(msgspec.to_builtins(found)):
            refuse_nul(text, "a text")
    return found


def _refuse_duplicate_keys(raw: bytes) -> None:
    """Refuse repeated keys: parsers differ in which value they take. Source: RFC 8259, section 4."""
    if not _decodes_whole(raw):
        _decoded(lambda: _UNIQUE_KEYS.decode(raw.decode()))


def _decodes_whole(raw: bytes) -> bool:
    """Return whether decoding certainly loses no key, at a quarter of the time of looking at each.

    Without escapes, quotation marks stand around keys and texts alone, so each key that is lost takes two away.
    Lists of numbers hold none.
    """
    if b"\\" in raw:
        return False
    if len(raw) > _SHORT:
        raw = _NUMBERS.sub(b"[]", raw)
    try:
        return raw.count(b'"') == msgspec.json.encode(msgspec.json.decode(raw or b"{}")).count(b'"')
    except (msgspec.DecodeError, RecursionError):
        return False


_SHORT = 4096
_NUMBERS = re.compile(rb"\[[-+.0-9eE, ]*\]")


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(reason=f"the JSON names {twice[:60]!r} twice in one object")


_UNIQUE_KEYS = json.JSONDecoder(object_pairs_hook=_refuse_twice, parse_int=str, parse_float=str)
"""Reads only the keys of JSON."""


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item


def refuse_nul(text: str, what: str) -> None:
    """Refuse a NUL in a name or text: PostgreSQL cannot even search for one."""
    if "\0" in text:
        raise InvalidRequest(reason=f"{what} has a NUL character", fix="Remove it")


def _decoded(fn: Callable[[], T]) -> T:
    try:
        return fn()
    except msgspec.ValidationError as exc:
        raise InvalidRequest(reason=str(exc)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(reason=f"the body is not JSON: {exc}", fix="Send JSON in UTF-8") from None
    except RecursionError:
        raise InvalidRequest(reason="the JSON is nested too deeply", fix="Send flatter JSON") from None


def parse_time(text: str) -> int:
    """Parse RFC 3339 into whole microseconds since 1970. Raises Invalid."""
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            raise ValueError("no time zone")
        if not FIRST_MOMENT <= to_moment(when) <= LAST_MOMENT:
            raise ValueError("beyond the calendar")
    except ValueError as exc:
        raise Invalid(
            reason=f"{text[:60]!r} is not a time ({exc})", fix="Write for example 2026-03-03T14:00:00Z"
        ) from None
    return to_moment(when)


def digits(text: str | None) -> int | None:
    """Return a header's number of up to 18 plain digits; None for anything else."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return int(text)


JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


async def read_body(request: Request, limit: int, media_type: str = JSON_TYPE) -> bytes:
    """Return the whole body if it is small enough. Raises TooLarge, InvalidRequest for another content type."""
    announced = digits(header(request, b"content-length")) or 0
    if announced > limit:
        raise TooLarge(what="the body", actual=announced, limit=limit, setting="max_request_bytes")
    body = bytearray()
    has_more = True
    while has_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone(received=len(body))
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLarge(
                what="the body", actual=f"more than {limit}", limit=limit, setting="max_request_bytes"
            )
        has_more = message.get("more_body", False)
    kind = header(request, b"content-type") or ""
    if body and kind.partition(";")[0].strip().lower() != media_type:
        raise InvalidRequest(
            reason=f"the body's content type is not {media_type}",
            fix=f"Send the header Content-Type: {media_type}",
        )
    return bytes(body)


def parse_target(model: ModelName, version: int | None, target: str | None) -> Ref:
    """Return the version that a body names by its number, or by `@alias`, `@sha256:…` or a number as text."""
    if (version is None) == (target is None):
        raise InvalidRequest(reason="give either version or target", fix='Send for example {"version": 3}')
    selector = f":{version}" if target is None else target
    if selector[:1] not in ":@":
        selector = f":{selector}"
    return Ref.parse(f"{model}{selector}")
