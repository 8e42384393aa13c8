"""Whether a revision answers as well as another one, from the counts of the same clock minutes.

There are three answers. *Bad* and *good* are said only where the counts leave no doubt; everything else is *inconclusive*, with
what is missing in words. Shares of errors are compared by the interval of their difference (Newcombe 1998, method 10: Wilson
intervals of both shares), latencies by the interval of a quantile's rank.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modelyard.domain.errors import Invalid

GOOD, BAD, INCONCLUSIVE = "good", "bad", "inconclusive"
OUTCOMES = (GOOD, BAD, INCONCLUSIVE)

KEPT_MINUTES = 60
"""A program keeps the figures of this many clock minutes."""
LEAST_HARMED = 20
"""Bad is said from this many requests on, however many a good answer needs: harm should end early."""
LEAST_SECONDS = 0.005
"""Latencies that differ by less are equal: below it, the ratio is one of noise."""
_SURE, _VERY_SURE = 1.96, 2.576
"""Good needs 95 %; bad 99 %, since it is asked again and again."""
_FIRST_SECONDS, _STEPS = 1e-4, 20
_LAST_BUCKET = 7 * _STEPS


def latency_bucket(seconds: float) -> int:
    """Return the bucket of a latency: 20 buckets a decade, from 0.1 ms on."""
    if seconds <= _FIRST_SECONDS:
        return 0
    return min(_LAST_BUCKET, math.ceil(_STEPS * math.log10(seconds / _FIRST_SECONDS)))


def bucket_seconds(bucket: int) -> float:
    """Return the largest latency of a bucket."""
    return float(_FIRST_SECONDS * 10 ** (bucket / _STEPS))


@dataclass(frozen=True, slots=True)
class Minute:
    """Figures of a revision in one clock minute. start: minutes since 1970. latency: bucket → requests."""

    start: int
    requests: int
    errors: int
    latency: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """minutes: clock minutes that it covers."""

    requests: int = 0
    errors: int = 0
    latency: Mapping[int, int] = field(default_factory=dict)
    minutes: int = 0

    @property
    def error_share(self) -> float | None:
        return self.errors / self.requests if self.requests else None

    def quantile(self, share: float) -> float | None:
        """Return the latency in seconds that this share of the requests stayed below; None: there were none."""
        total = sum(self.latency.values())
        return self._at(math.ceil(share * total), total) if total else None

    def quantile_interval(self, share: float, sureness: float = _SURE) -> tuple[float, float] | None:
        """Return the interval of a quantile, by the binomial spread of its rank."""
        total = sum(self.latency.values())
        if not total:
            return None
        middle, spread = share * total, sureness * math.sqrt(total * share * (1 - share))
        return self._at(math.floor(middle - spread), total), self._at(math.ceil(middle + spread), total)

    def _at(self, rank: int, total: int) -> float:
        rank, passed = min(max(rank, 1), total), 0
        for bucket in sorted(self.latency):
            passed += self.latency[bucket]
            if passed >= rank:
                return bucket_seconds(bucket)
        raise AssertionError("the rank is beyond the last request")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a revision may do. requests: least number of each of the two for a good answer. error_difference: largest difference
    of the shares of errors. latency_ratio: largest ratio of the latencies that 99 % stay below. minutes: least number of clock
    minutes for a good answer; bad is also looked for in the last ones of this number."""

    requests: int = 200
    error_difference: float = 0.02
    latency_ratio: float = 2.0
    minutes: int = 5

    def checked(self) -> Limits:
        """Raises Invalid."""
        if not 1 <= self.requests <= 1_000_000:
            raise Invalid(reason=f"{self.requests} is not a least number of requests", fix="Give 1 to 1000000")
        if not 0 < self.error_difference <= 1:
            raise Invalid(
                reason=f"{self.error_difference:g} is not a difference of shares",
                fix="Give a number above 0 and up to 1; 0.02 is two percentage points",
            )
        if not 1 <= self.latency_ratio <= 1000:
            raise Invalid(
                reason=f"{self.latency_ratio:g} is not a ratio of latencies", fix="Give a number from 1 to 1000"
            )
        if not 1 <= self.minutes <= KEPT_MINUTES:
            raise Invalid(reason=f"{self.minutes} is not a number of minutes", fix=f"Give 1 to {KEPT_MINUTES}")
        return self


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison. what: errors or latency. value: difference of shares, or ratio; low, high: its interval. None: not known."""

    what: str
    outcome: str
    value: float | None
    low: float | None
    high: float | None
    limit: float
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """reason: why, in a sentence. minutes: that were compared."""

    outcome: str
    reason: str
    findings: tuple[Finding, ...]
    stable: Sample
    tried: Sample

    @property
    def minutes(self) -> int:
        return self.tried.minutes


# --- intervals -------------------------------------------------------------------------------------------


def share_interval(count: int, total: int, sureness: float = _SURE) -> tuple[float, float]:
    """Return Wilson's interval of a share. total: larger than 0."""
    share, square = count / total, sureness * sureness
    middle = share + square / (2 * total)
    spread = sureness * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    below, above = (middle - spread) / (1 + square / total), (middle + spread) / (1 + square / total)
    return max(0.0, below), min(1.0, above)


