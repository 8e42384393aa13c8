"""Rules of watching deployments that need no database: windows, drift of columns, and when a version needs retraining."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from modelyard.domain.drift import LARGE, SLIGHT, ColumnDrift, compare
from modelyard.domain.profile import Profile

HOUR, DAY = 3600, 86_400
LEAST_ROWS = 500
"""Of 400 columns without a shift none alarms from here on."""
OVER, OF = 3, 5
COOL_DOWN_SECONDS = DAY
LEAST_WINDOW_SECONDS, LONGEST_WINDOW_SECONDS = 5, 7 * DAY
OUTPUT = "output:"
"""Names of columns of outputs begin so."""
TRAINING, FIRST, NOTHING = "training", "first", "none"
"""What a column is compared with: the training data of the version, its first judged window, or nothing."""
MANY, SLIGHTLY, STABLE, UNKNOWN = "over", "slight", "stable", "unknown"
_SHOWN_BINS = 50

DURATION_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Source: OpenTelemetry, `http.server.request.duration`."""


def grace_seconds(window_seconds: int) -> int:
    """Return how long after its end, and after its last part, a window waits for more parts."""
    return min(300, max(5, window_seconds // 10))


def quantile_ms(counts: Sequence[int], share: float) -> float | None:
    """Return the upper bound of the class in which this share of the durations ends. None: there are none."""
    sums = list(accumulate(counts))
    if not sums or not sums[-1]:
        return None
    at = bisect_left(sums, share * sums[-1])
    return 1000 * DURATION_BOUNDS[min(at, len(DURATION_BOUNDS) - 1)]


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """What a window says of a column. psi None: it cannot be compared. previous: distance to the window before."""

    name: str
    type: str
    reference: str
    verdict: str
    psi: float | None
    previous: float | None
    limit: float
    missing: float
    before: Sequence[float] = ()
    after: Sequence[float] = ()
    edges: Sequence[float] = ()
    labels: Sequence[str] = ()

    @property
    def is_output(self) -> bool:
        return self.name.startswith(OUTPUT)

    @property
    def is_over(self) -> bool:
        return self.verdict == MANY


def judge_columns(
    window: Profile,
    training: Profile | None,
    first: Profile | None,
    previous: Profile | None,
    *,
    limit: float = LARGE,
    limits: Mapping[str, float] | None = None,
) -> list[ColumnFinding]:
    """Compare a window with what is known of the version, those that moved most first.

    A column that the training data has is compared with it; any other one, such as an output, with the first judged window of
    the version, so that a slow change adds up. first None: this is the first one.
    """
    own_limits = limits or {}
    by_training = _drift_by_name(training, window)
    by_first = _drift_by_name(first, window)
    by_previous = _drift_by_name(previous, window)
    found = []
    for name, column in window.columns.items():
        drift, reference = by_training.get(name), TRAINING
        if drift is None:
            drift, reference = by_first.get(name), FIRST
        before = by_previous.get(name)
        own = own_limits.get(name, limit)
        found.append(
            ColumnFinding(
                name,
                column.type,
                reference if drift is not None else NOTHING,
                _verdict(drift, own),
                None if drift is None or drift.psi is None else drift.moved,
                None if before is None or before.psi is None else before.moved,
                own,
                column.missing / max(1, window.rows),
                *(_bins(drift)),
            )
        )
    found.sort(key=lambda each: (not each.is_over, -(each.psi or 0.0), each.name))
    return [each if at < _SHOWN_BINS else _without_bins(each) for at, each in enumerate(found)]


def _drift_by_name(before: Profile | None, after: Profile) -> dict[str, ColumnDrift]:
    if before is None or not before.rows:
        return {}
    return {each.name: each for each in compare(before, after).columns}


def _verdict(drift: ColumnDrift | None, limit: float) -> str:
    if drift is None or drift.psi is None:
        return UNKNOWN
    # Small samples differ by chance: only a clearly larger distance is a shift.
    by_chance = drift.moved < 2 * (drift.chance or 0.0)
    if drift.moved >= limit and not by_chance:
        return MANY
    return SLIGHTLY if drift.moved >= min(SLIGHT, limit) and not by_chance else STABLE


def _bins(drift: ColumnDrift | None) -> tuple[Sequence[float], Sequence[float], Sequence[float], Sequence[str]]:
    if drift is None or drift.histogram is None:
        return (), (), (), ()
    shown = drift.histogram
    return (
        tuple(round(s, 6) for s in shown.before),
        tuple(round(s, 6) for s in shown.after),
        shown.edges,
        shown.labels,
    )


def _without_bins(finding: ColumnFinding) -> ColumnFinding:
    return ColumnFinding(
        finding.name,
        finding.type,
        finding.reference,
        finding.verdict,
        finding.psi,
        finding.previous,
        finding.limit,
        finding.missing,
    )


# --- needs retraining ------------------------------------------------------------------------------------

INPUTS, OUTPUTS, AGE, DATA, RECALLED = "inputs", "outputs", "age", "data", "recalled"


@dataclass(frozen=True, slots=True)
class Reason:
    reason: str
    words: str
    value: str
    limit: str
    windows: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """over: PSI of the columns above their limit, by name."""

    over: Mapping[str, float] = field(default_factory=dict)


def over_in(windows: Sequence[JudgedWindow], of: int) -> dict[str, int]:
    """Return in how many of the last windows each column was over its limit. windows: newest first."""
    found: dict[str, int] = {}
    for window in windows[:of]:
        for name in window.over:
            found[name] = found.get(name, 0) + 1
    return found


def drift_reasons(
    windows: Sequence[JudgedWindow], over: int, of: int, limit: float, command: str
) -> list[Reason]:
    """Return the reasons that windows give, one for inputs and one for outputs at most. windows: judged ones of one version,
    newest first."""
    drifted = {name: count for name, count in over_in(windows, of).items() if count >= over}
    found = []
    for reason, word, is_output in ((INPUTS, "inputs", False), (OUTPUTS, "outputs", True)):
        names = sorted(
            (name for name in drifted if name.startswith(OUTPUT) is is_output), key=lambda n: (-drifted[n], n)
        )
        if not names:
            continue
        values = [max(window.over.get(name, 0.0) for window in windows[:of]) for name in names[:3]]
        shown = ", ".join(name.removeprefix(OUTPUT) for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        found.append(
            Reason(
                reason,
                f"{word} drift: {shown}{more}",
                "PSI " + ", ".join(f"{value:.2f}" for value in values),
                f"{limit:g}",
                f"{max(drifted[name] for name in names)} of {min(of, len(windows))}",
                command,
            )
        )
    return found


def may_enter(now: int, left_at: int | None, cool_down: int) -> bool:
    """Return whether a deployment that does not need retraining may need it again: the cool-down has passed."""
    return left_at is None or now >= left_at + cool_down
