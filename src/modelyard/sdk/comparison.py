"""Comparing versions and runs, and a metric over versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelyard.sdk.http import at
from modelyard.wire import comparison as wire

if TYPE_CHECKING:
    from modelyard.sdk.client import Client


def compare(
    client: Client, refs: Sequence[str], *, directions: Mapping[str, str] | None = None, curves: bool = True
) -> wire.Comparison:
    """See `Client.compare`."""
    query = wire.CompareQuery(
        ref=list(refs),
        direction=[f"{metric}={word}" for metric, word in (directions or {}).items()],
        curves=curves,
    )
    found: wire.Comparison = client.transport.call("GET", at("compare"), query=query, returns=wire.Comparison)
    return found


def best(
    client: Client, model: str, metric: str, *, split: str | None = None, direction: str | None = None
) -> wire.Best:
    """See `Client.best`."""
    name = client.model_name(model)
    found: wire.Best = client.transport.call(
        "GET",
        at("models", name.namespace, name.name, "best"),
        query=wire.BestQuery(metric=metric, split=split, direction=direction),
        returns=wire.Best,
    )
    return found


def metric_history(client: Client, model: str, metric: str, *, split: str | None = None) -> wire.MetricHistory:
    """See `Client.metric_history`."""
    name = client.model_name(model)
    found: wire.MetricHistory = client.transport.call(
        "GET",
        at("models", name.namespace, name.name, "metric-history"),
        query=wire.MetricQuery(metric=metric, split=split),
        returns=wire.MetricHistory,
    )
    return found
