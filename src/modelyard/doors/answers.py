"""Answers: JSON, entity tags and 304."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from modelyard.doors.parsing import header
from modelyard.registry.idempotency import Answer
from modelyard.wire.base import encode


def is_seen(request: Request, etag: str) -> bool:
    """Whether If-None-Match names the ETag: the caller's copy is still the present one.

    Asked for every read that has an ETag, after its handler; a handler asks when the answer is costly to begin.
    Source: RFC 9110, section 13.1.2, with the weak comparison.
    """
    given = header(request, b"if-none-match")
    if given is None:
        return False
    return given.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in given.split(",")]


S = TypeVar("S", bound=msgspec.Struct)

_JSON_HEADERS = {"content-type": "application/json", "cache-control": "private, no-cache"}
"""What one account may see is for no shared cache, and is asked for again before it is shown."""


class JsonBytes(Response):
    """JSON that is encoded already; the framework's own response looks at every header several times.

    A content type among the headers (lower case) stands before application/json: a refusal is a problem.
    """

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        sent = {**_JSON_HEADERS, **headers} if headers else _JSON_HEADERS
        self.raw_headers = [
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in sent.items()),
        ]


class Json(JsonBytes, Generic[S]):
    """JSON of a wire type, with a status or headers of its own."""


class Tagged(Json[S]):
    """The same, with an ETag."""


def json_response(value: S, status: int = 200, headers: Mapping[str, str] | None = None) -> Json[S]:
    return Json(encode(value), status, headers)


def tagged(value: S, revision: int | None = None) -> Tagged[S]:
    """A read with an ETag that stands for every byte of it.

    revision: what If-Match compares; alone it would not do, since a version also shows what is said about it
    elsewhere (aliases, scan, recall), and a model what the caller may do.
    """
    body = encode(value)
    tag = hashlib.blake2b(body, digest_size=8).hexdigest()
    return Tagged(body, 200, {"etag": f'"{tag}"' if revision is None else f'"{revision}-{tag}"'})


_KEPT_WITH_304 = (b"cache-control", b"etag")


def unless_seen(request: Request, response: Response) -> Response:
    """The answer, or 304 in its place when the caller has the same already."""
    if response.status_code != 200 or header(request, b"if-none-match") is None:
        return response
    kept = [(name, value) for name, value in response.raw_headers if name in _KEPT_WITH_304]
    etag = dict(kept).get(b"etag")
    if etag is None or not is_seen(request, etag.decode("latin-1")):
        return response
    seen = Response(status_code=304)
    seen.raw_headers = kept
    return seen


def to_response(value: object, status: int) -> Response:
    if isinstance(value, Response):
        return value
    if isinstance(value, Answer):
        if value.body:
            return JsonBytes(value.body, value.status, value.headers)
        return Response(value.body, value.status, value.headers)
    if value is None:
        return Response(status_code=204)
    assert isinstance(value, msgspec.Struct)
    return json_response(value, status)
