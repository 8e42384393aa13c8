"""Check the options of schedules, and say in words when they start builds. Pure."""

from __future__ import annotations

from itertools import islice

from modelyard.domain.actor import Permission
from modelyard.domain.errors import Invalid, Kind, ModelyardError, QuotaExceeded, TooManyBuilds
from modelyard.domain.names import Alias
from modelyard.domain.times import parse_duration, seconds
from modelyard.registry.schedules import timing
from modelyard.registry.schedules.nouns import (
    CRON,
    DATASET,
    INTERVAL,
    MISSED,
    OVERLAPS,
    PAUSED,
    RETRAINING,
    Schedule,
    Upcoming,
)

MANAGE = Permission.SCHEDULE_EDIT
MOST_OF_A_MODEL = 100
MOST_DEPTH = 5
"""So many builds may start each other by triggers; then it is taken for a circle."""
LATE_AFTER = seconds(60)
"""A time whose build starts later than this was missed."""
LOOK_AGAIN = seconds(60)
"""A time that waits for the end of a build is woken by it; this is only the second line."""
KEEP_FIRINGS = seconds(90 * 86_400)
SHOWN_TIMES = 5
MOST_PAUSE_AFTER = 1_000
DEFAULT_PAUSE_AFTER = 3
LONGEST_DEBOUNCE = 86_400
MAX_REASON = 1_000


def check_word(word: str, allowed: tuple[str, ...], what: str) -> str:
    if word not in allowed:
        raise Invalid(reason=f"{word[:40]!r} is not a value of {what}", fix=f"Use {', '.join(allowed)}")
    return word


def check_missed(word: str) -> str:
    return check_word(word, MISSED, "missed")


def check_overlap(word: str) -> str:
    return check_word(word, OVERLAPS, "overlap")


def check_pause_after(number: int) -> int:
    if not 0 <= number <= MOST_PAUSE_AFTER:
        raise Invalid(
            reason=f"{number} is not a number of builds in a row",
            fix=f"Give 1 to {MOST_PAUSE_AFTER}, or 0 to never pause",
        )
    return number


def parse_seconds(text: str, longest: int, what: str) -> int:
    """Parse a duration up to a limit; "0" is none. Raises Invalid."""
    found = 0 if text == "0" else int(parse_duration(text).total_seconds())
    if found > longest:
        raise Invalid(reason=f"a {what} of {text} is too long", fix=f"Give at most {longest} s")
    return found


def parse_parent(text: str) -> tuple[str, str]:
    """Return (model, alias or stage; "": every new version) of a reference without a number. Raises Invalid."""
    model, at, alias = text.partition("@")
    if ":" in text or (at and not alias):
        raise Invalid(
            reason=f"{text[:100]!r} does not name versions to wait for",
            fix="Write namespace/model for every new version, or namespace/model@production for a stage or an alias",
        )
    return model, str(Alias.parse(alias)) if alias else ""


def timing_of(schedule: Schedule, anchor: int | None = None) -> timing.Timing:
    """Return the times of a schedule that is no trigger. anchor: of an interval; None: its next time."""
    if anchor is None:
        anchor = schedule.created_at if schedule.due_at is None else schedule.due_at
    return timing.Timing(schedule.kind, schedule.expression, schedule.zone, anchor)


def pauses_for(error: ModelyardError) -> bool:
    """Return whether a refusal stays as it is until somebody acts: a lost right, a missing thing, a recipe that is not valid.

    Room for another build, or for its version, comes back by itself.
    """
    passes = error.kind in (Kind.BUSY, Kind.UNAVAILABLE, Kind.INTERNAL)
    return not passes and not isinstance(error, TooManyBuilds | QuotaExceeded)


def reason_text(text: str) -> str:
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


def describe(schedule: Schedule, now: int) -> Upcoming:
    """Say when a schedule starts builds, and what comes next."""
    times: list[int] = []
    if schedule.kind in (CRON, INTERVAL):
        clock = timing_of(schedule)
        words = clock.words
        if schedule.state != PAUSED and schedule.due_at is not None:
            times = [schedule.due_at, *islice(clock.following(schedule.due_at), SHOWN_TIMES - 1)]
    elif schedule.kind == DATASET:
        words = f"when {schedule.expression} has new content"
    elif schedule.kind == RETRAINING:
        words = f"when {schedule.expression} needs retraining"
    else:
        model, alias = parse_parent(schedule.expression)
        words = f"when a version of {model} gets to @{alias}" if alias else f"when {model} has a new version"
    return Upcoming(words, _next_words(schedule, now), times)


def _next_words(schedule: Schedule, now: int) -> str:
    if schedule.state == PAUSED:
        by_person = schedule.state_reason.startswith("by ")
        return f"paused{'' if by_person else ':'} {schedule.state_reason}"
    if schedule.waits_for is not None:
        return f"next when build {schedule.waits_for[:12]} has ended"
    if schedule.next_at is None:
        return "next when it happens"
    when = timing.local_text(schedule.next_at, schedule.zone)
    if schedule.next_at <= now:
        return f"next now: {when}"
    return f"next in {timing.about(schedule.next_at - now)}: {when}"
