"""Times: whole microseconds since 1970 UTC inside, one text form outside, and one parser for what people write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from modelyard.domain.errors import Invalid

MICROSECONDS = 1_000_000

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")


def parse_duration(text: str) -> timedelta:
    """Parse `40s`, `15m`, `2h`, `90d` or `2w`. Raises Invalid."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Invalid(
            reason=f"{text[:60]!r} is not a duration", fix="Write for example 40s, 15m, 2h, 90d or 2w"
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_moment(text: str, now: datetime) -> datetime:
    """Parse a time with its zone, a date (its beginning in UTC), or a duration before `now`. Raises Invalid."""
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


def to_datetime(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / MICROSECONDS, UTC)


def to_moment(when: datetime) -> int:
    """Return whole microseconds since 1970 UTC. The time must be aware."""
    return round(when.timestamp() * MICROSECONDS)


def month_of(moment: int) -> int:
    """Return the calendar month in UTC, counted from the year 0."""
    when = to_datetime(moment)
    return when.year * 12 + when.month - 1


def month_start(month: int) -> int:
    """Return the beginning of a month of `month_of`."""
    return to_moment(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC))


_MINUTE = 60 * MICROSECONDS
_MINUTES = [f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60)]


@lru_cache(1024)
def time_text(moment: int) -> str:
    """Return RFC 3339 in UTC.

    The text is put together here: a list shows hundreds of times, and datetime takes three times as long.
    """
    day, rest = divmod(moment, 24 * 60 * _MINUTE)
    minute, rest = divmod(rest, _MINUTE)
    digits = f"{rest:08}"
    return f"{_date_text(day)}{_MINUTES[minute]}{digits[:2]}.{digits[2:]}Z"


@lru_cache(4096)
def _date_text(day: int) -> str:
    """day: since 1970."""
    return to_datetime(day * 24 * 60 * _MINUTE).date().isoformat()


def seconds(amount: float) -> int:
    """Return a duration in the unit of all stored times."""
    return round(amount * MICROSECONDS)
