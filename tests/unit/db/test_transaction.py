"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from modelyard.domain.times import time_text, to_datetime, to_moment


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("1970-01-01T00:00:00.000000Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("1969-12-31T23:59:59.999999Z", datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)),
        ("1899-02-28T04:05:06.000007Z", datetime(1899, 2, 28, 4, 5, 6, 7, UTC)),
        ("2024-02-29T23:59:00.000001Z", datetime(2024, 2, 29, 23, 59, 0, 1, UTC)),
        ("2026-11-22T09:08:07.120000Z", datetime(2026, 11, 22, 9, 8, 7, 120_000, UTC)),
        ("2199-12-31T23:59:59.000000Z", datetime(2199, 12, 31, 23, 59, 59, 0, UTC)),
    ],
)
def test_a_moment_as_text(text: str, when: datetime) -> None:
    assert time_text(to_moment(when)) == text
    assert datetime.fromisoformat(text) == to_datetime(to_moment(when)) == when
