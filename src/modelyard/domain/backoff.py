"""Decide how long to wait before a failed action is tried again."""

from __future__ import annotations

LONGEST_WAIT_SECONDS = 3600.0


def backoff_seconds(failures: int, chance: float) -> float:
    """Return the wait after failure number `failures`: 2 seconds after the first, then doubled up to an hour.

    chance: in [0, 1); spreads retries of simultaneous failures over half to one and a half times the wait.
    """
    return min(LONGEST_WAIT_SECONDS, 2.0 ** min(failures, 12)) * (0.5 + chance)
