"""Whose turn it is, and how often a failed job is tried again."""

from __future__ import annotations

import pytest

from modelyard.registry.jobs.rules import Candidate, choose, retry_wait_seconds


def job(
    job_id: int, share: str, *, priority: int = 0, due: int = 0, running: int = 0, turn: int | None = None
) -> Candidate:
    return Candidate(job_id, share, priority, due, running, turn)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], []),
        ([job(1, "a", running=1), job(2, "b")], [2]),
        ([job(1, "a", running=1), job(2, "b", running=1)], [1, 2]),
        ([job(1, "a", priority=9, running=1), job(2, "b")], [2]),
        ([job(1, "a"), job(2, "b", priority=5)], [2, 1]),
        ([job(1, "a", priority=1), job(2, "a", priority=2)], [2]),
        ([job(1, "a", turn=20), job(2, "b", turn=10), job(3, "c")], [3, 2, 1]),
        ([job(1, "a", due=9), job(2, "b", due=4), job(3, "c", due=9)], [2, 1, 3]),
        ([job(1, "a", priority=-1), job(2, "b", running=3)], [2]),
        ([job(1, "a", priority=-1), job(2, "b", priority=-2)], [1, 2]),
    ],
    ids=[
        "nothing waits",
        "the share with fewer running jobs comes first, alone",
        "shares with equally many come together",
        "priority does not beat another share's turn",
        "the higher priority first",
        "one of a share at a time",
        "the longest without a turn first, one that never had any before it",
        "what was due first",
        "what no one waits for comes behind all else",
        "and by priority",
    ],
)
def test_whose_turn(candidates: list[Candidate], expected: list[int]) -> None:
    for given in (candidates, candidates[::-1]):
        assert [each.job_id for each in choose(given, 10)] == expected


def test_no_more_than_asked_for_and_none_of_a_share_that_has_enough() -> None:
    waiting = [job(1, "a"), job(2, "b"), job(3, "c")]
    assert [each.job_id for each in choose(waiting, 2)] == [1, 2]
    full = [job(1, "a", running=3), job(2, "b", running=4)]
    assert choose(full, 10, 3) == []
    assert [each.job_id for each in choose([*full, job(3, "c", running=2)], 10, 3)] == [3]


@pytest.mark.parametrize(
    ("failures", "most", "is_lost", "expected"),
    [
        (1, None, False, 2.0),
        (2, None, False, 4.0),
        (20, None, False, 3600.0),
        (4, 5, False, 16.0),
        (5, 5, False, None),
        (6, 5, True, None),
        (1, 5, True, 0.0),
        (2, 5, True, 2.0),
        (1, 1, True, None),
    ],
)
def test_how_long_a_failed_job_waits(
    failures: int, most: int | None, is_lost: bool, expected: float | None
) -> None:
    assert retry_wait_seconds(failures, most, 0.5, is_lost=is_lost) == expected


def test_chance_spreads_what_failed_together() -> None:
    waits = [retry_wait_seconds(3, None, chance / 10) for chance in range(10)]
    assert waits == sorted(waits, key=float)  # type: ignore[arg-type]
    assert (waits[0], waits[5]) == (4.0, 8.0)
