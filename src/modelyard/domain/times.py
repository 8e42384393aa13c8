"""Moments and durations as people write them; one way to read them for every command and door."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from modelyard.domain.errors import Invalid

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")


def parse_duration(text: str) -> timedelta:
    """`40s`, `15m`, `2h`, `90d`, `2w`. Raises Invalid."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Invalid(
            reason=f"{text[:60]!r} is not a duration", fix="Write for example 40s, 15m, 2h, 90d or 2w"
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_moment(text: str, now: datetime) -> datetime:
    """A time with its zone, a date (its beginning in UTC), or a duration: so long before `now`. Raises Invalid."""
    try:
        if _DURATION.fullmatch(text):
            return now - parse_duration(text)
        when = datetime.fromisoformat(text)
        if when.tzinfo is not None:
            return when
        if len(text) == len("2026-03-03"):
            return when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid(
        reason=f"{text[:60]!r} is not a time", fix="Write for example 2026-03-03, 2026-03-03T14:00:00Z, or 90d"
    )
