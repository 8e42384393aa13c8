"""The times of cron expressions and intervals, and their words. Pure.

Cron expressions follow Debian's cron: a time that the clock skips in spring comes right after the gap, and a time that comes
twice in autumn counts once, unless the hour is a wildcard.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from modelyard.domain.errors import Invalid
from modelyard.domain.times import MICROSECONDS, parse_duration, seconds, to_datetime, to_moment
from modelyard.registry.schedules.nouns import CRON, INTERVAL

NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LONGEST_JITTER = 3600
MOST_COUNTED = 100
"""More missed times than these are not counted."""
_MINUTE = seconds(60)
_LONGEST_EXPRESSION = 200
_LONGEST_INTERVAL = seconds(366 * 86_400)
_TRIED_GAPS = 50
_AT = re.compile(r"At ([0-9:]+(?:(?:, | and |, and )[0-9:]+)*) (.+)\Z")
_UNITS = ((7 * 86_400, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Timing(msgspec.Struct, frozen=True):
    """The times of a schedule. anchor: of an interval, any of its times; moments are microseconds since 1970."""

    kind: str
    expression: str
    zone: str = "UTC"
    anchor: int = 0

    def following(self, moment: int) -> Iterator[int]:
        """Yield the times after a moment, strictly growing. A cron expression may have no more."""
        if self.kind == INTERVAL:
            step = interval_of(self.expression)
            following = self.anchor + ((moment - self.anchor) // step + 1) * step
            while True:
                yield following
                following += step
        last = moment
        for when in CronSim(self._fields, self._local(moment)):
            following = to_moment(when)
            # In the hour that comes twice in autumn, the first may also be a time that has passed.
            if following > last:
                yield following
                last = following

    def after(self, moment: int) -> int | None:
        """Return the first time after a moment; None: there is none."""
        return next(self.following(moment), None)

    def latest(self, moment: int, due: int) -> int:
        """Return the last time up to a moment; `due`, one of the times, if it is later than that."""
        if moment <= due:
            return due
        if self.kind == INTERVAL:
            step = interval_of(self.expression)
            return due + (moment - due) // step * step
        within = moment - moment % _MINUTE + _MINUTE // 2
        before = next(CronSim(self._fields, self._local(within), reverse=True), None)
        found = due if before is None else max(due, to_moment(before))
        for following in self.following(found):
            if following > moment:
                break
            found = following
        return found

    def count(self, start: int, end: int) -> tuple[int, int]:
        """Return (number of times from `start`, one of them, to before `end`; the last of them).

        Those of a cron expression are counted up to MOST_COUNTED.
        """
        last = self.latest(end - 1, start)
        if self.kind == INTERVAL:
            return (last - start) // interval_of(self.expression) + 1, last
        return 1 + sum(each <= last for each in islice(self.following(start), MOST_COUNTED - 1)), last

    @property
    def _fields(self) -> str:
        return NICKNAMES.get(self.expression, self.expression)

    def _local(self, moment: int) -> datetime:
        return to_datetime(moment).astimezone(ZoneInfo(self.zone))

    @property
    def words(self) -> str:
        if self.kind == INTERVAL:
            return f"every {interval_words(interval_of(self.expression))}"
        explained = CronSim(self._fields, datetime(2026, 1, 1, tzinfo=UTC)).explain()
        at = _AT.match(explained)
        words = f"{at[2]} at {at[1]}" if at else explained[0].lower() + explained[1:]
        return f"{words} {self.zone}"


def check_cron(expression: str, zone: str, now: int) -> Timing:
    """Check a cron expression and its zone. Raises Invalid, for a date that never comes too."""
    if len(expression) > _LONGEST_EXPRESSION:
        raise Invalid(
            reason=f"the cron expression has {len(expression)} characters",
            fix=f"Give at most {_LONGEST_EXPRESSION}",
        )
    text = " ".join(expression.split())
    text = text.lower() if text.startswith("@") else text
    fields = NICKNAMES.get(text, text).split()
    if len(fields) != 5:
        about = f"it has {len(fields)} fields" if not text.startswith("@") else "there is no such short form"
        raise Invalid(
            reason=f"{text[:60]!r} is not a cron expression: {about}",
            fix="Write minute, hour, day of the month, month and weekday, for example '30 2 * * *'; "
            f"or one of {', '.join(NICKNAMES)}",
        )
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise Invalid(
            reason=f"there is no time zone {zone[:60]!r} on this server",
            fix="Write an IANA name such as Europe/Berlin or UTC",
        ) from None
    try:
        timing = Timing(CRON, text, zone)
        following = timing.after(now)
    except (CronSimError, ValueError) as error:
        raise Invalid(
            reason=f"{text[:60]!r} is not a cron expression: {str(error).lower()}",
            fix="Write for example '30 2 * * *' for every day at 02:30",
        ) from None
    if following is None:
        raise Invalid(
            reason=f"the times of {text[:60]!r} never come", fix="Write a day that its month has, for example"
        )
    return timing


def check_interval(text: str, anchor: int) -> Timing:
    """Check an interval such as `6h`. Raises Invalid."""
    length = seconds(parse_duration(text).total_seconds())
    if not 0 < length <= _LONGEST_INTERVAL:
        raise Invalid(reason=f"{text!r} is not an interval", fix="Write one of 1s to 366d, for example 6h")
    return Timing(INTERVAL, text, anchor=anchor)


def check_jitter(timing: Timing, jitter_seconds: int, now: int) -> None:
    """Raise Invalid for a jitter that is longer than an hour, or than the time from one build to the next."""
    times = [now, *islice(timing.following(now), _TRIED_GAPS)]
    shortest = min((after - before for before, after in pairwise(times[1:])), default=seconds(LONGEST_JITTER))
    most = min(LONGEST_JITTER, shortest // MICROSECONDS - 1)
    if not 0 <= jitter_seconds <= max(0, most):
        raise Invalid(
            reason=f"a jitter of {jitter_seconds} s is too long for {timing.words}",
            fix=f"Give at most {max(0, most)} s",
        )


def with_jitter(schedule_id: int, due: int, jitter_seconds: int) -> int:
    """Return the time to start the build of a time: the same in every process, and at most the jitter later."""
    digest = hashlib.sha256(f"{schedule_id}/{due}".encode()).digest()
    return due + int.from_bytes(digest[:8]) % (seconds(jitter_seconds) + 1)


def interval_of(text: str) -> int:
    return seconds(parse_duration(text).total_seconds())


def interval_words(length: int) -> str:
    """Return a duration in the largest unit that divides it: "6 hours", "day"."""
    whole = max(1, length // MICROSECONDS)
    size, unit = next(each for each in _UNITS if whole % each[0] == 0)
    return unit if whole == size else f"{whole // size} {unit}s"


def about(length: int) -> str:
    """Return a duration about as people say it: "6 h", "3 d"."""
    whole = max(0, round(length / MICROSECONDS))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size or (whole >= size and unit != "d"):
            return f"{whole // size} {unit}"
    return f"{whole} s"


def local_text(moment: int, zone: str) -> str:
    """Return a time as the clocks of a zone show it: "2026-12-01 02:30 Europe/Berlin"; with seconds if there are any."""
    when = to_datetime(moment).astimezone(ZoneInfo(zone))
    return f"{when:%Y-%m-%d %H:%M:%S} {zone}" if when.second else f"{when:%Y-%m-%d %H:%M} {zone}"
