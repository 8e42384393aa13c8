"""The times of the lines of a log."""

from __future__ import annotations

import pytest

from modelyard.registry.builds.line_times import joined, read_times, times_of_texts, within, write_times
from modelyard.registry.builds.nouns import LogPiece


@pytest.mark.parametrize(
    ("texts", "times"),
    [
        ([("one\ntwo\n", 10)], [(1, 10)]),
        ([("one\n", 10), ("two\n", 20)], [(1, 10), (2, 20)]),
        ([("one\ntw", 10), ("o\nthree\n", 20)], [(1, 10), (3, 20)]),
        ([("o", 10), ("n", 20), ("e\n", 30)], [(1, 10)]),
        ([("one\ntw", 10), ("o\nthr", 20), ("ee\n", 30)], [(1, 10), (3, 20)]),
    ],
)
def test_a_line_has_the_time_at_which_it_began(
    texts: list[tuple[str, int]], times: list[tuple[int, int]]
) -> None:
    assert times_of_texts(texts, 0) == times
    assert times_of_texts(texts, 100) == [(line + 100, at) for line, at in times]


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        (1, None, [(1, 10), (5, 50), (9, 90)]),
        (3, None, [(3, 10), (5, 50), (9, 90)]),
        (5, 8, [(5, 50)]),
        (20, None, [(20, 90)]),
        (0, 4, [(1, 10)]),
    ],
)
def test_a_part_of_a_log_begins_with_the_time_of_its_first_line(
    first: int, last: int | None, found: list[tuple[int, int]]
) -> None:
    assert within([(1, 10), (5, 50), (9, 90)], first, last) == found


def test_times_are_one_short_text() -> None:
    assert write_times([(1, 10), (5, 50)]) == "1:10 5:50"
    assert read_times("1:10 5:50") == [(1, 10), (5, 50)]
    assert read_times("") == []
    pieces = [LogPiece(0, 1, "train", 0, 0, "", text) for text in ("1:10 5:50", "6:50", "", "9:90")]
    assert joined(pieces) == "1:10 5:50 9:90"
