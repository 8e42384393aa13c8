"""How long to wait before something that failed is tried again."""

from __future__ import annotations

LONGEST_WAIT_SECONDS = 3600.0


def backoff_seconds(failures: int, chance: float) -> float:
    """Return the wait behind the failure number `failures`: 2 seconds behind the first, then double up to an hour.

    chance: in [0, 1); spreads what failed together over half to one and a half times the wait.
    """
    return min(LONGEST_WAIT_SECONDS, 2.0 ** min(failures, 12)) * (0.5 + chance)
