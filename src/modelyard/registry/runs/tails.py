"""Read the log of a run backwards: its last lines, and earlier ones on demand."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.runs import queries, rules
from modelyard.registry.runs.usecases import find_run

TAIL_BYTES = 16_000
_PIECES = 200
LONGEST_LINE = 2_000
ERROR = re.compile(r"\b(error|exception|traceback|fatal|failed|nan)\b", re.IGNORECASE)
WARNING = re.compile(r"\bwarn(ing)?\b", re.IGNORECASE)


class LogLine(msgspec.Struct, frozen=True):
    """position: of its first byte in the log, which never changes. mark: error, warning, or empty."""

    position: int
    text: str
    mark: str


class LogTail(msgspec.Struct, frozen=True):
    lines: Sequence[LogLine]
    start: int
    end: int
    size_bytes: int
    """Of the whole log."""
    may_grow: bool

    @property
    def has_earlier(self) -> bool:
        return self.start > 0


def tail_log(
    tx: Transaction, actor: Actor, uid: str, end: int | None = None, most_bytes: int = TAIL_BYTES
) -> LogTail:
    """Return the last whole lines that end at `end`, at most about `most_bytes`; end None: of the log."""
    run = find_run(tx, actor, uid)
    stop = run.log_bytes if end is None else max(0, min(end, run.log_bytes))
    pieces = queries.list_log_before(tx, run.id, stop, _PIECES)
    first = pieces[0][0] if pieces else stop
    raw = "".join(text for _, text in pieces).encode()[: stop - first]
    if len(raw) > most_bytes:
        cut = raw.find(b"\n", len(raw) - most_bytes) + 1 or len(raw) - most_bytes
        first, raw = first + cut, raw[cut:]
    elif first > 0 and (cut := raw.find(b"\n") + 1):
        # The first piece may begin within a line.
        first, raw = first + cut, raw[cut:]
    lines, position = [], first
    for line in raw.split(b"\n"):
        text = line.decode("utf-8", "replace")
        if text or position + len(line) < stop:
            lines.append(LogLine(position, text[:LONGEST_LINE], mark_of(text)))
        position += len(line) + 1
    return LogTail(lines, first, stop, run.log_bytes, run.status == rules.RUNNING)


def mark_of(text: str) -> str:
    """Return how a line of a log is marked: error, warning, or not at all."""
    return "error" if ERROR.search(text) else "warning" if WARNING.search(text) else ""