def difference_interval(
    stable: tuple[int, int], tried: tuple[int, int], sureness: float = _SURE
) -> tuple[float, float]:
    """Return the interval of the second share minus the first. Each is (count, total)."""
    first, second = stable[0] / stable[1], tried[0] / tried[1]
    first_low, first_high = share_interval(*stable, sureness)
    second_low, second_high = share_interval(*tried, sureness)
    value = second - first
    low = value - math.hypot(second - second_low, first_high - first)
    high = value + math.hypot(second_high - second, first - first_low)
    return low, high


# --- the judge -------------------------------------------------------------------------------------------


def sample(minutes: Iterable[Minute], covered: int | None = None) -> Sample:
    """Add up minutes. covered: how many they are, if those without a request are not among them."""
    requests = errors = count = 0
    latency: Counter[int] = Counter()
    for minute in minutes:
        count += 1
        requests += minute.requests
        errors += minute.errors
        latency.update(minute.latency)
    return Sample(requests, errors, dict(latency), count if covered is None else covered)


def judge(stable: Sample, tried: Sample, limits: Limits) -> Verdict:
    """Compare a revision with the one next to it."""
    findings = (_judge_errors(stable, tried, limits), _judge_latency(stable, tried, limits))
    bad = [finding.words for finding in findings if finding.outcome == BAD]
    if bad:
        return Verdict(BAD, f"{'; '.join(bad)}; {_covered(tried)}", findings, stable, tried)
    missing = [finding.words for finding in findings if finding.outcome == INCONCLUSIVE]
    if tried.minutes < limits.minutes:
        missing.append(f"{tried.minutes} of {limits.minutes} minutes have passed")
    if missing:
        return Verdict(
            INCONCLUSIVE, f"not clear yet: {'; '.join(dict.fromkeys(missing))}", findings, stable, tried
        )
    words = "; ".join(finding.words for finding in findings)
    return Verdict(GOOD, f"{words}; {_covered(tried)}", findings, stable, tried)


def judge_minutes(
    stable: Sequence[Minute], tried: Sequence[Minute], since: int, present: int, limits: Limits
) -> Verdict:
    """Compare the same clock minutes of two revisions. since: the first minute that counts, present: that of now, which is not
    over yet and counts for its requests only.

    A revision that was good for long and turns bad is found by its last minutes.
    """
    since = max(since, present - KEPT_MINUTES + 1)
    whole = _judge_between(stable, tried, since, present, limits)
    recent = max(since, present - limits.minutes)
    if whole.outcome == BAD or recent == since:
        return whole
    last = _judge_between(stable, tried, recent, present, limits)
    return last if last.outcome == BAD else whole


