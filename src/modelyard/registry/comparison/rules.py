"""Find the differences between sides, from their facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.domain.errors import Invalid
from modelyard.domain.metric_names import MetricName, rank
from modelyard.domain.record import number_from_json
from modelyard.domain.significance import Difference, bootstrap, paired_t_test

HIGHER, LOWER = "higher", "lower"
LEAST_SIDES, MOST_SIDES = 2, 8
_FOLD_WORDS = ("fold", "cv", "seed", "repeat")
MetricKey = tuple[str, str, str]
"""(name, split, dataset)"""


class Side(msgspec.Struct):
    """The compared facts of a version or a run. measured: values of a metric by fold, or one after the other
    ("#1", "#2") if it was measured repeatedly."""

    ref: str
    kind: str
    created_at: int
    created_by: str
    state: str
    flags: Sequence[str] = ()
    """Problems of the version, gravest first."""
    params: Mapping[str, Any] = msgspec.field(default_factory=dict)
    metrics: dict[MetricKey, float] = msgspec.field(default_factory=dict)
    measured: dict[MetricKey, dict[str, float]] = msgspec.field(default_factory=dict)
    code: Mapping[str, Any] = msgspec.field(default_factory=dict)
    environment: Mapping[str, Any] = msgspec.field(default_factory=dict)
    data: Sequence[Mapping[str, Any]] = ()
    format: Mapping[str, Any] = msgspec.field(default_factory=dict)
    files: Mapping[str, tuple[str, int]] = msgspec.field(default_factory=dict)
    """path → (digest, size in bytes)"""
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] = msgspec.field(default_factory=dict)
    """name → (dtype, shape)"""
    size_bytes: int | None = None
    run: str | None = None


def check_count(refs: Sequence[str]) -> None:
    if not LEAST_SIDES <= len(refs) <= MOST_SIDES:
        raise Invalid(
            reason=f"{len(refs)} are given, {LEAST_SIDES} to {MOST_SIDES} can be compared at once",
            fix="Name versions or runs, for example fraud/scorer:3 fraud/scorer:4",
        )
    if len(set(refs)) != len(refs):
        raise Invalid(reason="one of them is given twice", fix="Name each once")


# --- metrics -------------------------------------------------------------------------------------------


def add_metrics(side: Side, metrics: Sequence[Mapping[str, Any]], *, again: bool = False) -> None:
    """Add metrics as a record has them. again: from a later evaluation; the newest value counts, and all values
    are measurements. A fold is known by the name of its dataset, split or metric, as `fold-3` or `f1_fold3`."""
    for said in metrics:
        name, split, dataset = str(said["name"]), str(said.get("split") or ""), str(said.get("dataset") or "")
        value = number_from_json(said["value"], f"metric {name!r}")
        base, fold = _fold_of(name, split, dataset)
        if fold is not None:
            side.measured.setdefault(base, {})[fold] = value
            continue
        key = (name, split, dataset)
        repeats = side.measured.setdefault(key, {})
        repeats[f"#{len(repeats) + 1}"] = value
        if again or key not in side.metrics:
            side.metrics[key] = value


def _fold_of(name: str, split: str, dataset: str) -> tuple[MetricKey, str | None]:
    for place, text in (("dataset", dataset), ("split", split), ("name", name)):
        rest, fold = _split_fold(text)
        if fold and (rest or place != "name"):
            key = {
                "dataset": (name, split, rest),
                "split": (name, rest, dataset),
                "name": (rest, split, dataset),
            }[place]
            return key, fold.lstrip("0") or "0"
    return (name, split, dataset), None


def _split_fold(text: str) -> tuple[str, str]:
    """Return ("test", "3") for "test/fold-3"; (the text, "") if it does not end in a fold."""
    before = text.rstrip("0123456789")
    number = text[len(before) :]
    before = before.rstrip(" ._-")
    word = next((each for each in _FOLD_WORDS if before[-len(each) :].lower() == each), None)
    if word is None or not 1 <= len(number) <= 4:
        return text, ""
    return before[: -len(word)].rstrip(" ._/-"), number


def finish_metrics(side: Side) -> None:
    """Add the mean of a metric's folds, unless a value for the whole metric was reported."""
    for key, values in side.measured.items():
        if key not in side.metrics and values:
            side.metrics[key] = sum(values.values()) / len(values)


