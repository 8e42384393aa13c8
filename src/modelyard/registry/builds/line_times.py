"""The times of the lines of a log: one for each time that text arrived, in one short text for each piece.

It reads `line:time line:time …`, with milliseconds since 1970. A time holds for the lines that follow, up to the next one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from modelyard.registry.builds.nouns import LogPiece

LineTimes = Sequence[tuple[int, int]]


def times_of_texts(texts: Sequence[tuple[str, int]], lines: int) -> list[tuple[int, int]]:
    """Return the times of texts of one step that follow one another. texts: (text, time). lines: of the step before them."""
    found: list[tuple[int, int]] = []
    begins = True
    for text, at in texts:
        # A line that an earlier text began has its time already.
        line = lines + (1 if begins else 2)
        lines += text.count("\n")
        begins = text.endswith("\n")
        if line <= (lines if begins else lines + 1):
            found.append((line, at))
    return found


def within(times: LineTimes, first: int, last: int | None = None) -> list[tuple[int, int]]:
    """Return the times from one line to another one, beginning with that of the first. last None: to the end."""
    start = bisect_right(times, first, key=lambda each: each[0])
    found = [(first, times[start - 1][1])] if start else []
    return found + [each for each in times[start:] if last is None or each[0] <= last]


def write_times(times: LineTimes) -> str:
    return " ".join(f"{line}:{at}" for line, at in times)


def read_times(text: str) -> list[tuple[int, int]]:
    pairs = (each.partition(":") for each in text.split())
    return [(int(line), int(at)) for line, _, at in pairs]


def joined(pieces: Sequence[LogPiece]) -> str:
    """Return the times of pieces of one step that follow one another, without those that only repeat the one before."""
    found: list[tuple[int, int]] = []
    for piece in pieces:
        found += [each for each in read_times(piece.times) if not found or found[-1][1] != each[1]]
    return write_times(found)
