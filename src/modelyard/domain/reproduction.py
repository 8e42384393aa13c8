"""Compare what a build made again with the version that it repeats. Pure.

identical           every file has the same digest, and every metric the same value
equal               tensors and metrics are the same within the tolerance
different           something differs; it is named
not-deterministic   two repetitions differ from each other
impossible          it cannot be repeated; what is missing is named
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.domain.metric_names import MetricName

IDENTICAL, EQUAL, DIFFERENT = "identical", "equal", "different"
NOT_DETERMINISTIC, IMPOSSIBLE = "not-deterministic", "impossible"
VERDICTS = (IDENTICAL, EQUAL, DIFFERENT, NOT_DETERMINISTIC, IMPOSSIBLE)
CONFIRMED = (IDENTICAL, EQUAL)

METRIC_TOLERANCE = 1e-6
TENSOR_TOLERANCE = 1e-5
"""Both relative."""

FILE, TENSOR, METRIC, PARAM, PACKAGE = "file", "tensor", "metric", "param", "package"
_ABSENT = "none"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class TensorGap:
    """A tensor that differs. gap: the largest difference of two of its values, relative to its largest recorded value; None: it
    cannot be given, and `why` says why (missing, added, another shape or type, other integers)."""

    name: str
    gap: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a training made. files: path → digest. metrics: name with its split and dataset → value. packages: name → version.

    A metric that is not finite is the text "NaN", "Infinity" or "-Infinity", as in a record.
    contents: for files of tensors whose digest is not the recorded one, path → digest of the tensors alone. gaps: for these
    files, path → the tensors that differ from the recorded ones; empty: none does.
    """

    files: Mapping[str, str]
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    gaps: Mapping[str, Sequence[TensorGap]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """kind: file, tensor, metric, param or package. recorded, repeated: "none" if it was there only once. Of a tensor, `repeated`
    says how it differs, and `recorded` is empty."""

    kind: str
    name: str
    recorded: str
    repeated: str

    def __str__(self) -> str:
        if not self.recorded:
            return f"{self.kind} {self.name} is {self.repeated}"
        if self.repeated == _ABSENT:
            return f"{self.kind} {self.name} is missing, it was {self.recorded}"
        if self.recorded == _ABSENT:
            return f"{self.kind} {self.name} is new, it is {self.repeated}"
        return f"{self.kind} {self.name} was {self.recorded}, it is {self.repeated}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """causes: params and packages that differ. They decide nothing, but explain a difference."""

    verdict: str
    differences: Sequence[Difference] = ()
    causes: Sequence[Difference] = ()


def compare(
    recorded: Result,
    repeated: Result,
    metric_tolerance: float = METRIC_TOLERANCE,
    tensor_tolerance: float = TENSOR_TOLERANCE,
) -> Comparison:
    """Compare a repetition with what the version has. A metric that the version does not have is not compared."""
    differences: list[Difference] = []
    is_exact = True
    for name in sorted(recorded.metrics):
        before, after = _value(recorded, name), _value(repeated, name)
        if before is not None and after is not None:
            if _is_same(before, after):
                continue
            is_exact = False
            if is_near(before, after, metric_tolerance):
                continue
        differences.append(Difference(METRIC, name, _number(before), _number(after)))
    for path in _union(recorded.files, repeated.files):
        old, new = recorded.files.get(path), repeated.files.get(path)
        if old == new:
            continue
        is_exact = False
        if old is None or new is None or path not in repeated.gaps:
            differences.append(Difference(FILE, path, _digest(old), _digest(new)))
        else:
            differences += _compare_tensors(path, repeated.gaps[path], tensor_tolerance)
    causes = [
        Difference(kind, name, _shown(old.get(name)), _shown(new.get(name)))
        for kind, old, new in (
            (PARAM, recorded.params, repeated.params),
            (PACKAGE, recorded.packages, repeated.packages),
        )
        for name in _union(old, new)
        if old.get(name) != new.get(name)
    ]
    verdict = DIFFERENT if differences else IDENTICAL if is_exact else EQUAL
    return Comparison(verdict, differences, causes)


def same_words(recorded: Result) -> str:
    """Say how much was found to be the same."""
    counts = [(len(recorded.files), "file"), (len(recorded.metrics), "metric")]
    return " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count) + (
        " compared"
    )


def words_for(verdict: str, reasons: Sequence[object], causes: Sequence[object] = ()) -> str:
    """Describe a verdict in a line: the first reasons, and what may have caused them."""
    found = _first(reasons)
    words = f"{verdict}: {found}" if found else verdict
    return f"{words}. Perhaps because {_first(causes)}" if causes and verdict not in CONFIRMED else words


def _first(items: Sequence[object]) -> str:
    more = f", and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return "; ".join(str(each) for each in items[:_NAMED]) + more


def are_alike(first: Result, second: Result, metric_tolerance: float = METRIC_TOLERANCE) -> bool:
    """Return whether two repetitions made the same. Files of tensors are alike if all their tensors are the same."""
    if _contents(first) != _contents(second):
        return False
    return first.metrics.keys() == second.metrics.keys() and all(
        is_near(float(value), float(second.metrics[name]), metric_tolerance)
        for name, value in first.metrics.items()
    )


def is_near(before: float, after: float, tolerance: float) -> bool:
    """Return whether two values are the same within a relative tolerance. Two NaN are the same."""
    return _is_same(before, after) or math.isclose(before, after, rel_tol=tolerance)


def named_metrics(metrics: Iterable[Mapping[str, Any]]) -> dict[str, float | str]:
    """Return the metrics of a record by their full names; of several with one name, the last."""
    found: dict[str, float | str] = {}
    for entry in metrics:
        place = str(entry.get("split") or ""), str(entry.get("dataset") or "")
        found[str(MetricName(str(entry["name"]), *place))] = entry["value"]
    return found


def _compare_tensors(path: str, gaps: Sequence[TensorGap], tolerance: float) -> list[Difference]:
    return [
        Difference(
            TENSOR,
            f"{path}: {each.name}",
            "",
            each.why or f"different by {each.gap:.3g} of its largest value",
        )
        for each in gaps
        # A gap that is NaN is within no tolerance.
        if each.gap is None or not each.gap <= tolerance
    ]


def _contents(result: Result) -> dict[str, str]:
    return {path: result.contents.get(path, digest) for path, digest in result.files.items()}


def _union(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted({*old, *new})


def _value(result: Result, name: str) -> float | None:
    value = result.metrics.get(name)
    return None if value is None else float(value)


def _is_same(before: float, after: float) -> bool:
    return before == after or (math.isnan(before) and math.isnan(after))


def _digest(digest: str | None) -> str:
    return _ABSENT if digest is None else digest[:19]


def _number(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.10g}"


def _shown(value: Any) -> str:
    return _ABSENT if value is None else str(value)[:200]