class MetricRow(msgspec.Struct, frozen=True):
    """One metric on all sides. values: None for a side without it. best: positions.

    deltas: from the first side. champion_deltas: from the champion.
    """

    key: MetricKey
    direction: str | None
    values: list[float | None]
    deltas: list[float | None]
    champion: float | None
    champion_deltas: list[float | None]
    best: list[int]
    significance: list[Difference | None]


def compare_metrics(
    sides: Sequence[Side], champion: Mapping[MetricKey, float], direction_of: Any
) -> list[MetricRow]:
    keys = sorted({key for side in sides for key in side.metrics}, key=lambda key: rank(MetricName(*key)))
    return [_metric_row(key, sides, champion.get(key), direction_of(key[0])) for key in keys]


class Lead(msgspec.Struct, frozen=True):
    """Which side is best most often, as a sentence. side: its position; None: no side leads."""

    sentence: str
    side: int | None


_NO_LEAD = "No metric with a known better direction differs"


def find_lead(sides: Sequence[Side], metrics: Sequence[MetricRow]) -> Lead:
    """Count the metrics with a known better direction that differ. Metrics of training data do not count."""
    counted = [
        row
        for row in metrics
        if row.direction and row.best and len(row.best) < len(sides) and row.key[1] != "train"
    ]
    if not counted:
        trained = any(row.direction and 0 < len(row.best) < len(sides) for row in metrics)
        which = "Only metrics of training data differ, which do not count" if trained else _NO_LEAD
        return Lead(f"{which}.", None)
    wins = [sum(1 for row in counted if position in row.best) for position in range(len(sides))]
    leaders = [position for position, count in enumerate(wins) if count == max(wins)]
    of = f"{max(wins)} of {len(counted)} {'metric' if len(counted) == 1 else 'metrics'}"
    if len(leaders) > 1:
        names = " and ".join(sides[position].ref for position in leaders)
        return Lead(f"{names} are each best in {of}.", None)
    return Lead(f"{sides[leaders[0]].ref} is best in {of}.", leaders[0])


def _metric_row(
    key: MetricKey, sides: Sequence[Side], champion: float | None, direction: str | None
) -> MetricRow:
    values = [side.metrics.get(key) for side in sides]
    finite = {i: v for i, v in enumerate(values) if v is not None and v == v}
    best: list[int] = []
    if direction and finite:
        top = max(finite.values()) if direction == HIGHER else min(finite.values())
        best = [i for i, v in finite.items() if v == top]
    return MetricRow(
        key,
        direction,
        values,
        [_minus(value, values[0]) for value in values],
        champion,
        [_minus(value, champion) for value in values],
        best,
        [None, *(_differs(sides[0], side, key) for side in sides[1:])],
    )


