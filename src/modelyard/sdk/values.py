"""Conversion of callers' values to JSON: parameters, metrics, times."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, overload

from modelyard.domain.errors import Invalid
from modelyard.domain.metric_names import MetricName
from modelyard.domain.metric_schemas import outside_range
from modelyard.domain.record import MAX_DEPTH, NON_FINITE, number_to_json


def now() -> int:
    """Return whole microseconds since 1970 UTC."""
    return time.time_ns() // 1000


@overload
def moment(when: datetime | str) -> str: ...
@overload
def moment(when: None) -> None: ...
@overload
def moment(when: datetime | str | None) -> str | None: ...
def moment(when: datetime | str | None) -> str | None:
    """Return a time as text; text is passed on for the server to parse."""
    return when.isoformat() if isinstance(when, datetime) else when


def plain(value: Any, depth: int = 0) -> Any:
    """Return a parameter as a JSON value: numbers of numpy and the like as numbers, anything else as text.

    Raises Invalid for a value that contains itself.
    """
    if depth > MAX_DEPTH:
        raise Invalid(
            reason=f"a parameter contains itself, or is nested more than {MAX_DEPTH} levels deep",
            fix="Log its parts by name, or its text",
        )
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return number_to_json(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", 1) == 1:
        return plain(item(), depth + 1)
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return plain(tolist(), depth + 1)
    return str(value)


def metrics_to_json(metrics: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `[{name, value, split?, dataset?}]`; values that are not finite become "NaN", "Infinity" or "-Infinity".

    Raises Invalid for a value that is not a number.
    """
    if isinstance(metrics, Mapping):
        metrics = [{**_place(str(name)), "value": value} for name, value in metrics.items()]
    return [{**metric, "value": _number(metric)} for metric in metrics]


def _place(name: str) -> dict[str, str]:
    """Return the name, the split and the dataset that a metric's name holds."""
    parsed = MetricName.parse(name)
    return {
        key: value
        for key, value in (("name", parsed.name), ("split", parsed.split), ("dataset", parsed.dataset))
        if value
    }


def metric_facts(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics of a run in the form of a version's facts: `test:f1` is the metric f1 on the split test."""
    return [
        fact
        for fact in metrics_to_json(dict(sorted(metrics.items())))
        if impossible(fact["name"], fact["value"]) is None
    ]


def impossible(name: str, value: float | str) -> str | None:
    """Return the valid range of a known metric if a value is outside it; such a value stays with its run."""
    number = NON_FINITE[value] if isinstance(value, str) else value
    return outside_range(MetricName.parse(name).name, number)


def number(value: Any) -> float:
    """Return a measured value as a double: a number of any library, or an array of one element.

    Raises TypeError, ValueError, OverflowError or RuntimeError for anything else.
    """
    # Converting a tensor that requires gradients to a number would warn.
    detach = getattr(value, "detach", None)
    if callable(detach):
        value = detach()
    item = getattr(value, "item", None)
    return float(item() if callable(item) else value)


def _number(metric: Mapping[str, Any]) -> float | str:
    value = metric.get("value")
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return value
    try:
        found = number(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise Invalid(
            reason=f"metric {metric.get('name')!r} is {str(value)[:60]!r}, which is not a number",
            fix="Give a number; other values are params or tags",
        ) from None
    return found if math.isfinite(found) else number_to_json(found)
