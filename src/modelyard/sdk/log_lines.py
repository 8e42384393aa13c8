"""Lines of the log of a build, made of its texts as they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modelyard.wire.builds import BuildLogText


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log of a build."""

    step: str
    attempt: int
    number: int
    """In its step and attempt, from 1; 0: a note in place of what is not kept."""
    at: str | None
    """When it was written, in UTC; None: that is unknown, as for logs of earlier releases."""
    text: str


def lines_of(texts: Iterable[BuildLogText]) -> Iterator[LogLine]:
    """Yield the lines of texts that follow one another; the last one also without its end."""
    begun: LogLine | None = None
    for text in texts:
        if begun is not None and (begun.attempt, begun.step) != (text.attempt, text.step):
            yield begun
            begun = None
        times = {each.line: each.at for each in text.times}
        at = times.get(text.line)
        *whole, rest = text.text.split("\n")
        for offset, line in enumerate([*whole, rest]):
            number = text.line + offset if text.line else 0
            at = times.get(number, at)
            if begun is None:
                begun = LogLine(text.step, text.attempt, number, at, line)
            else:
                begun = LogLine(begun.step, begun.attempt, begun.number, begun.at, begun.text + line)
            if offset < len(whole):
                yield begun
                begun = None
        if begun is not None and not begun.text:
            begun = None
    if begun is not None:
        yield begun
