"""Values of callers as JSON has them: parameters, metrics, moments."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, overload

from modelyard.domain.errors import Invalid
from modelyard.domain.record import number_to_json

_SPLITS = frozenset({"train", "training", "valid", "validation", "val", "test", "eval", "holdout"})


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
    """Return a moment as text; text is left to the server to read."""
    return when.isoformat() if isinstance(when, datetime) else when


def plain(value: Any) -> Any:
    """Return a parameter as JSON has it: numbers of numpy and the like by their value, anything else as text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return number_to_json(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", 1) == 1:
        return plain(item())
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return plain(tolist())
    return str(value)


def metrics_to_json(metrics: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `[{name, value, split?, dataset?}]`; values that are not finite become "NaN", "Infinity" or "-Infinity".

    Raises Invalid for a value that is not a number.
    """
    if isinstance(metrics, Mapping):
        metrics = [{"name": name, "value": value} for name, value in metrics.items()]
    return [{**metric, "value": _number(metric)} for metric in metrics]


def metric_facts(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics of a run as a version carries them.

    `test:f1` is the metric f1 on the split test; any other name is a metric without a split.
    """
    facts = []
    for name, value in sorted(metrics.items()):
        split, colon, rest = name.partition(":")
        is_split = bool(colon) and bool(rest) and split in _SPLITS
        facts.append(
            {"name": rest, "split": split, "value": value} if is_split else {"name": name, "value": value}
        )
    return metrics_to_json(facts)


def _number(metric: Mapping[str, Any]) -> float | str:
    value = metric.get("value")
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise Invalid(
            reason=f"metric {metric.get('name')!r} is {str(value)[:60]!r}, which is not a number",
            fix="Give a number; other values are params or tags",
        ) from None
    return number if math.isfinite(number) else number_to_json(number)
