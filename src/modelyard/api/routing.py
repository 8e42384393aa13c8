"""Routes: what a request must look like, who handles it, what it answers; OpenAPI comes from the same table.

A handler gets a `Call` with its parameters already parsed into wire types and returns a wire type, an
`Answer` or a response.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property, lru_cache, partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.api.errors import problem_response
from modelyard.db.transaction import Transaction, to_moment
from modelyard.domain.actor import ANONYMOUS, Actor
from modelyard.domain.errors import (
    ClientGone,
    Invalid,
    InvalidRequest,
    MethodNotAllowed,
    ModelyardError,
    PreconditionFailed,
    TooLarge,
)
from modelyard.domain.names import ModelName, Ref
from modelyard.fair_share import LaneName, Runner
from modelyard.guarding import client_of
from modelyard.registry import idempotency
from modelyard.registry.catalog.rules import ANY_REVISION
from modelyard.registry.idempotency import Answer
from modelyard.services import Services
from modelyard.wire.base import FIRST_MOMENT, LAST_MOMENT, encode

T = TypeVar("T")
Handler = Callable[["Call"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One row of the table."""

    method: str
    path: str
    handler: Handler
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    returns: type[msgspec.Struct] | str | None = None
    """A wire type, a media type, or None for an empty answer."""
    status: int = 200
    public: bool = False
    """Answers without a token."""
    tells_secret: bool = False
    """The answer holds a secret that is shown this once, so no cache keeps it."""
    has_etag: bool = False
    """Answers with an ETag, and with 304 to an If-None-Match that names it."""

    @property
    def summary(self) -> str:
        """The first paragraph of what the handler promises."""
        return " ".join((self.handler.__doc__ or "").strip().partition("\n\n")[0].split())

    @property
    def operation(self) -> str:
        return self.handler.__name__


@dataclass(slots=True)
class RouteTable:
    """Collects the routes of one feature."""

    tag: str
    specs: list[RouteSpec] = field(default_factory=list)

    def route(self, method: str, path: str, **options: Any) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self.specs.append(RouteSpec(method, path, handler, **options))
            return handler

        return add


def header(request: Request, name: bytes) -> str | None:
    """A header by its lower-case name, from the dictionary that the edge made of them."""
    value: bytes | None = request.scope["modelyard.headers"].get(name)
    return None if value is None else value.decode("latin-1")


class Call:
    """One request on its way through a handler."""

    def __init__(self, request: Request, services: Services, spec: RouteSpec, actor: Actor) -> None:
        self.request = request
        self.services = services
        self.spec = spec
        self.actor = actor
        self.query: Any = None
        self.body: Any = None
        self.raw_body = b""

    @property
    def path(self) -> dict[str, str]:
        return self.request.path_params

    @cached_property
    def model(self) -> ModelName:
        return ModelName.parse(f"{self.path['namespace']}/{self.path['name']}")

    @cached_property
    def ref(self) -> Ref:
        return Ref.parse(f"{self.model}:{self.path['version']}")

    @property
    def request_id(self) -> str:
        return str(self.request.scope["modelyard.request_id"])

    # --- conditional requests ------------------------------------------------------------------

    @property
    def seen_revision(self) -> int | None:
        """What If-Match (a revision) or If-None-Match: * (0) says the caller saw; None: nothing."""
        headers = self.request.headers
        if headers.get("if-none-match") == "*":
            return 0
        match = headers.get("if-match")
        if match is None or match == "*":
            return None
        if match.startswith("W/"):
            # Source: RFC 9110, section 13.1.1: the comparison is strong, so a weak tag never matches.
            raise PreconditionFailed(reason="a weak ETag in If-Match never matches")
        found = _REVISION_TAG.fullmatch(match)
        if found is None:
            raise InvalidRequest(reason=f"If-Match is {match[:60]!r}", fix='Send the ETag as it came, like "3"')
        return int(found[1])

    @property
    def seen_state(self) -> int | None:
        """As `seen_revision`, for a PUT that may also create: If-Match: * says that something is there."""
        return ANY_REVISION if self.request.headers.get("if-match") == "*" else self.seen_revision

    # --- threads -------------------------------------------------------------------------------

    @cached_property
    def client(self) -> Hashable:
        """Whose share of the server this request uses."""
        return client_of(self.request, self.actor)

    async def in_thread(self, lane: LaneName, fn: Callable[..., T], *args: Any) -> T:
        """What waits or computes for more than a few milliseconds. Raises ShareUsedUp."""
        return await self.services.lanes[lane].run(self.client, fn, *args)

    def runner(self, lane: LaneName) -> Runner:
        return partial(self.services.lanes[lane].run, self.client)

    # --- the database --------------------------------------------------------------------------

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        return await self.services.db.aread(fn)

    async def point(self, fn: Callable[[Transaction], T]) -> T:
        """A read of a few rows by key."""
        return await self.services.db.apoint(fn)

    async def commit(
        self,
        fn: Callable[[Transaction], Any],
        *,
        status: int | None = None,
        etag: Callable[[Any], str] | None = None,
    ) -> Answer:
        """Run one change and answer with what it returns, after the commit.

        With an Idempotency-Key header the answer is stored in the same transaction and given again when
        the request is repeated.
        """
        key = self.request.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= 200:
            raise InvalidRequest(reason="the idempotency key is empty or longer than 200 characters")
        request_hash = self._request_hash() if key else ""

        def unit(tx: Transaction) -> Answer:
            if key:
                stored = idempotency.find_answer(tx, self.actor, key, request_hash)
                if stored is not None:
                    return stored
            value = fn(tx)
            headers = {"etag": etag(value)} if etag is not None else {}
            if isinstance(value, Answer):
                answer = value
            elif value is None:
                answer = Answer(status or 204, b"", headers)
            else:
                answer = Answer(status or self.spec.status, encode(value), headers)
            if key:
                idempotency.store_answer(tx, self.actor, key, request_hash, answer)
            return answer

        return await self.services.db.awrite(unit)

    def _request_hash(self) -> str:
        scope = self.request.scope
        start = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b"\n"
        # Keyed: a body may hold a password, which a hash that anybody can compute would give away to guessing.
        key = self.services.keyring.idempotency_key
        return hmac.new(key, start + self.raw_body, "sha256").hexdigest()


