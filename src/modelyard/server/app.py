"""The ASGI application: all doors, and the layers around every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

import msgspec
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Router

from modelyard.api.openapi import build_openapi
from modelyard.api.tables import TABLES
from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError
from modelyard.doors import authentication
from modelyard.doors.dispatch import Dispatch, Endpoint, NativeRoute, first_word
from modelyard.doors.edge import Edge, not_found
from modelyard.doors.errors import problem_response
from modelyard.doors.metrics import Inventory, ProcessFigures
from modelyard.doors.services import Services
from modelyard.registry.access.usecases import check_sees_metrics
from modelyard.registry.builds.usecases import count_builds
from modelyard.registry.catalog.usecases import list_uses
from modelyard.registry.deployments.showing import count_deployments
from modelyard.registry.jobs.nouns import QueueFigures
from modelyard.registry.jobs.usecases import count_jobs
from modelyard.registry.monitoring import usecases as monitoring
from modelyard.registry.outbox.usecases import count_deliveries
from modelyard.registry.schedules.usecases import count_schedules
from modelyard.registry.uploads.usecases import sum_stored
from modelyard.registry.versions.usecases import count_versions
from modelyard.server.backup import backup_age_seconds


@cache
def openapi_document(release: str) -> bytes:
    return msgspec.json.encode(build_openapi(TABLES, release))


def native_endpoints(services: Services) -> list[Endpoint]:
    return [Endpoint(spec, services, authentication.authenticate) for table in TABLES for spec in table.specs]


def _router(routes: Sequence[BaseRoute]) -> Router:
    return Router(routes, redirect_slashes=False, default=not_found)


async def _read_figures(services: Services) -> tuple[QueueFigures, Inventory] | tuple[None, None]:
    """Return nothing if the database does not answer, so that all other metrics are still shown."""
    try:
        return await services.db.aread(lambda tx: (count_jobs(tx), _inventory(tx)))
    except ModelyardError:
        return None, None


_DRIFT_COLUMNS = 50
"""Of each deployment in /metrics."""


def _inventory(tx: Transaction) -> Inventory:
    files, size_bytes = sum_stored(tx)
    backup = backup_age_seconds(tx)
    return Inventory(
        count_versions(tx),
        files,
        size_bytes,
        count_deliveries(tx),
        list_uses(tx),
        count_builds(tx),
        count_schedules(tx),
        count_deployments(tx),
        monitoring.count_needing(tx),
        monitoring.list_drift(tx, _DRIFT_COLUMNS),
        backup,
    )


def _no_others() -> Sequence[ProcessFigures]:
    return ()


def build_app(
    services: Services,
    other_doors: Iterable[BaseRoute] = (),
    figures_of_others: Callable[[], Sequence[ProcessFigures]] = _no_others,
) -> Edge:
    """The ASGI application: the native door, the other doors, and the layers around every request.

    figures_of_others: reads the figures of the other processes of this server.
    """

    async def openapi(_: Request) -> Response:
        return Response(openapi_document(services.release), media_type="application/json")

    async def metrics(request: Request) -> Response:
        if not services.settings.metrics_public:
            try:
                check_sees_metrics(await authentication.authenticate(request, services))
            except ModelyardError as error:
                return problem_response(error, request.scope["modelyard.request_id"])
        edge.metrics.queue, edge.metrics.inventory = await _read_figures(services)
        edge.metrics.others = figures_of_others()
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
