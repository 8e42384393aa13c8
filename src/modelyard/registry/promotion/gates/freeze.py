"""Times without promotions. A rollback is always possible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal

import msgspec

from modelyard.domain.times import MICROSECONDS
from modelyard.registry.promotion.gates.base import RuleBase, failed, passed
from modelyard.registry.promotion.rules import Evidence, Finding

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Clock = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="UTC, like 16:00")]


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """From one time to another, RFC 3339 with a time zone."""

    start: str
    end: str
    say: str = ""


class Weekly(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """These days of the week, from one time to another, in UTC."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    start: Clock = "00:00"
    end: Clock = "23:59"
    say: str = ""


class FreezeRule(RuleBase, frozen=True, kw_only=True):
    """`freeze: {windows: [{start: 2026-12-20T00:00Z, end: 2027-01-02T00:00Z}]}`: no promotions during these windows.

    weekly: days with a start and an end time, in UTC. Other times name their zone. A freeze does not stop a rollback.
    """

    kind: ClassVar[str] = "freeze"
    stricter: ClassVar[dict[str, str]] = {"windows": "all of", "weekly": "all of"}

    windows: Annotated[list[Window], msgspec.Meta(max_length=100)] = []
    weekly: Annotated[list[Weekly], msgspec.Meta(max_length=20)] = []

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        if not self.windows and not self.weekly:
            return "it names no time"
        for window in self.windows:
            start, end = _moment(window.start), _moment(window.end)
            if start is None or end is None:
                return f"{window.start if start is None else window.end!r} is not a time with a zone, like 2026-12-20T00:00Z"
            if start >= end:
                return f"a window ends ({window.end}) before it starts ({window.start})"
        for weekly in self.weekly:
            if not weekly.days:
                return "a weekly window has no days"
            if weekly.start >= weekly.end:
                return f"a weekly window ends ({weekly.end}) before it starts ({weekly.start}); split it over two days"
        return None

    def find(self, evidence: Evidence) -> Finding:
        now = datetime.fromtimestamp(evidence.now / MICROSECONDS, UTC)
        needed = "outside of the freeze windows"
        for window in self.windows:
            start, end = _moment(window.start), _moment(window.end)
            if start is not None and end is not None and start <= now < end:
                return _frozen(evidence, needed, end, window.say)
        for weekly in self.weekly:
            clock = f"{now:%H:%M}"
            if _DAYS[now.weekday()] in weekly.days and weekly.start <= clock <= weekly.end:
                hour, minute = map(int, weekly.end.split(":"))
                end = now.replace(hour=hour, minute=minute, second=0, microsecond=0) + timedelta(minutes=1)
                return _frozen(evidence, needed, end, weekly.say)
        return passed("no freeze now", needed)


def _frozen(evidence: Evidence, needed: str, end: datetime, say: str) -> Finding:
    reason = f": {say}" if say else ""
    return failed(
        f"frozen until {end:%Y-%m-%d %H:%M} UTC{reason}",
        needed,
        who="time, or the person who may waive this rule",
        fix=f"modelyard promote {evidence.reference} {evidence.stage}",
        may_change=True,
    )


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
