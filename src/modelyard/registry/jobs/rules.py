"""Decide which share is next, and when a failed job is tried again. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from modelyard.domain.backoff import backoff_seconds

MAX_FAILURE_LENGTH = 1000
MAX_NOTE_LENGTH = 200


class Candidate(msgspec.Struct, frozen=True):
    """The next job of a share at one priority."""

    job_id: int
    share: str
    priority: int
    due_at: int
    running: int
    """Jobs of the share that run now."""
    last_turn_at: int | None
    """When a job of the share was last taken; None: not recently."""


def choose(candidates: Iterable[Candidate], limit: int, most_per_share: int | None = None) -> list[Candidate]:
    """Choose the next jobs, in the order to take them: one per share, all from shares with equally few jobs running.

    The share with the fewest running jobs comes first, then the higher priority, then the share that waited longest
    for its turn, then the job that was due first. Priorities below 0 come after everything else. Ask again for more
    jobs: a share that had its turn here may then have another one.
    """
    able = [each for each in candidates if most_per_share is None or each.running < most_per_share]
    able.sort(key=_place)
    chosen: list[Candidate] = []
    for each in able:
        if len(chosen) == limit or _level(each) != _level(able[0]):
            break
        if all(each.share != other.share for other in chosen):
            chosen.append(each)
    return chosen


def _level(candidate: Candidate) -> tuple[bool, int]:
    return candidate.priority < 0, candidate.running


def _place(candidate: Candidate) -> tuple[bool, int, int, int, int, int]:
    return (
        *_level(candidate),
        -candidate.priority,
        -1 if candidate.last_turn_at is None else candidate.last_turn_at,
        candidate.due_at,
        candidate.job_id,
    )


def retry_wait_seconds(
    failures: int, max_failures: int | None, chance: float, *, is_lost: bool = False
) -> float | None:
    """Return how long a job waits after its failure number `failures`; None: it is not tried again.

    is_lost: its holder died. The lease was already a wait, so the first such failure adds none.
    """
    if max_failures is not None and failures >= max_failures:
        return None
    if is_lost and failures <= 1:
        return 0.0
    return backoff_seconds(failures - is_lost, chance)


def clip(text: str, most: int) -> str:
    """Return the beginning of a handler's text, cut to a limit and without NUL, which PostgreSQL does not store."""
    return text.replace("\0", "")[:most]
