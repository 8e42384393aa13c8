"""Dispatch of a path to its endpoint, which parses, authenticates, handles and maps errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.domain.actor import ANONYMOUS, Actor
from modelyard.domain.errors import MethodNotAllowed, ModelyardError
from modelyard.doors.answers import to_response, unless_seen
from modelyard.doors.call import Call
from modelyard.doors.errors import problem_response
from modelyard.doors.parsing import parse_body, parse_query, read_body, refuse_nul
from modelyard.doors.services import Services
from modelyard.doors.table import RouteSpec

MOST_SMALL_BODY_BYTES = 1 << 20
"""Limit of a JSON body in bytes, except for routes that take large ones."""


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
        most = services.settings.max_request_bytes
        self._most_bytes = most if spec.has_large_body else min(most, MOST_SMALL_BODY_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.respond(Request(scope, receive, send))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        spec, services = self.spec, self._services
        try:
            refuse_nul(request.scope["path"], "the path")
            # Public routes answer even while the database does not, and ignore any token.
            actor = ANONYMOUS if spec.public else await self._authenticate(request, services)
            call = Call(request, services, actor, spec.status)
            query = parse_query(request.scope["query_string"], spec.query)
            given: dict[str, Any] = {} if query is None else {"query": query}
            if spec.body is not None:
                call.raw_body = await read_body(request, self._most_bytes)
                given["body"] = await call.compute(parse_body, call.raw_body, spec.body)
            response = to_response(await spec.handler(call, **given), spec.status)
            if spec.tells_secret:
                response.headers["cache-control"] = "no-store"
            return unless_seen(request, response) if spec.has_etag else response
        except ModelyardError as error:
            return problem_response(error, request.scope["modelyard.request_id"])

    def route(self, allowed: Iterable[str]) -> Route:
        return NativeRoute(self.spec.path, self, [self.spec.method], self.spec.operation, allowed)


class _Number(Convertor[int]):
    """A whole number in the range of every database."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())


class NativeRoute(Route):
    """A route that answers a wrong method with a problem document. allowed: all methods of its path."""

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
    """Return the part after /api/v1/; None for the path of another door."""
    return path[len(_NATIVE) :].partition("/")[0] if path.startswith(_NATIVE) else None


class Dispatch:
    """Find the endpoint: by a dictionary if the path is fixed, otherwise by the router of the path's first word.

    A router tries one pattern after another, and there are a hundred. other: for all other paths.
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
