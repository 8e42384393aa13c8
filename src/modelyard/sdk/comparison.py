"""Comparing versions and runs, and a metric over versions."""

from __future__ import annotations

from collections.abc import Mapping

from modelyard.sdk.http import at
from modelyard.sdk.session import Session
from modelyard.wire import comparison as wire


def compare(
    session: Session, /, *refs: str, directions: Mapping[str, str] | None = None, curves: bool = True
) -> wire.Comparison:
    """Compare two to eight versions or runs; the others are shown by what differs from the first."""
    query = wire.CompareQuery(
        ref=list(refs),
        direction=[f"{metric}={word}" for metric, word in (directions or {}).items()],
        curves=curves,
    )
    return session.transport.call("GET", at("compare"), query=query, returns=wire.Comparison)


def best(
    session: Session, /, model: str, metric: str, *, split: str | None = None, direction: str | None = None
) -> wire.Best:
    """Find the ready version of a model that has the best value of a metric."""
    query = wire.BestQuery(metric=metric, split=split, direction=direction)
    return session.transport.call("GET", session.model_path(model, "best"), query=query, returns=wire.Best)


def metric_history(
    session: Session, /, model: str, metric: str, *, split: str | None = None
) -> wire.MetricHistory:
    """Follow a metric over the versions of a model."""
    query = wire.MetricQuery(metric=metric, split=split)
    path = session.model_path(model, "metric-history")
    return session.transport.call("GET", path, query=query, returns=wire.MetricHistory)
