"""Comparing versions and runs, and a metric over versions."""

from __future__ import annotations

from collections.abc import Mapping

from modelyard.sdk.http import at
from modelyard.sdk.session import Session
from modelyard.wire import comparison as wire


def compare(  # noqa: D417
    session: Session, /, *refs: str, directions: Mapping[str, str] | None = None, curves: bool = True
) -> wire.Comparison:
    """Compare two to eight versions or runs; the others are shown by their differences from the first.

    Args:
        refs: References of versions, or `run:<id>` for runs.
        directions: Metric → `higher` or `lower`, for metrics of which the registry does not know which is
            better.
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
    return session.transport.call("GET", at("compare"), query=query, returns=wire.Comparison)


def best(  # noqa: D417
    session: Session, /, model: str, metric: str, *, split: str | None = None, direction: str | None = None
) -> wire.Best:
    """Find the ready version of a model that has the best value of a metric.

    Args:
        model: Name of the model; the namespace may be left out when your account has a default one.
        metric: Name of the metric.
        split: Only values measured on this split; None: on any.
        direction: `higher` or `lower`; None: as the registry knows the metric.

    Returns:
        The best version, and all versions in order.

    Raises:
        ModelNotFound: There is no such model, or you may not see it.
        Invalid: It is not known which direction of the metric is better.

    Example:
        >>> client.best("fraud/scorer", "f1", split="test").best.reference
        'fraud/scorer:12'
    """
    query = wire.BestQuery(metric=metric, split=split, direction=direction)
    return session.transport.call("GET", session.model_path(model, "best"), query=query, returns=wire.Best)


def metric_history(  # noqa: D417
    session: Session, /, model: str, metric: str, *, split: str | None = None
) -> wire.MetricHistory:
    """Return a metric over the versions of a model.

    Args:
        model: Name of the model; the namespace may be left out when your account has a default one.
        metric: Name of the metric.
        split: Only values measured on this split; None: on any.

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
