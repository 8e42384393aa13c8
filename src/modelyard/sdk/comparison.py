"""Comparing versions and runs, and a metric over versions."""

from __future__ import annotations

from collections.abc import Mapping

from modelyard.sdk.http import at
from modelyard.sdk.session import Session
from modelyard.sdk.views import Best, Comparison
from modelyard.wire import comparison as wire


def compare(  # noqa: D417
    session: Session, /, *refs: str, directions: Mapping[str, str] | None = None, curves: bool = True
) -> Comparison:
    """Compare two to eight versions or runs; the others are compared with the first.

    Args:
        refs: References of versions, or `run:<id>` for runs.
        directions: Metric → `higher` or `lower`, for metrics whose better direction the registry does not
            know.
        curves: Include the series of metrics.

    Returns:
        The comparison: params, metrics, code, environment, files and data side by side.

    Raises:
        Invalid: There are fewer than two sides, or more than eight.
        VersionNotFound: There is no such version, or you may not see it.
        RunNotFound: There is no such run, or you may not see it.

    Example:
        >>> client.compare("fraud/scorer:11", "fraud/scorer:12").metrics[0].deltas
        [None, 0.02]
    """
    query = wire.CompareQuery(
        ref=list(refs),
        direction=[f"{metric}={word}" for metric, word in (directions or {}).items()],
        curves=curves,
    )
    return session.transport.call("GET", at("compare"), query=query, returns=Comparison)


def best(  # noqa: D417
    session: Session,
    /,
    model: str,
    metric: str,
    *,
    split: str | None = None,
    direction: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Best:
    """Find the ready version of a model that has the best value of a metric.

    Args:
        model: Name of the model; the namespace may be omitted if your account has a default one.
        metric: Name of the metric.
        split: Only values measured on this split; None: any split.
        direction: `higher` or `lower`; None: the direction that the registry knows.
        limit: Return at most this many versions, up to 1000.
        cursor: `next_cursor` of the previous page; None: begin with the best.

    Returns:
        The best version, and a page of all versions in order.

    Raises:
        ModelNotFound: There is no such model, or you may not see it.
        Invalid: The better direction of the metric is not known.

    Example:
        >>> client.best("fraud/scorer", "f1", split="test").best.reference
        'fraud/scorer:12'
    """
    query = wire.BestQuery(metric=metric, split=split, direction=direction, limit=limit, cursor=cursor)
    return session.transport.call("GET", session.model_path(model, "best"), query=query, returns=Best)


def metric_history(  # noqa: D417
    session: Session, /, model: str, metric: str, *, split: str | None = None
) -> wire.MetricHistory:
    """Return a metric over the versions of a model.

    Args:
        model: Name of the model; the namespace may be omitted if your account has a default one.
        metric: Name of the metric.
        split: Only values measured on this split; None: any split.

    Returns:
        The values: those frozen at registration, and those that evaluations reported later.

    Raises:
        ModelNotFound: There is no such model, or you may not see it.

    Example:
        >>> [(point.version, point.value) for point in client.metric_history("fraud/scorer", "f1").items]
        [(11, 0.91), (12, 0.93)]
    """
    query = wire.MetricQuery(metric=metric, split=split)
    path = session.model_path(model, "metric-history")
    return session.transport.call("GET", path, query=query, returns=wire.MetricHistory)
