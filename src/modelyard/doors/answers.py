"""Answers: JSON, entity tags and 304."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from modelyard.doors.parsing import header
from modelyard.registry.idempotency import Answer
from modelyard.wire.base import encode


def is_seen(request: Request, etag: str) -> bool:
    """Whether If-None-Match names the ETag, so that the caller's copy is current.

    Checked for every read with an ETag, after its handler; a handler checks earlier when its answer is costly to start.
    Source: RFC 9110, section 13.1.2, with the weak comparison.
    """
    given = header(request, b"if-none-match")
    if given is None:
        return False
    return given.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in given.split(",")]


SEND_WHOLE = "modelyard.send_whole"
"""Extension of a request and key of its scope: a `SendWhole`."""
SendWhole = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], bool]
"""(status, headers, body) → True: the whole answer was sent; False: nothing was, send it in the usual way."""

S = TypeVar("S", bound=msgspec.Struct)

_JSON_HEADERS = {"content-type": "application/json", "cache-control": "private, no-cache"}
"""An answer depends on the account, so no shared cache may keep it, and a private one must revalidate it."""


class JsonBytes(Response):
    """JSON that is already encoded; the framework's own response inspects every header several times.

    A content type among the headers (in lower case) replaces application/json: a refusal is a problem document.
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        send_whole: SendWhole | None = scope.get(SEND_WHOLE)
        if send_whole is None or not send_whole(self.status_code, self.raw_headers, cast(bytes, self.body)):
            await super().__call__(scope, receive, send)


class Json(JsonBytes, Generic[S]):
    """Return JSON of a wire type, with a status or headers of its own."""


class Tagged(Json[S]):
    """Return the same, with an ETag."""


def json_response(value: S, status: int = 200, headers: Mapping[str, str] | None = None) -> Json[S]:
    return Json(encode(value), status, headers)


def tagged(value: S, revision: int | None = None) -> Tagged[S]:
    """Return an answer to a read, with an ETag that covers every byte of it.

    revision: compared by If-Match. It is not enough alone, because a version also shows facts kept elsewhere (aliases,
    scan, recall), and a model shows the caller's permissions.
    """
    body = encode(value)
    tag = hashlib.blake2b(body, digest_size=8).hexdigest()
    return Tagged(body, 200, {"etag": f'"{tag}"' if revision is None else f'"{revision}-{tag}"'})


_KEPT_WITH_304 = (b"cache-control", b"etag")


def unless_seen(request: Request, response: Response) -> Response:
    """Return the answer, or 304 if the caller already has the same."""
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
