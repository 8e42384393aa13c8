"""What may be said about watching a deployment, and the reasons why one needs retraining. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from modelyard.domain.errors import Invalid
from modelyard.domain.monitoring import DAY, LEAST_WINDOW_SECONDS, LONGEST_WINDOW_SECONDS, grace_seconds
from modelyard.domain.times import MICROSECONDS, parse_duration
from modelyard.registry.monitoring.nouns import SILENT, WAITING, WATCHED, Counts, MonitorSettings

KEEP_SECONDS = 90 * DAY
MOST_PARTS = 1000
"""Of one window: a program sends some sixty, so these are enough for sixteen replicas."""
MOST_LIMITS = 1000
SHOWN_WINDOWS = 14
SILENT_AFTER = 2
"""So many windows without any answer are silence."""
_PART = re.compile(r"[a-z0-9-]{1,60}\Z")
_EARLY_SECONDS = 300


def check_part(start: int, length: int, part: str, counts: Counts, now: int) -> None:
    """Raise Invalid unless the part is one of a window that can exist."""
    fix = "Send windows that are aligned to the clock, such as each full hour"
    if not _PART.match(part):
        raise Invalid(
            reason=f"{part[:60]!r} is not the name of a part", fix="Use 1 to 60 of a-z, 0-9 and the hyphen"
        )
    if not LEAST_WINDOW_SECONDS <= length <= LONGEST_WINDOW_SECONDS or start % length:
        raise Invalid(reason=f"no window of {length} s begins at {start}", fix=fix)
    present = now // MICROSECONDS
    if not present - KEEP_SECONDS < start < present + _EARLY_SECONDS:
        raise Invalid(reason=f"the window at {start} is too far from now", fix=fix)
    numbers = (counts.requests, counts.errors, counts.rows, counts.not_described, counts.lost_parts)
    if min(*numbers, *counts.codes.values(), *counts.durations) < 0 or len(counts.durations) > 15:
        raise Invalid(reason="a count is below 0, or there are too many durations", fix="Send what was counted")


def is_closed(start: int, length: int, newest: int, now: int) -> bool:
    """Return whether a window has ended long enough ago for it to be judged. newest: when its last part came."""
    grace = grace_seconds(length)
    return now >= max((start + length) * MICROSECONDS, newest) + grace * MICROSECONDS


def state_of(newest_start: int | None, length: int, now: int) -> str:
    """Return whether a deployment that serves is watched, silent, or new."""
    if newest_start is None:
        return WAITING
    ended = newest_start + length + grace_seconds(length)
    return SILENT if now // MICROSECONDS >= ended + SILENT_AFTER * length else WATCHED


def changed(settings: MonitorSettings, edit: Mapping[str, Any]) -> MonitorSettings:
    """Return settings with what an edit names. Raises Invalid."""
    values = {name: value for name, value in edit.items() if value is not None}
    found: dict[str, Any] = {
        name: values[name] for name in ("least_rows", "over", "of", "limit", "newer_data") if name in values
    }
    if "window" in values:
        found["window_seconds"] = _seconds(values["window"])
    if "max_age" in values:
        found["max_age_seconds"] = _seconds(values["max_age"]) if values["max_age"] else None
    if "cool_down" in values:
        found["cool_down_seconds"] = _seconds(values["cool_down"])
    if "limits" in values:
        limits = {**settings.limits, **values["limits"]}
        found["limits"] = {name: limit for name, limit in sorted(limits.items()) if limit is not None}
    return _checked(msgspec.structs.replace(settings, **found))


def _seconds(text: str) -> int:
    return 0 if text == "0" else int(parse_duration(text).total_seconds())


def _checked(settings: MonitorSettings) -> MonitorSettings:
    if not LEAST_WINDOW_SECONDS <= settings.window_seconds <= LONGEST_WINDOW_SECONDS:
        raise Invalid(
            reason=f"a window of {settings.window_seconds} s cannot be watched",
            fix=f"Give {LEAST_WINDOW_SECONDS}s to 7d, for example 1h",
        )
    if not 1 <= settings.over <= settings.of <= 100:
        raise Invalid(
            reason=f"{settings.over} of {settings.of} windows cannot decide",
            fix="Give for example --over 3 --of 5",
        )
    if not 1 <= settings.least_rows <= 1_000_000:
        raise Invalid(reason=f"{settings.least_rows} is not a number of rows", fix="Give 1 to 1000000")
    for limit in (settings.limit, *settings.limits.values()):
        if not (math.isfinite(limit) and 0 < limit <= 100):
            raise Invalid(reason=f"{limit} is not a limit of the PSI", fix="Give for example 0.25")
    if len(settings.limits) > MOST_LIMITS:
        raise Invalid(reason=f"{len(settings.limits)} columns have limits of their own", fix="Give fewer")
    return settings
