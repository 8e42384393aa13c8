"""Times of schedules: over both changes of the clock, and what is refused at once."""

from __future__ import annotations

from datetime import datetime
from itertools import islice, pairwise

import pytest

from modelyard.domain.errors import Invalid
from modelyard.domain.times import seconds, time_text, to_moment
from modelyard.registry.schedules import timing
from modelyard.registry.schedules.nouns import CRON, INTERVAL
from modelyard.registry.schedules.timing import Timing

BERLIN = "Europe/Berlin"


def at(text: str) -> int:
    return to_moment(datetime.fromisoformat(text))


def texts(moments: list[int]) -> list[str]:
    return [time_text(moment)[:16] for moment in moments]


NIGHTLY = Timing(CRON, "30 2 * * *", BERLIN)
HALF_HOURS = Timing(CRON, "*/30 * * * *", BERLIN)


def test_in_spring_a_time_that_is_skipped_comes_after_the_gap() -> None:
    start = at("2026-03-28T12:00:00Z")
    # 03:00, since there is no 02:30.
    assert texts([*islice(NIGHTLY.following(start), 2)]) == ["2026-03-29T01:00", "2026-03-30T00:30"]
    gap = [*islice(HALF_HOURS.following(at("2026-03-29T00:30:00Z")), 2)]
    assert texts(gap) == ["2026-03-29T01:00", "2026-03-29T01:30"]


def test_in_autumn_a_time_that_comes_twice_counts_once() -> None:
    day = [at("2026-10-24T12:00:00Z") + seconds(600) * n for n in range(6 * 30)]
    # Asked at any moment, it never names a time that has passed, nor 02:30 a second time.
    found = {NIGHTLY.after(moment) for moment in day}
    assert texts(sorted(moment for moment in found if moment)) == ["2026-10-25T00:30", "2026-10-26T01:30"]
    assert all((NIGHTLY.after(moment) or 0) > moment for moment in day)
    assert {NIGHTLY.latest(moment, at("2026-10-24T00:30:00Z")) for moment in day} == {
        at("2026-10-24T00:30:00Z"),
        at("2026-10-25T00:30:00Z"),
    }


def test_half_hours_go_on_through_the_hour_that_comes_twice() -> None:
    found = [*islice(HALF_HOURS.following(at("2026-10-24T23:30:00Z")), 6)]
    assert {after - before for before, after in pairwise(found)} == {seconds(1800)}


@pytest.mark.parametrize(
    "clock", [NIGHTLY, HALF_HOURS, Timing(INTERVAL, "6h", anchor=at("2026-11-30T20:00:00Z"))]
)
def test_the_latest_time_is_the_one_before_the_next(clock: Timing) -> None:
    first = clock.after(at("2026-10-20T12:00:00Z"))
    assert first is not None
    for n in range(40):
        now = first + seconds(4000) * n * 7
        latest = clock.latest(now, first)
        following = clock.after(latest)
        assert latest <= now
        assert following is not None
        assert following > now
        count, last = clock.count(first, latest) if latest > first else (0, first)
        if 0 < count < timing.MOST_COUNTED:
            assert clock.after(last) == latest


def test_a_change_of_the_clock_moves_no_interval() -> None:
    clock = Timing(INTERVAL, "6h", anchor=at("2026-10-24T22:00:00Z"))
    assert texts([*islice(clock.following(at("2026-10-24T22:00:00Z")), 2)]) == [
        "2026-10-25T04:00",
        "2026-10-25T10:00",
    ]
    assert clock.after(at("2020-01-01T00:00:00Z")) == at("2020-01-01T04:00:00Z")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 30 2 * * *", "6 fields"),
        ("30 2 * *", "4 fields"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 31 4,6 *", "bad day-of-month"),
        ("61 * * * *", "bad minute"),
        ("@reboot", "no such short form"),
        ("", "0 fields"),
        (",".join(["1"] * 300) + " * * * *", "characters"),
    ],
)
def test_what_is_no_cron_expression_is_refused_at_once(expression: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        timing.check_cron(expression, "UTC", at("2026-11-30T20:00:00Z"))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "zone", "words"),
    [
        ("30 2 * * *", BERLIN, "every day at 02:30 Europe/Berlin"),
        ("@Daily", "UTC", "every day at 00:00 UTC"),
        ("0 9  * * 1-5", "UTC", "on Monday through Friday at 09:00 UTC"),
        ("30 2,14 * * *", "UTC", "every day at 02:30 and 14:30 UTC"),
        ("*/5 * * * *", "UTC", "every fifth minute of every hour UTC"),
        ("0 12 L * *", "UTC", "on the last day of every month at 12:00 UTC"),
    ],
)
def test_cron_in_words(expression: str, zone: str, words: str) -> None:
    assert timing.check_cron(expression, zone, at("2026-11-30T20:00:00Z")).words == words


@pytest.mark.parametrize(
    ("text", "words"), [("6h", "6 hours"), ("1d", "day"), ("90m", "90 minutes"), ("14d", "2 weeks")]
)
def test_intervals_in_words(text: str, words: str) -> None:
    assert timing.check_interval(text, 0).words == f"every {words}"


def test_jitter_stays_in_its_bounds_and_is_the_same_everywhere() -> None:
    due = at("2026-11-30T20:00:00Z")
    found = [timing.with_jitter(number, due, 300) - due for number in range(200)]
    assert found == [timing.with_jitter(number, due, 300) - due for number in range(200)]
    assert 0 <= min(found) < seconds(60)
    assert seconds(240) < max(found) <= seconds(300)
    assert timing.with_jitter(7, due, 0) == due


def test_a_jitter_must_fit_between_two_times() -> None:
    now = at("2026-11-30T20:00:00Z")
    timing.check_jitter(Timing(CRON, "*/5 * * * *"), 299, now)
    with pytest.raises(Invalid, match="at most 299 s"):
        timing.check_jitter(Timing(CRON, "*/5 * * * *"), 300, now)
    # The shortest gap counts: from 14:30 to 15:00.
    with pytest.raises(Invalid):
        timing.check_jitter(Timing(CRON, "30,0 14,15 * * *"), 1800, now)
    with pytest.raises(Invalid):
        timing.check_jitter(NIGHTLY, 3601, now)


@pytest.mark.parametrize(
    ("length", "words"),
    [(59, "59 s"), (60, "1 min"), (3599, "59 min"), (6 * 3600, "6 h"), (86_400, "24 h"), (3 * 86_400, "3 d")],
)
def test_about_how_long(length: int, words: str) -> None:
    assert timing.about(seconds(length)) == words
