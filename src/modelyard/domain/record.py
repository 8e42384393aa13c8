"""The record: the facts known of a version at registration, frozen as canonical JSON.

Six facts make it complete, as far as they apply: code, data, environment, image, metrics and params. Besides them it
may hold the signature, the parents, the run that made it and how to load it. Non-finite numbers are the strings
"NaN", "Infinity" and "-Infinity", because JSON cannot express them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from modelyard.domain.canonical import OBJECT, canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidFact
from modelyard.domain.metric_names import MetricName
from modelyard.domain.metric_schemas import outside_range
from modelyard.domain.secrets import mask_json

SIX_FACTS = ("code", "data", "environment", "image", "metrics", "params")
FREE_FACTS = ("code", "environment", "image", "signature", "run", "loader")
"""Objects whose contents are free for the reporter."""

MAX_RECORD_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_METRICS = 10_000
MAX_PARAMS = 10_000
MAX_NAME_LENGTH = 500

_COMMIT = re.compile(r"[0-9a-f]{7,64}")

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
    """Parse a number from JSON. Raises InvalidFact."""
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
    """The parsed metrics of the facts."""

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
"""Relation to a parent → the facts that the parent has and that are not repeated, since nothing was trained."""


_NAMES_OF_CODE = frozenset(
    {"entry_point", "entry_point_digest", "arguments", "command", "branch", "dirty", "shallow", "top"}
)
"""Fields that identify the program, but not its content."""


def is_known(facts: Mapping[str, Any], name: str) -> bool:
    """Return whether a fact of a record has substance. Gates, completeness and every list of facts use this.

    code: can be read again, from a commit (with its local changes) or from kept files. data: has a digest.
    image: names the container of the run; a recipe made from the environment is only a guess. metrics: has a finite
    value. Any other fact, and any other form of these, is known if it is not empty.
    """
    value = facts.get(name)
    if not value:
        return False
    if name == "code" and isinstance(value, OBJECT):
        return _can_be_read_again(value)
    if name == "data":
        return any(isinstance(entry, OBJECT) and entry.get("digest") for entry in value)
    if name == "image" and isinstance(value, OBJECT):
        return any(value[key] for key in value if key not in ("recipe", "inside"))
    if name == "metrics":
        return any(metric.get("value") not in NON_FINITE for metric in value)
    return any(value.values()) if name == "environment" and isinstance(value, OBJECT) else True


def commit_of(facts: Mapping[str, Any]) -> str | None:
    """Return the Git commit that the code fact names, in lower case; None: it names none of 7 to 64 hex digits."""
    code = facts.get("code")
    commit = code.get("commit") if isinstance(code, OBJECT) else None
    plain = commit.strip().lower() if isinstance(commit, str) else ""
    return plain if _COMMIT.fullmatch(plain) else None


def _can_be_read_again(code: Mapping[str, Any]) -> bool:
    if code.get("files"):
        return True
    if not code.get("commit"):
        return any(code[key] for key in code if key not in _NAMES_OF_CODE)
    if code.get("untracked"):
        return False
    diff = code.get("diff")
    return not (isinstance(diff, Mapping) and (diff.get("cut") or diff.get("left_out")))


def applicable_facts(facts: Mapping[str, Any]) -> list[str]:
    """Return which of the six a version like this one can have. Known facts always apply."""
    parents = facts.get("parents")
    if not parents:
        return list(SIX_FACTS)
    relations = {str(parent.get("relation")) for parent in parents}
    excused = {name for relation in relations for name in NOT_APPLICABLE.get(relation, ())}
    # A version that was also trained from one of its parents counts as trained.
    if not relations <= set(NOT_APPLICABLE):
        excused = set()
    return [name for name in SIX_FACTS if name not in excused or facts.get(name)]


def missing_facts(facts: Mapping[str, Any]) -> list[str]:
    """Return the names of the applicable facts that are not known."""
    return missing_among(known_facts(facts))


def completeness(facts: Mapping[str, Any]) -> float:
    """Return known / applicable facts, 0 to 1."""
    return share_of(known_facts(facts))


KNOWN, MISSING, NOT_NEEDED = "1", "0", "-"


def known_facts(facts: Mapping[str, Any]) -> str:
    """Return one character for each of SIX_FACTS: known, missing, or not needed by a version like this one."""
    applicable = applicable_facts(facts)
    return "".join(
        [
            NOT_NEEDED if name not in applicable else KNOWN if is_known(facts, name) else MISSING
            for name in SIX_FACTS
        ]
    )


def missing_among(known: str) -> list[str]:
    """Return the names of the missing facts. known: as `known_facts` returns it."""
    return [name for name, mark in zip(SIX_FACTS, known, strict=True) if mark == MISSING]


def share_of(known: str) -> float:
    """Return known / applicable facts, 0 to 1. known: as `known_facts` returns it."""
    return known.count(KNOWN) / (len(known) - known.count(NOT_NEEDED))


def _params(params: Any) -> dict[str, Any]:
    if not isinstance(params, OBJECT):
        raise InvalidFact(what="the params", reason="they are not an object of names and values")
    if len(params) > MAX_PARAMS:
        raise InvalidFact(
            what="the params", reason=f"there are {len(params)}, at most {MAX_PARAMS} are allowed"
        )
    for name in params:
        _check_name(name, "a param")
    return dict(sorted(params.items()))


_METRIC_NEEDS = frozenset({"name", "value"})
_METRIC_MAY_HAVE = _METRIC_NEEDS | {"split", "dataset"}


def parse_metrics(metrics: Any) -> list[Metric]:
    """Parse `{name: value}` or `[{name, value, split?, dataset?}]`, in order.

    A key of the first form may name a split, as in `test:f1`; a name of the second form is used unchanged.
    Raises InvalidFact, also for a value that a known metric cannot have.
    """
    if isinstance(metrics, OBJECT):
        metrics = [_entry(name, value) for name, value in metrics.items()]
    if not isinstance(metrics, Sequence) or isinstance(metrics, str):
        raise InvalidFact(what="the metrics", reason="they are neither an object nor a list")
    if len(metrics) > MAX_METRICS:
        raise InvalidFact(
            what="the metrics", reason=f"there are {len(metrics)}, at most {MAX_METRICS} are allowed"
        )
    found: dict[tuple[str, str, str], Metric] = {}
    for entry in metrics:
        if not isinstance(entry, OBJECT) or not _METRIC_NEEDS <= entry.keys() <= _METRIC_MAY_HAVE:
            raise InvalidFact(
                what="a metric", reason="it has the fields name, value and perhaps split and dataset"
            )
        name = _check_name(entry["name"], "a metric")
        split = _check_text(entry.get("split") or "", f"the split of metric {name!r}")
        dataset = _check_text(entry.get("dataset") or "", f"the dataset of metric {name!r}")
        metric = Metric(name, split, number_from_json(entry["value"], f"metric {name!r}"), dataset)
        if valid := outside_range(name, metric.value):
            raise InvalidFact(
                what=f"metric {name!r}",
                reason=f"{metric.value:g} is outside of what it can be ({valid}); another scale needs another name",
            )
        if (name, split, dataset) in found:
            raise InvalidFact(
                what=f"metric {name!r}", reason="it is given twice for the same split and dataset"
            )
        found[name, split, dataset] = metric
    return sorted(found.values(), key=lambda m: (m.name, m.split, m.dataset))


def _entry(name: Any, value: Any) -> dict[str, Any]:
    if not isinstance(name, str):
        return {"name": name, "value": value}
    parsed = MetricName.parse(name)
    return {"name": parsed.name, "value": value, "split": parsed.split, "dataset": parsed.dataset}


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


def _check_depth(value: Any) -> None:
    """Check the depth level by level, so that the check itself needs no deep stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if "\0" in item:
                    raise InvalidFact(what="the record", reason="a text has a NUL character")
            elif isinstance(item, OBJECT):
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
