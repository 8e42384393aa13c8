"""Schedules and triggers of builds. What becomes of their times is not logged here; the builds have events of their own."""

from __future__ import annotations

from modelyard.domain.events.base import Event


class ScheduleCreated(Event, kind="schedule.created", may_change_rights=False):
    """words: when it starts builds."""

    schedule: int
    words: str


class ScheduleEdited(Event, kind="schedule.edited", may_change_rights=False):
    """changed: the options. Its builds run in the name of the account that edited it from now on."""

    schedule: int
    changed: list[str]
    words: str


class SchedulePaused(Event, kind="schedule.paused", may_change_rights=False):
    """Somebody paused it; or the server did, because its builds failed or its account may no longer start them."""

    schedule: int
    reason: str


class ScheduleResumed(Event, kind="schedule.resumed", may_change_rights=False):
    schedule: int


class ScheduleDeleted(Event, kind="schedule.deleted", may_change_rights=False):
    schedule: int
