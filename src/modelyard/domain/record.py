"""The record: what was known of a version when it was registered, frozen as canonical JSON.

Six facts make it complete, as far as they apply: code, data, environment, image, metrics and params. Besides them it may carry the
signature, the parents, the run that made it and how to load it. Non-finite numbers are the strings "NaN",
"Infinity" and "-Infinity", because JSON has no word for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidFact
from modelyard.domain.secrets import mask_json

SIX_FACTS = ("code", "data", "environment", "image", "metrics", "params")
FREE_FACTS = ("code", "environment", "image", "signature", "run", "loader")
"""Objects whose inside is the reporter's own."""

MAX_RECORD_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_METRICS = 10_000
MAX_PARAMS = 10_000
MAX_NAME_LENGTH = 500

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """A measured value; split "" when none was named."""

    name: str
    split: str
    value: float
    dataset: str = ""

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self.name, "value": number_to_json(self.value)}
        if self.split:
            found["split"] = self.split
        if self.dataset:
            found["dataset"] = self.dataset
        return found


def number_to_json(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def number_from_json(value: Any, what: str) -> float:
    """Raises InvalidFact."""
    if isinstance(value, str) and value in NON_FINITE:
        return NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidFact(what=what, reason="it is not a number")
    try:
        return float(value)
    except OverflowError:
        raise InvalidFact(what=what, reason="it is too large for a double") from None


@dataclass(frozen=True)
class Record:
    """Made by `of`, so that it is valid and in canonical order."""

    facts: Mapping[str, Any]
    metrics: tuple[Metric, ...] = ()
    """Those of the facts, parsed."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Record:
        """Check, mask and order what a client reports. Empty facts are dropped. Raises InvalidFact."""
        known = {*SIX_FACTS, *FREE_FACTS, "parents"}
        if unknown := sorted(set(facts) - known):
            raise InvalidFact(
                what=f"fact {unknown[0]!r}", reason=f"the facts of a version are {', '.join(sorted(known))}"
            )
        ordered: dict[str, Any] = {}
        for name in FREE_FACTS:
            if value := facts.get(name):
                if not isinstance(value, Mapping):
                    raise InvalidFact(what=f"fact {name!r}", reason="it is not an object")
                ordered[name] = dict(value)
        if params := _params(facts.get("params") or {}):
            ordered["params"] = params
        metrics = tuple(parse_metrics(facts.get("metrics") or []))
        if metrics:
            ordered["metrics"] = [m.to_json() for m in metrics]
        for name in ("data", "parents"):
            if entries := facts.get(name):
                if not isinstance(entries, Sequence) or not all(isinstance(e, Mapping) for e in entries):
                    raise InvalidFact(what=f"fact {name!r}", reason="it is not a list of objects")
                ordered[name] = [dict(e) for e in entries]
        _check_depth(ordered)
        record = cls(mask_json(ordered), metrics)
        if len(record.canonical_bytes) > MAX_RECORD_BYTES:
            raise InvalidFact(
                what="the record",
                reason=f"it is larger than {MAX_RECORD_BYTES} bytes; keep large facts as files",
            )
        return record

    @cached_property
    def canonical_bytes(self) -> bytes:
        try:
            return canonical_json(self.facts)
        except ValueError as exc:
            raise InvalidFact(what="the record", reason=str(exc)) from None

    @cached_property
    def digest(self) -> Digest:
        return Digest.of(self.canonical_bytes)


NOT_APPLICABLE: dict[str, tuple[str, ...]] = {
    "conversion": ("data", "metrics", "params"),
    "quantized": ("data", "params"),
    "merge": ("data", "params"),
}
"""Relation to a parent → the facts that are the parent's own and not said again: nothing was trained."""


def applicable_facts(facts: Mapping[str, Any]) -> list[str]:
    """Which of the six a version like this one can have. What is known applies in any case."""
    parents = facts.get("parents")
    if not parents:
        return list(SIX_FACTS)
    relations = {str(parent.get("relation")) for parent in parents}
    excused = {name for relation in relations for name in NOT_APPLICABLE.get(relation, ())}
    # A version with a parent that it was trained from as well was trained.
    if not relations <= set(NOT_APPLICABLE):
        excused = set()
    return [name for name in SIX_FACTS if name not in excused or facts.get(name)]


def missing_facts(facts: Mapping[str, Any]) -> list[str]:
    """Which of the applicable ones are not known, by name."""
    return [name for name in applicable_facts(facts) if not facts.get(name)]


def completeness(facts: Mapping[str, Any]) -> float:
    """Known / applicable, 0 to 1."""
    applicable = applicable_facts(facts)
    return sum(1 for name in applicable if facts.get(name)) / len(applicable)


def _params(params: Any) -> dict[str, Any]:
    if not isinstance(params, Mapping):
        raise InvalidFact(what="the params", reason="they are not an object of names and values")
    if len(params) > MAX_PARAMS:
        raise InvalidFact(
            what="the params", reason=f"there are {len(params)}, at most {MAX_PARAMS} are allowed"
        )
    for name in params:
        _check_name(name, "a param")
    return dict(sorted(params.items()))


def parse_metrics(metrics: Any) -> list[Metric]:
    """From `{name: value}` or `[{name, value, split?, dataset?}]`, in order. Raises InvalidFact."""
    if isinstance(metrics, Mapping):
        metrics = [{"name": name, "value": value} for name, value in metrics.items()]
    if not isinstance(metrics, Sequence) or isinstance(metrics, str):
        raise InvalidFact(what="the metrics", reason="they are neither an object nor a list")
    if len(metrics) > MAX_METRICS:
        raise InvalidFact(
            what="the metrics", reason=f"there are {len(metrics)}, at most {MAX_METRICS} are allowed"
        )
    found: dict[tuple[str, str, str], Metric] = {}
    for entry in metrics:
        if not isinstance(entry, Mapping) or not {"name", "value"} <= set(entry) <= {
            "name",
            "value",
            "split",
            "dataset",
        }:
            raise InvalidFact(
                what="a metric", reason="it has the fields name, value and perhaps split and dataset"
            )
        name = _check_name(entry["name"], "a metric")
        split = _check_text(entry.get("split") or "", f"the split of metric {name!r}")
        dataset = _check_text(entry.get("dataset") or "", f"the dataset of metric {name!r}")
        metric = Metric(name, split, number_from_json(entry["value"], f"metric {name!r}"), dataset)
        if (name, split, dataset) in found:
            raise InvalidFact(
                what=f"metric {name!r}", reason="it is given twice for the same split and dataset"
            )
        found[name, split, dataset] = metric
    return sorted(found.values(), key=lambda m: (m.name, m.split, m.dataset))


def _check_name(name: Any, what: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InvalidFact(what=what, reason="its name is empty")
    return _check_text(name, f"{what} named {name[:40]!r}")


def _check_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidFact(what=what, reason="it is not text")
    if len(value) > MAX_NAME_LENGTH or "\0" in value:
        raise InvalidFact(what=what, reason=f"it has a NUL character or more than {MAX_NAME_LENGTH} characters")
    return value


# Any mapping will do; asking for a plain one first spares nearly all the slower question.
_OBJECTS = (dict, Mapping)


def _check_depth(value: Any) -> None:
    """Level by level, so that the check itself needs no deep stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if "\0" in item:
                    raise InvalidFact(what="the record", reason="a text has a NUL character")
            elif isinstance(item, _OBJECTS):
                for key in item:
                    if not isinstance(key, str) or "\0" in key:
                        raise InvalidFact(what="the record", reason="a key is not text, or has a NUL character")
                deeper.extend(item.values())
            elif isinstance(item, list | tuple):
                deeper.extend(item)
        if not deeper:
            return
        level = deeper
    raise InvalidFact(what="the record", reason=f"it is nested more than {MAX_DEPTH} levels deep")