# What a write answers with, or what a read does: the revision and a hash of all that was shown with it.
_REVISION_TAG = re.compile(r'"?([0-9]{1,18})(?:-[0-9a-f]{16})?"?')


def revision_tag(value: Any) -> str:
    """The ETag with which a write answers; If-Match takes it."""
    return f'"{value.revision}"'


def is_seen(request: Request, etag: str) -> bool:
    """Whether If-None-Match names the ETag: the caller's copy is still the present one.

    Asked for every read that has an ETag, after its handler; a handler asks when the answer is costly to begin.
    Source: RFC 9110, section 13.1.2, with the weak comparison.
    """
    given = header(request, b"if-none-match")
    if given is None:
        return False
    return given.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in given.split(",")]


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


def json_response(value: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JsonBytes(encode(value), status, headers)


def tagged(value: msgspec.Struct, revision: int | None = None) -> JsonBytes:
    """A read with an ETag that stands for every byte of it.

    revision: what If-Match compares; alone it would not do, since a version also shows what is said about it
    elsewhere (aliases, scan, recall), and a model what the caller may do.
    """
    body = encode(value)
    tag = hashlib.blake2b(body, digest_size=8).hexdigest()
    return JsonBytes(body, 200, {"etag": f'"{tag}"' if revision is None else f'"{revision}-{tag}"'})


_KEPT_WITH_304 = (b"cache-control", b"etag")


def _unless_seen(request: Request, response: Response) -> Response:
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


def to_response(value: Any, status: int) -> Response:
    if isinstance(value, Response):
        return value
    if isinstance(value, Answer):
        if value.body:
            return JsonBytes(value.body, value.status, value.headers)
        return Response(value.body, value.status, value.headers)
    if value is None:
        return Response(status_code=204)
    return json_response(value, status)


# --- parsing ---------------------------------------------------------------------------------------


_MOST_CACHED_QUERY_BYTES = 300
MAX_PARAMETERS = 200


def parse_query(text: bytes, wanted: type[msgspec.Struct] | None) -> Any:
    """The query string as its wire type. Raises InvalidRequest for unknown or wrong parameters.

    Short ones are parsed once: the same few references are resolved again and again. What comes back is
    shared, so nobody changes it.
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
            reason=f"the query has more than {MAX_PARAMETERS} parameters", fix="Ask for fewer at once"
        )
    pairs = parse_qsl(text.decode("ascii", "replace"), keep_blank_values=True)
    if wanted is None:
        if pairs:
            raise InvalidRequest(reason=f"there is no query parameter {pairs[0][0][:60]!r} here")
        return None
    lists = _list_fields(wanted)
    values: dict[str, Any] = {}
    for name, value in pairs:
        _refuse_nul(value, f"query parameter {name[:60]!r}")
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidRequest(reason=f"query parameter {name[:60]!r} is given twice")
        else:
            values[name] = value
    return _decoded(lambda: msgspec.convert(values, wanted, strict=False))


@cache
def _list_fields(wanted: type[msgspec.Struct]) -> frozenset[str]:
    """The parameters that may be given several times."""
    fields = msgspec.structs.fields(wanted)
    return frozenset(
        f.name for f in fields if isinstance(msgspec.inspect.type_info(f.type), msgspec.inspect.ListType)
    )


def parse_body(raw: bytes, wanted: type[msgspec.Struct]) -> Any:
    """Raises InvalidRequest for what is no JSON, too deep, not of the shape, or has a NUL in a text."""
    found = _decoded(lambda: msgspec.json.decode(raw or b"{}", type=wanted))
    _refuse_duplicate_keys(raw)
    if b"\\u0000" in raw:
        # The escape may itself be escaped, so the values are asked; raw NUL bytes are no JSON.
        for text in _texts(msgspec.to_builtins(found)):
            _refuse_nul(text, "a text")
    return found


def _refuse_duplicate_keys(raw: bytes) -> None:
    """Which of two values counts differs from parser to parser, so neither does. Source: RFC 8259, section 4."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidRequest(reason=f"the JSON names {twice[:60]!r} twice in one object")

    if raw:
        _decoded(lambda: json.loads(raw, object_pairs_hook=unique, parse_int=str, parse_float=str))


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


def _refuse_nul(text: str, what: str) -> None:
    """No name and no text may have a NUL: PostgreSQL cannot even look for one."""
    if "\0" in text:
        raise InvalidRequest(reason=f"{what} has a NUL character", fix="Leave it out")


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
    """Whole microseconds since 1970 from RFC 3339. Raises Invalid."""
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
    """A header's number of up to 18 plain digits; None for anything else."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return int(text)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, when it is small enough. Raises TooLarge, InvalidRequest for another content type."""
    announced = digits(header(request, b"content-length")) or 0
    if announced > limit:
        raise TooLarge(what="the body", actual=announced, limit=limit, setting="max_request_bytes")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise TooLarge(
                    what="the body", actual=f"more than {limit}", limit=limit, setting="max_request_bytes"
                )
    except ClientDisconnect:
        raise ClientGone(received=len(body)) from None
    kind = header(request, b"content-type") or ""
    if body and kind.partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest(reason="the body is not announced as application/json", fix="Set the content type")
    return bytes(body)


class Endpoint:
    """A route as a plain ASGI application: parses, authenticates, handles and maps errors."""

    def __init__(
        self,
        spec: RouteSpec,
        services: Services,
        authenticate: Callable[[Request, Services], Awaitable[Actor]],
    ) -> None:
        self.spec = spec
        self.path = spec.path
        self._services = services
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.respond(Request(scope, receive, send))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        spec, services = self.spec, self._services
        try:
            _refuse_nul(request.scope["path"], "the path")
            # What is public answers also while the database does not, whatever token comes along.
            actor = ANONYMOUS if spec.public else await self._authenticate(request, services)
            call = Call(request, services, spec, actor)
            call.query = parse_query(request.scope["query_string"], spec.query)
            if spec.body is not None:
                call.raw_body = await read_body(request, services.settings.max_request_bytes)
                call.body = parse_body(call.raw_body, spec.body)
            response = to_response(await spec.handler(call), spec.status)
            if spec.tells_secret:
                response.headers["cache-control"] = "no-store"
            return _unless_seen(request, response) if spec.has_etag else response
        except ModelyardError as error:
            return problem_response(error, request.scope["modelyard.request_id"])

    def route(self, allowed: Iterable[str]) -> Route:
        return NativeRoute(self.spec.path, self, [self.spec.method], self.spec.operation, allowed)


class _Number(Convertor[int]):
    """A whole number that every database can look for."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())


class NativeRoute(Route):
    """A route that answers a wrong method as a problem; allowed: all methods of its path."""

    def __init__(
        self, path: str, endpoint: Any, methods: Sequence[str], name: str, allowed: Iterable[str]
    ) -> None:
        super().__init__(path, endpoint, methods=methods, name=name)
        self._allowed = ", ".join(sorted({*allowed, *(["HEAD"] if "GET" in allowed else [])}))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.methods is not None
        if scope["method"] in self.methods:
            await self.app(scope, receive, send)
            return
        error = MethodNotAllowed(method=scope["method"], path=scope["path"][:200], allowed=self._allowed)
        await problem_response(error, scope["modelyard.request_id"])(scope, receive, send)


_NATIVE = "/api/v1/"


def first_word(path: str) -> str | None:
    """What follows /api/v1/; None for the path of another door."""
    return path[len(_NATIVE) :].partition("/")[0] if path.startswith(_NATIVE) else None


class Dispatch:
    """Finds the endpoint: by a dictionary where the path is fixed, else by the router of the path's first word.

    A router tries one pattern after the other, and there are a hundred. other: for all other paths.
    """

    def __init__(self, endpoints: Sequence[Endpoint], by_word: Mapping[str, ASGIApp], other: ASGIApp) -> None:
        fixed = [endpoint for endpoint in endpoints if "{" not in endpoint.path]
        self._fixed = {(endpoint.spec.method, endpoint.path): endpoint for endpoint in fixed}
        self._by_word = by_word
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        endpoint = self._fixed.get((scope["method"], path))
        if endpoint is None:
            await self._by_word.get(first_word(path) or "", self._other)(scope, receive, send)
            return
        scope["route"] = endpoint
        await endpoint(scope, receive, send)
