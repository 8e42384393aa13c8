"""The one way to read moments and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from modelyard.domain.errors import Invalid
from modelyard.domain.times import parse_duration, parse_moment

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h", NOW - timedelta(hours=1)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-11-29", datetime(2026, 11, 29, tzinfo=UTC)),
        ("2026-11-29T10:00:00Z", datetime(2026, 11, 29, 10, tzinfo=UTC)),
        ("2026-11-29T10:00:00+02:00", datetime(2026, 11, 29, 8, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert parse_moment(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "15", "h", "2026-11-29T10:00:00", "2026-13-01", "999999w", "yesterday", "1y"]
)
def test_what_is_not_a_moment(text: str) -> None:
    with pytest.raises(Invalid, match="is not a time"):
        parse_moment(text, NOW)


def test_durations() -> None:
    assert parse_duration("15m") == timedelta(minutes=15)
    with pytest.raises(Invalid, match="is not a duration"):
        parse_duration("15")
