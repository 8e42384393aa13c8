"""Schedules and triggers of builds."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, LongText, Mapped, Page, PageQuery, Request, Text, Whole


class ScheduleOptions(Request, kw_only=True):
    """Options of a schedule. When: cron (with zone), every, on_dataset, on_version or
    on_retraining (a deployment). What: recipe, with bundle and source as
    for a build, or build (the id of one to repeat). Durations are texts such as `5m`; "0" is none.

    missed: latest or skip. overlap: skip, queue or replace. pause_after: builds in a row that do not succeed; 0: never pause.
    """

    cron: Text | None = None
    zone: Text | None = None
    every: Text | None = None
    on_dataset: Text | None = None
    on_version: Text | None = None
    on_retraining: Text | None = None
    missed: Text | None = None
    overlap: Text | None = None
    jitter: Text | None = None
    debounce: Text | None = None
    pause_after: Whole | None = None
    build: Text | None = None
    recipe: LongText | None = None
    bundle: Text | None = None
    source: Mapped[Any] = {}
    params: Mapped[Any] | None = None
    pool: Text | None = None


class CreateSchedule(ScheduleOptions, kw_only=True):
    """model: instead of the recipe's."""

    model: Text | None = None


class EditSchedule(ScheduleOptions, kw_only=True):
    """None leaves an option unchanged; params are put in place of those of the same names."""


class Firing(Answer, kw_only=True):
    """What became of a time, or of `count` times in a row. outcome: started or skipped. cause: what happened, for a trigger,
    or who fired it. build: the id of the build that it started."""

    due_at: str
    last_due_at: str
    count: int
    outcome: str
    reason: str
    cause: str
    build: str | None
    decided_at: str


class Schedule(Answer, kw_only=True):
    """kind: cron, interval, dataset, version or retraining. words: when it starts builds. next: what comes next, in words.

    owner: the account in whose name the builds run. state: active or paused. failures: builds in a row that did not succeed.
    times: the next times, before jitter. last: what became of the newest time.
    """

    id: int
    model: str
    kind: str
    expression: str
    zone: str
    words: str
    next: str
    next_at: str | None
    times: list[str]
    missed: str
    overlap: str
    jitter_seconds: int
    debounce_seconds: int
    pause_after: int
    params: dict[str, Any]
    bundle: str | None
    pool: str | None
    owner: str
    state: str
    state_reason: str
    failures: int
    created_at: str
    last: Firing | None


class SchedulePage(Page, kw_only=True):
    items: list[Schedule]


class ScheduleQuery(PageQuery, kw_only=True):
    """Without a filter: the schedules of all models that the caller may see, newest first."""

    namespace: Text | None = None
    model: Text | None = None


class FiringPage(Page, kw_only=True):
    items: list[Firing]
