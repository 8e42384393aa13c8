"""Monitors, observed windows, and the need to retrain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from modelyard.domain.drift import LARGE
from modelyard.domain.monitoring import (
    COOL_DOWN_SECONDS,
    HOUR,
    LEAST_ROWS,
    OF,
    OVER,
    ColumnFinding,
    Reason,
    quantile_ms,
)
from modelyard.domain.names import ModelName
from modelyard.registry.deployments.nouns import Deployment

JUDGED, SMALL, COUNTED = "judged", "small", "counted"
WATCHED, SILENT, WAITING, STOPPED = "watched", "silent", "waiting", "stopped"


class MonitorSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a deployment is watched. limits: PSI of single columns, instead of `limit`."""

    window_seconds: int = HOUR
    least_rows: int = LEAST_ROWS
    over: int = OVER
    of: int = OF
    limit: float = LARGE
    limits: dict[str, float] = {}
    max_age_seconds: int | None = None
    newer_data: bool = True
    cool_down_seconds: int = COOL_DOWN_SECONDS


class Counts(msgspec.Struct, frozen=True, omit_defaults=True):
    requests: int = 0
    errors: int = 0
    rows: int = 0
    not_described: int = 0
    lost_parts: int = 0
    codes: dict[str, int] = {}
    durations: list[int] = []

    def plus(self, other: Counts) -> Counts:
        codes = {
            code: self.codes.get(code, 0) + other.codes.get(code, 0) for code in {*self.codes, *other.codes}
        }
        width = max(len(self.durations), len(other.durations))
        one, two = (each.durations + [0] * (width - len(each.durations)) for each in (self, other))
        return Counts(
            self.requests + other.requests,
            self.errors + other.errors,
            self.rows + other.rows,
            self.not_described + other.not_described,
            self.lost_parts + other.lost_parts,
            dict(sorted(codes.items())),
            [a + b for a, b in zip(one, two, strict=True)],
        )


class Part(msgspec.Struct, frozen=True):
    """received_at: when it last came. profile: bytes; None: rows were not described."""

    revision: int
    start: int
    part: str
    length: int
    received_at: int
    counts: Counts
    profile: bytes | None


class ObservedWindow(msgspec.Struct, frozen=True):
    """start, since, until: seconds since 1970; since: from where its rows are. columns: those that moved most first; empty in lists."""

    revision: int
    start: int
    version: int
    since: int
    until: int
    state: str
    counts: Counts
    over: Mapping[str, float]
    judged_at: int
    columns: Sequence[ColumnFinding] = ()

    @property
    def p50_ms(self) -> float | None:
        return quantile_ms(self.counts.durations, 0.5)

    @property
    def p95_ms(self) -> float | None:
        return quantile_ms(self.counts.durations, 0.95)

    @property
    def worst(self) -> float | None:
        return max(self.over.values(), default=None)


class RetrainingState(msgspec.Struct, frozen=True):
    """since: moment; None: it does not need retraining. left_at: when it last did not need it any more."""

    reasons: Sequence[Reason]
    since: int | None
    left_at: int | None
    checked_at: int


class MonitorView(msgspec.Struct, frozen=True):
    """windows: newest first, without columns. last: the newest judged one, with its columns. over_in: column → number of the last `of`
    windows in which it was over. gaps: what is not watched, and why. history: column → PSI in the last windows, oldest first."""

    deployment: Deployment
    settings: MonitorSettings
    state: str
    gaps: Sequence[str]
    retraining: RetrainingState | None
    windows: Sequence[ObservedWindow]
    last: ObservedWindow | None
    over_in: Mapping[str, int]
    may_change: bool

    @property
    def since(self) -> int | None:
        return None if self.retraining is None else self.retraining.since

    @property
    def reasons(self) -> Sequence[Reason]:
        return () if self.retraining is None else self.retraining.reasons

    @property
    def rests_until(self) -> int | None:
        """Return when it may need retraining again; None: at any time, or it does."""
        found = self.retraining
        if found is None or found.since is not None or found.left_at is None:
            return None
        return found.left_at + self.settings.cool_down_seconds * 1_000_000


class Needing(msgspec.Struct, frozen=True):
    """A deployment that needs retraining. since: moment."""

    deployment: str
    model: ModelName
    version: int
    reasons: Sequence[Reason]
    since: int


class Unwatched(msgspec.Struct, frozen=True):
    """A version in its last stage that no deployment serves. since: moment at which it entered the stage."""

    model: ModelName
    version: int
    stage: str
    since: int