def _minus(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def _differs(before: Side, after: Side, key: MetricKey) -> Difference | None:
    one, two = before.measured.get(key, {}), after.measured.get(key, {})
    shared = [fold for fold in one if fold in two and not fold.startswith("#")]
    if shared:
        return paired_t_test([one[fold] for fold in shared], [two[fold] for fold in shared])
    return bootstrap([*one.values()], [*two.values()])


def words_of(found: Difference, direction: str | None) -> str:
    """Word a significance result for people, without claiming too much."""
    about = f"{found.test} over {found.count}, p = {found.p_value:.2g}"
    if not found.is_significant:
        return f"no difference beyond chance ({about})"
    if direction is None:
        return f"differs ({about})"
    better = (found.difference > 0) == (direction == HIGHER)
    return f"{'better' if better else 'worse'} ({about})"


# --- params, code, environment, files ---------------------------------------------------------------------


def compare_params(sides: Sequence[Side]) -> list[tuple[str, list[Any], bool]]:
    """Return (name, value on each side or None, whether all are the same), differing ones first."""
    names = sorted({name for side in sides for name in side.params})
    rows = []
    for name in names:
        values = [side.params.get(name) for side in sides]
        same = all(value == values[0] for value in values) and all(name in side.params for side in sides)
        rows.append((name, values, same))
    return sorted(rows, key=lambda row: (row[2], row[0]))


class CodeDifference(msgspec.Struct, frozen=True):
    """A difference in code. commits: `before..after` if both are from one repository.

    changed: other fields, [before, after]. diffs: each side's uncommitted changes.
    """

    same: bool
    commits: str | None
    changed: dict[str, list[Any]]
    diffs: list[str | None]


def compare_code(before: Side, after: Side) -> CodeDifference:
    one, two = before.code, after.code
    commits = None
    ends = (one.get("commit"), two.get("commit"))
    if all(ends) and ends[0] != ends[1] and one.get("repository") == two.get("repository"):
        commits = f"{ends[0]}..{ends[1]}"
    fields = sorted((set(one) | set(two)) - {"diff"})
    changed = {name: [one.get(name), two.get(name)] for name in fields if one.get(name) != two.get(name)}
    diffs = [_diff_of(one), _diff_of(two)]
    same = not changed and one.get("diff") == two.get("diff")
    return CodeDifference(same, commits, changed, diffs)


def _diff_of(code: Mapping[str, Any]) -> str | None:
    found = code.get("diff")
    text = found.get("text") if isinstance(found, Mapping) else found
    return text if isinstance(text, str) else None


class EnvironmentDifference(msgspec.Struct, frozen=True):
    added: dict[str, str]
    removed: dict[str, str]
    changed: dict[str, list[str]]
    """Package → [version before, after]."""
    system: dict[str, list[Any]]
    """Python, operating system and the like: [before, after]."""


def compare_environment(before: Side, after: Side) -> EnvironmentDifference:
    one, two = _packages(before.environment), _packages(after.environment)
    fields = sorted(
        (set(before.environment) | set(after.environment))
        - {"packages", "origins", "lock_files", "conda_packages"}
    )
    return EnvironmentDifference(
        {name: two[name] for name in sorted(set(two) - set(one))},
        {name: one[name] for name in sorted(set(one) - set(two))},
        {name: [one[name], two[name]] for name in sorted(set(one) & set(two)) if one[name] != two[name]},
        {
            name: [before.environment.get(name), after.environment.get(name)]
            for name in fields
            if before.environment.get(name) != after.environment.get(name)
        },
    )


def release_kind(before: str, after: str) -> str:
    """Return how far two versions of a package are apart: major, minor or patch; "other" for other texts."""
    one, two = (text.split("+")[0].split(".") for text in (before, after))
    if not all(part.isdigit() for part in (*one[:2], *two[:2])):
        return "other"
    if one[0] != two[0]:
        return "major"
    return "minor" if one[1:2] != two[1:2] else "patch"


def _packages(environment: Mapping[str, Any]) -> dict[str, str]:
    found = environment.get("packages")
    if isinstance(found, Mapping):
        return {str(name): str(version) for name, version in found.items()}
    if isinstance(found, Sequence) and not isinstance(found, str):
        pairs = [str(line).partition("==") for line in found]
        return {name: version for name, _, version in pairs}
    return {}


class FilesDifference(msgspec.Struct, frozen=True):
    """A difference in files. Paths have sizes in bytes; tensors by name: [before, after] as `dtype[shape]`, or None."""

    added: dict[str, int]
    removed: dict[str, int]
    changed: dict[str, list[int]]
    same: int
    tensors: dict[str, list[str | None]]
    tensors_same: int
    format: dict[str, list[Any]]
    size_delta: int | None


def compare_files(before: Side, after: Side) -> FilesDifference:
    one, two = before.files, after.files
    both = sorted(set(one) & set(two))
    changed = {path: [one[path][1], two[path][1]] for path in both if one[path][0] != two[path][0]}
    names = sorted(set(before.tensors) | set(after.tensors))
    tensors = {
        name: [_tensor(before.tensors.get(name)), _tensor(after.tensors.get(name))]
        for name in names
        if before.tensors.get(name) != after.tensors.get(name)
    }
    fields = sorted((set(before.format) | set(after.format)) - {"problems", "truncated"})
    sizes = (before.size_bytes, after.size_bytes)
    return FilesDifference(
        {path: two[path][1] for path in sorted(set(two) - set(one))},
        {path: one[path][1] for path in sorted(set(one) - set(two))},
        changed,
        len(both) - len(changed),
        tensors,
        len(names) - len(tensors),
        {
            name: [before.format.get(name), after.format.get(name)]
            for name in fields
            if before.format.get(name) != after.format.get(name)
        },
        None if sizes[0] is None or sizes[1] is None else sizes[1] - sizes[0],
    )


def _tensor(found: tuple[str, tuple[int, ...]] | None) -> str | None:
    return None if found is None else f"{found[0]}[{', '.join(map(str, found[1]))}]"
