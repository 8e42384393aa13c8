"""Times on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from modelyard.domain.times import parse_moment


def moment(text: str | None) -> str | None:
    """Return the value of --since or --until as RFC 3339. Raises Invalid."""
    return None if text is None else parse_moment(text, datetime.now(UTC)).isoformat()