def _judge_between(
    stable: Sequence[Minute], tried: Sequence[Minute], first: int, last: int, limits: Limits
) -> Verdict:
    covered = max(0, last - first)
    sides = [
        sample((minute for minute in side if first <= minute.start <= last), covered)
        for side in (stable, tried)
    ]
    return judge(sides[0], sides[1], limits)


def _too_few(stable: Sample, tried: Sample, least: int) -> str:
    """Say which side has too few requests; "": none has."""
    missing = [
        f"{each.requests} of {least} requests answered by {whom}"
        for each, whom in ((tried, "the new revision"), (stable, "the stable one"))
        if each.requests < least
    ]
    return " and ".join(missing)


def _judge_errors(stable: Sample, tried: Sample, limits: Limits) -> Finding:
    limit = limits.error_difference
    if not stable.requests or not tried.requests:
        words = _too_few(stable, tried, limits.requests)
        return Finding("errors", INCONCLUSIVE, None, None, None, limit, words)
    sides = (stable.errors, stable.requests), (tried.errors, tried.requests)
    low, high = difference_interval(*sides)
    value = tried.errors / tried.requests - stable.errors / stable.requests
    shares = (
        f"errors {_percent(tried.errors / tried.requests)} against {_percent(stable.errors / stable.requests)}"
    )
    words = f"{shares}, limit +{_percent(limit)}"
    sure_low, _ = difference_interval(*sides, _VERY_SURE)
    if sure_low > limit and min(tried.requests, stable.requests) >= min(LEAST_HARMED, limits.requests):
        return Finding("errors", BAD, value, low, high, limit, words)
    few = _too_few(stable, tried, limits.requests)
    if few:
        return Finding("errors", INCONCLUSIVE, value, low, high, limit, few)
    if high <= limit:
        return Finding("errors", GOOD, value, low, high, limit, words)
    words = f"{words}, but they may differ by up to {_percent(high)}: more requests are needed"
    return Finding("errors", INCONCLUSIVE, value, low, high, limit, words)


def _judge_latency(stable: Sample, tried: Sample, limits: Limits) -> Finding:
    limit = limits.latency_ratio
    before, after = stable.quantile(0.99), tried.quantile(0.99)
    if before is None or after is None:
        words = "" if not stable.requests or not tried.requests else "there are no latencies"
        return Finding("latency", INCONCLUSIVE, None, None, None, limit, words or "no latencies yet")
    words = f"p99 {_milliseconds(after)} against {_milliseconds(before)}, limit {limit:g} times"
    low, high = _ratios(stable, tried, _SURE)
    value = after / before
    sure_low, _ = _ratios(stable, tried, _VERY_SURE)
    sure_before, sure_after = (each.quantile_interval(0.99, _VERY_SURE) for each in (stable, tried))
    assert sure_before is not None
    assert sure_after is not None
    is_enough = min(tried.requests, stable.requests) >= min(LEAST_HARMED, limits.requests)
    if sure_low > limit and sure_after[0] - sure_before[1] > LEAST_SECONDS and is_enough:
        return Finding("latency", BAD, value, low, high, limit, words)
    few = _too_few(stable, tried, limits.requests)
    if few:
        return Finding("latency", INCONCLUSIVE, value, low, high, limit, few)
    if value <= limit or after - before <= LEAST_SECONDS:
        return Finding("latency", GOOD, value, low, high, limit, words)
    words = f"{words}, which may be chance: more requests are needed"
    return Finding("latency", INCONCLUSIVE, value, low, high, limit, words)


def _ratios(stable: Sample, tried: Sample, sureness: float) -> tuple[float, float]:
    before, after = (each.quantile_interval(0.99, sureness) for each in (stable, tried))
    assert before is not None
    assert after is not None
    return after[0] / before[1], after[1] / before[0]


def _covered(tried: Sample) -> str:
    return (
        f"{tried.requests} requests in {tried.minutes} min" if tried.minutes else f"{tried.requests} requests"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"
