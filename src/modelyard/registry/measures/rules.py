"""Months, medians, and the sentence that sums them up. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from modelyard.domain.errors import Invalid
from modelyard.domain.record import KNOWN, NOT_NEEDED, SIX_FACTS
from modelyard.domain.times import MICROSECONDS, month_of, month_start
from modelyard.registry.measures.nouns import Month, Move, Registered

MOST_MONTHS = 36
DAY = 86_400.0


def list_months(since: str | None, now: int) -> list[int]:
    """Return the months, as `domain.times` counts them, from `since` (2026-03; None: eleven months ago) to the present one.

    Raises Invalid for another form, a month in the future, and more than MOST_MONTHS.
    """
    last = month_of(now)
    first = last - 11
    if since is not None:
        year, _, month = since.partition("-")
        is_month = len(since) == 7 and since.isascii() and year.isdecimal() and month.isdecimal()
        if not (is_month and 1 <= int(month) <= 12):
            raise Invalid(reason=f"{since[:60]!r} is not a month", fix="Write for example 2026-03")
        first = int(year) * 12 + int(month) - 1
    if not last - MOST_MONTHS < first <= last:
        raise Invalid(
            reason=f"{since} is not one of the last {MOST_MONTHS} months",
            fix=f"Ask for {month_name(last - 12)} or later",
        )
    return list(range(first, last + 1))


def month_name(month: int) -> str:
    return f"{month // 12}-{month % 12 + 1:02}"


def by_month(months: Sequence[int], moments: Iterable[tuple[int, Any]]) -> list[list[Any]]:
    """Sort (moment, value) into months; what is older than the first month is left out."""
    starts = [month_start(month) for month in months]
    found: list[list[Any]] = [[] for _ in starts]
    for at, value in moments:
        position = bisect_right(starts, at) - 1
        if position >= 0:
            found[position].append(value)
    return found


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which this share lies, between two values in proportion. None without values."""
    if not values:
        return None
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def lead_seconds(moves: Iterable[Move]) -> list[float]:
    return [max(0, move.at - move.trained) / MICROSECONDS for move in moves]


def mean_completeness(sums: Iterable[Registered]) -> tuple[float | None, dict[str, float]]:
    """Return (mean completeness, fact → share of the versions that need it in which it is known)."""
    count, total = 0, 0.0
    known: Counter[str] = Counter()
    needed: Counter[str] = Counter()
    for each in sums:
        own = [name for name, state in zip(SIX_FACTS, each.facts, strict=True) if state == KNOWN]
        wanted = [name for name, state in zip(SIX_FACTS, each.facts, strict=True) if state != NOT_NEEDED]
        count += each.count
        total += each.count * len(own) / len(wanted)
        known.update(dict.fromkeys(own, each.count))
        needed.update(dict.fromkeys(wanted, each.count))
    if not count:
        return None, {}
    return total / count, {name: known[name] / needed[name] for name in SIX_FACTS if needed[name]}


def sentence_of(stage: str, months: Sequence[Month], alone: int, example: str) -> str:
    """Say how fast models reach the stage, and compare with the month before that has a value.

    alone: number of models that depend on one person; example: the name of one of them.
    """
    present = months[-1]
    parts = []
    if present.lead_median is None:
        parts.append(f"No model has entered {stage} this month.")
    else:
        text = f"A model reaches {stage} in {_days(present.lead_median)}"
        earlier = next((m for m in reversed(months[:-1]) if m.lead_median is not None), None)
        if earlier is not None and earlier.lead_median is not None:
            gain = earlier.lead_median - present.lead_median
            if _days(abs(gain)) == _days(0):
                text += f", as in {_month_words(earlier.name)}"
            else:
                text += f", {_days(abs(gain))} {'faster' if gain > 0 else 'slower'} than in {_month_words(earlier.name)}"
        parts.append(f"{text}.")
    if alone == 1:
        parts.append(f"{example} depends on one person.")
    elif alone:
        parts.append(f"{alone} models depend on one person each.")
    return " ".join(parts)


def _days(seconds: float) -> str:
    for size, unit in ((DAY, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _month_words(name: str) -> str:
    return datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC).strftime("%B %Y")
