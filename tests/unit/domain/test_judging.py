"""The judge of canaries: good and bad only where the counts leave no doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from modelyard.domain.errors import ModelyardError
from modelyard.domain.judging import (
    BAD,
    GOOD,
    INCONCLUSIVE,
    OUTCOMES,
    Limits,
    Minute,
    Sample,
    bucket_seconds,
    difference_interval,
    judge,
    judge_minutes,
    latency_bucket,
    share_interval,
)

FAST, SLOW = latency_bucket(0.01), latency_bucket(0.1)


def side(requests: int, errors: int = 0, bucket: int = FAST, minutes: int = 5) -> Sample:
    return Sample(requests, errors, {bucket: requests} if requests else {}, minutes)


@pytest.mark.parametrize(
    ("stable", "tried", "outcome", "words"),
    [
        (side(2000, 2), side(400, 0), GOOD, "errors 0 % against 0.1 %"),
        (side(2000, 2), side(400, 40), BAD, "errors 10 % against 0.1 %, limit +2 %"),
        (side(2000), side(25, 25), BAD, "errors 100 %"),
        (side(2000), side(19, 19), INCONCLUSIVE, "19 of 200 requests answered by the new revision"),
        (side(0), side(400), INCONCLUSIVE, "0 of 200 requests answered by the stable one"),
        (side(0), side(0), INCONCLUSIVE, "0 of 200 requests answered by the new revision"),
        (side(2000), side(400, 6), INCONCLUSIVE, "more requests are needed"),
        (side(2000, 400), side(2000, 400), INCONCLUSIVE, "may differ by up to"),
        (side(20000, 4000), side(20000, 3900), GOOD, "errors 19.5 % against 20 %"),
        (side(2000), side(400, bucket=SLOW), BAD, "p99 100 ms against 10 ms, limit 2 times"),
        (side(2000, minutes=2), side(400, minutes=2), INCONCLUSIVE, "2 of 5 minutes have passed"),
        (side(2000, bucket=1), side(400, bucket=20), GOOD, "p99"),
    ],
)  # fmt: skip
def test_the_table(stable: Sample, tried: Sample, outcome: str, words: str) -> None:
    verdict = judge(stable, tried, Limits())
    assert verdict.outcome == outcome, verdict
    assert words in verdict.reason


def test_a_slow_tail_that_may_be_chance_is_not_clear() -> None:
    tried = Sample(400, 0, {FAST: 395, SLOW: 5}, 5)
    verdict = judge(side(2000), tried, Limits())
    assert verdict.outcome == INCONCLUSIVE
    assert "which may be chance" in verdict.reason


def test_a_revision_that_turns_bad_is_found_by_its_last_minutes() -> None:
    good = [Minute(start, 100, 0, {FAST: 100}) for start in range(100, 160)]
    turned = [*good[:-2], *(Minute(start, 100, 30, {FAST: 100}) for start in (158, 159))]
    assert judge_minutes(good, good, 0, 159, Limits()).outcome == GOOD
    assert judge_minutes(good, turned, 0, 159, Limits(error_difference=0.05)).outcome == BAD
    # Errors before the present weight do not count.
    early = [Minute(start, 100, 30, {FAST: 100}) for start in range(100, 140)]
    verdict = judge_minutes(good, [*early, *good[40:]], 140, 159, Limits())
    assert (verdict.outcome, verdict.minutes, verdict.tried.requests) == (GOOD, 19, 2000)


counts = some.integers(1, 100_000)
samples = some.builds(
    lambda total, part, bucket, minutes: Sample(total, int(part * total), {bucket: total}, minutes),
    counts,
    some.floats(0, 1),
    some.integers(0, 140),
    some.integers(0, 60),
)


@given(samples, samples)
def test_it_always_answers_and_never_passes_with_too_little(stable: Sample, tried: Sample) -> None:
    verdict = judge(stable, tried, Limits())
    assert verdict.outcome in OUTCOMES
    assert verdict.reason
    if verdict.outcome == GOOD:
        assert min(stable.requests, tried.requests) >= 200
        assert tried.minutes >= 5
        assert tried.errors / tried.requests - stable.errors / stable.requests <= 0.02
    if verdict.outcome == BAD:
        assert tried.requests >= 20


@given(samples, some.floats(0, 0.4))
def test_more_errors_never_make_it_better(stable: Sample, more: float) -> None:
    order = [GOOD, INCONCLUSIVE, BAD]
    fewer = Sample(stable.requests, stable.errors // 2, stable.latency, 10)
    worse = Sample(
        stable.requests, min(stable.requests, fewer.errors + int(more * stable.requests)), stable.latency, 10
    )
    found = [order.index(judge(stable, each, Limits()).findings[0].outcome) for each in (fewer, worse)]
    assert found == sorted(found)


@given(samples)
def test_a_revision_is_never_worse_than_itself(stable: Sample) -> None:
    assert judge(stable, stable, Limits()).outcome != BAD


@given(some.floats(0, 2000))
def test_buckets_keep_latencies_to_an_eighth(seconds: float) -> None:
    bucket = latency_bucket(seconds)
    if bucket < 140:
        assert seconds <= bucket_seconds(bucket) * 1.000001
    if bucket > 0:
        assert seconds >= bucket_seconds(bucket - 1) * 0.999999


@given(counts, some.floats(0, 1), counts, some.floats(0, 1))
def test_intervals_hold_their_value(first: int, one: float, second: int, two: float) -> None:
    left, right = (int(one * first), first), (int(two * second), second)
    low, high = share_interval(*left)
    assert low <= left[0] / left[1] + 1e-12
    assert high >= left[0] / left[1] - 1e-12
    below, above = difference_interval(left, right)
    assert below <= right[0] / right[1] - left[0] / left[1] + 1e-9 <= above + 2e-9


def test_the_interval_of_newcombe() -> None:
    """Source: Newcombe 1998, table II, (a) 56/70 minus 48/80: 0.0524 to 0.3339."""
    low, high = difference_interval((48, 80), (56, 70))
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


@pytest.mark.parametrize(
    "limits", [Limits(requests=0), Limits(error_difference=0), Limits(latency_ratio=0.5), Limits(minutes=61)]
)
def test_limits_have_bounds(limits: Limits) -> None:
    with pytest.raises(ModelyardError):
        limits.checked()
