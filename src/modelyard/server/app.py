"""The ASGI application: all doors, and what every request goes through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import msgspec
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Router

from modelyard.api.openapi import build_openapi
from modelyard.api.tables import TABLES
from modelyard.domain.errors import ModelyardError
from modelyard.doors import authentication
from modelyard.doors.dispatch import Dispatch, Endpoint, NativeRoute, first_word
from modelyard.doors.edge import Edge, not_found
from modelyard.doors.errors import problem_response
from modelyard.doors.services import Services
from modelyard.registry.access.usecases import check_sees_metrics
from modelyard.registry.jobs.nouns import QueueFigures
from modelyard.registry.jobs.usecases import count_jobs


@cache
def openapi_document(release: str) -> bytes:
    return msgspec.json.encode(build_openapi(TABLES, release))


def native_endpoints(services: Services) -> list[Endpoint]:
    return [Endpoint(spec, services, authentication.authenticate) for table in TABLES for spec in table.specs]


def _router(routes: Sequence[BaseRoute]) -> Router:
    return Router(routes, redirect_slashes=False, default=not_found)


async def _read_queue(services: Services) -> QueueFigures | None:
    """None while the database does not answer: all other metrics are shown then too."""
    try:
        return await services.db.aread(count_jobs)
    except ModelyardError:
        return None


def build_app(services: Services, other_doors: Iterable[BaseRoute] = ()) -> Edge:
    """The ASGI application: the native door, the other doors, and what every request goes through."""

    async def openapi(_: Request) -> Response:
        return Response(openapi_document(services.release), media_type="application/json")

    async def metrics(request: Request) -> Response:
        if not services.settings.metrics_public:
            try:
                check_sees_metrics(await authentication.authenticate(request, services))
            except ModelyardError as error:
                return problem_response(error, request.scope["modelyard.request_id"])
        edge.metrics.queue = await _read_queue(services)
        return Response(generate_latest(edge.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    endpoints = native_endpoints(services)
    methods: dict[str, list[str]] = {}
    for endpoint in endpoints:
        methods.setdefault(endpoint.path, []).append(endpoint.spec.method)
    routes: list[BaseRoute] = [
        *[endpoint.route(methods[endpoint.path]) for endpoint in endpoints],
        NativeRoute("/api/v1/openapi.json", openapi, ["GET"], "openapi", ["GET"]),
        NativeRoute("/metrics", metrics, ["GET"], "metrics", ["GET"]),
        *other_doors,
    ]
    words: dict[str, list[BaseRoute]] = {}
    for route in routes:
        word = first_word(getattr(route, "path", ""))
        if word is not None:
            assert "{" not in word, "the first word of a path is one and the same"
            words.setdefault(word, []).append(route)
    by_word = {word: _router(some) for word, some in words.items()}
    edge = Edge(Dispatch(endpoints, by_word, _router(routes)), services)
    return edge
