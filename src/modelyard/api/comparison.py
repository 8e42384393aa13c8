"""Routes of comparisons, and of a metric over versions."""

from __future__ import annotations

from functools import partial

from modelyard.api import comparison_shapes as shapes
from modelyard.domain.errors import InvalidRequest
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging, cut
from modelyard.doors.table import RouteTable
from modelyard.registry.comparison import history
from modelyard.registry.comparison import usecases as comparison
from modelyard.registry.comparison.rules import HIGHER, LOWER
from modelyard.wire import comparison as wire

table = RouteTable(__name__)
_MODEL = "/api/v1/models/{namespace}/{name}"


@table.route("GET", "/api/v1/compare")
async def compare(call: Call, query: wire.CompareQuery) -> wire.Comparison:
    """Compare two to eight versions or runs: params, metrics, curves, code, environment, data, files."""
    services = call.services
    found = await call.in_thread(
        "views",
        partial(
            comparison.compare_all,
            services.db,
            services.blobs,
            call.actor,
            query.ref,
            dict(_direction(text) for text in query.direction),
            with_curves=query.curves,
        ),
    )
    return shapes.comparison(found)


def _direction(text: str) -> tuple[str, str]:
    metric, _, word = text.rpartition("=")
    if not metric or word not in (HIGHER, LOWER):
        raise InvalidRequest(reason=f"direction is {text[:60]!r}", fix="Write metric=higher or metric=lower")
    return metric, word


@table.route("GET", f"{_MODEL}/metric-history")
async def metric_history(call: Call, query: wire.MetricQuery) -> wire.MetricHistory:
    """List the values of a metric over the versions of a model: from records, and reported later."""
    model, found = await call.read(
        lambda tx: history.metric_history(tx, call.actor, call.model, query.metric, query.split)
    )
    return wire.MetricHistory(
        model=str(model.name), metric=query.metric, items=[shapes.point(model, m) for m in found]
    )


@table.route("GET", f"{_MODEL}/best")
async def best_version(call: Call, query: wire.BestQuery) -> wire.Best:
    """Return the ready version with the best value of a metric, and a page of all candidates."""
    paging = Paging.of(query, str, int)
    after = None if paging.start is None else (_value_of(paging.start[0]), paging.start[1])
    found = await call.read(
        lambda tx: history.rank_versions(
            tx,
            call.actor,
            call.model,
            query.metric,
            split=query.split,
            direction=query.direction,
            after=after,
            limit=paging.count,
        )
    )
    shown, cursor = cut(found.items, paging.count - 1, lambda m: (repr(m.value), m.version))
    return wire.Best(
        model=str(found.model.name),
        metric=query.metric,
        best=shapes.point(found.model, found.best) if found.best is not None else None,
        ranking=[shapes.point(found.model, m) for m in shown],
        next_cursor=cursor,
    )


def _value_of(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidRequest(reason="the cursor is not valid", fix="Start again without a cursor") from None
