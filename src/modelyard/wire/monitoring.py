"""What deployments observe, what is judged of it, and whether they need retraining."""

from __future__ import annotations

from typing import Annotated

import msgspec

from modelyard.wire.base import Answer, Items, Mapped, Page, PageQuery, Request, Text, Whole

MAX_PROFILE_BYTES = 8 << 20
Profile = Annotated[bytes, msgspec.Meta(max_length=MAX_PROFILE_BYTES)]


class Observation(Request, kw_only=True):
    """One part of a window. seconds: length of the window. requests, errors: answers, and those with a status of 500 and more. rows: described in `profile`.
    not_described: rows that were answered and are not in it. codes: answers by status. durations: answers by time; the bounds are
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5 and 10 s. lost_parts: earlier parts that could not be kept
    until the registry was back. profile: of the rows, base64; columns of outputs have names that begin with `output:`. None:
    only counts were observed."""

    seconds: Whole
    requests: Whole
    errors: Whole = 0
    rows: Whole = 0
    not_described: Whole = 0
    lost_parts: Whole = 0
    codes: Mapped[Whole] = {}
    durations: Items[Whole] = []
    profile: Profile | None = None


class Observed(Answer, kw_only=True):
    """outcome: stored, replaced, or closed (the window was judged before the part came, so it does not count)."""

    outcome: str


class EditMonitor(Request, kw_only=True):
    """What is omitted stays as it is. window: length, such as 1h; windows are aligned to the clock. least_rows: a smaller window is
    judged together with the next one. over, of: columns above their limit in `over` of the last `of` windows drift. limit: PSI. limits:
    for single columns; null removes one. max_age: the version's age from which it needs retraining; "" none. newer_data: newer content
    of the data that it was trained on is a reason. cool_down: this long after it no longer needs retraining, it does not again."""

    window: Text | None = None
    least_rows: Whole | None = None
    over: Whole | None = None
    of: Whole | None = None
    limit: float | None = None
    limits: Mapped[float | None] | None = None
    max_age: Text | None = None
    newer_data: bool | None = None
    cool_down: Text | None = None


class WindowQuery(PageQuery, kw_only=True):
    """window: only the one that begins then, in seconds since 1970."""

    window: Whole | None = None


class ColumnDrift(Answer, kw_only=True):
    """side: input or output. psi: distance to `reference`, the larger one of the index of the values and that of missing values; None:
    not known. verdict: over, slight, stable or unknown. reference: training, first (the first judged window of the version), or none.
    previous: distance to the window before. before, after: shares in the bins; edges: upper bounds of all bins but the last; labels: of
    bins that are values. Bins are given for the columns that moved most."""

    name: str
    side: str
    type: str
    reference: str
    verdict: str
    psi: float | None
    previous: float | None
    limit: float
    missing: float
    before: list[float] = []
    after: list[float] = []
    edges: list[float] = []
    labels: list[str] = []


class Window(Answer, kw_only=True):
    """start, end: of the time that was judged. state: judged, small (it waits to be judged together with the next one), or counted (no
    profile: columns were not observed). version: its number. rows: described ones. over: number of columns above their limit."""

    start: str
    end: str
    revision: int
    version: int
    state: str
    requests: int
    errors: int
    rows: int
    not_described: int
    lost_parts: int
    codes: dict[str, int]
    durations: list[int]
    p50_ms: float | None
    p95_ms: float | None
    over: int
    worst: float | None
    judged_at: str
    columns: list[ColumnDrift] = []


class WindowPage(Page, kw_only=True):
    items: list[Window]


class RetrainingReason(Answer, kw_only=True):
    """reason: inputs, outputs, age, data or recalled. value, limit: as text. windows: how many were over, as `4 of 5`; "": not by windows.
    command: what helps."""

    reason: str
    words: str
    value: str
    limit: str
    windows: str
    command: str


class Monitor(Answer, kw_only=True):
    """state: watched, silent (no traffic in the last windows), waiting (no window was judged yet) or stopped. gaps: what is not watched,
    and why. needs_retraining: since when; None: it does not. reasons: of it; those that were found during the cool-down are listed
    too. windows: the last ones, newest first, without columns. columns: of the last judged window, those that moved most first;
    over_in: column → number of the last windows in which it was above its limit."""

    name: str
    model: str
    version: str
    state: str
    gaps: list[str]
    window_seconds: int
    least_rows: int
    over: int
    of: int
    limit: float
    limits: dict[str, float]
    max_age_seconds: int | None
    newer_data: bool
    cool_down_seconds: int
    needs_retraining: str | None
    rests_until: str | None
    reasons: list[RetrainingReason]
    windows: list[Window]
    columns: list[ColumnDrift]
    over_in: dict[str, int]


class MonitorQuery(PageQuery, kw_only=True):
    namespace: Text | None = None
    model: Text | None = None


class MonitorSummary(Answer, kw_only=True):
    """over: columns above their limit in the last judged window; worst: the one that moved most, and its PSI."""

    name: str
    version: str
    state: str
    needs_retraining: str | None
    reasons: list[str]
    over: int
    worst: str | None
    psi: float | None
    last_window: str | None


class MonitorPage(Page, kw_only=True):
    """unwatched: production versions that no deployment serves, so nothing is observed of them."""

    items: list[MonitorSummary]
    unwatched: list[str]
