"""Whether an object of a cluster still is as it was described: what the cluster and others added to it does not count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_QUANTITY = re.compile(r"([0-9.]+)(m|[kMGTPE]i?)?\Z")
_UNITS = (
    {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
    | {f"{letter}i": 1024.0**power for power, letter in enumerate("kMGTPE", 1)}
    | {"Ki": 1024.0}
)


def differences(described: Any, actual: Any) -> list[str]:
    """Return the paths at which an object is not as it was described."""
    return [*_differences(described, actual, "")]


def _differences(described: Any, actual: Any, path: str) -> Iterator[str]:
    if isinstance(described, dict):
        if not isinstance(actual, dict):
            yield path
            return
        for name, value in described.items():
            # A cluster leaves out what is empty.
            if name in actual or value not in ({}, [], "", None):
                yield from _differences(value, actual.get(name), f"{path}.{name}" if path else name)
    elif isinstance(described, list):
        yield from _of_lists(described, actual, path)
    elif described != actual and not (".resources." in path and _amount(described) == _amount(actual)):
        yield path


def _of_lists(described: list[Any], actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, list):
        yield path
        return
    named = all(isinstance(item, dict) and "name" in item for item in (*described, *actual))
    if named:
        found = {item["name"]: item for item in actual}
        for item in described:
            yield from _differences(item, found.get(item["name"]), f"{path}.{item['name']}")
    elif len(described) != len(actual):
        yield path
    else:
        for index, (item, other) in enumerate(zip(described, actual, strict=True)):
            yield from _differences(item, other, f"{path}.{index}")


def _amount(value: Any) -> float | None:
    """Return a quantity as a number: clusters write `0.5` as `500m`."""
    match = _QUANTITY.match(str(value))
    return None if match is None else round(float(match[1]) * _UNITS.get(match[2] or "", 1.0), 6)
