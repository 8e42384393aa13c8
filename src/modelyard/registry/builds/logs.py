"""Read the logs of builds: onwards from a position, the end for a page, the lines around one, and those that have some words.

A build keeps at most LOG_HEAD_BYTES + LOG_TAIL_BYTES of its log, in rows of at most PIECE_BYTES, and what is complete of a long one
in the blob store.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Invalid
from modelyard.registry.builds import log_queries, queries, rules
from modelyard.registry.builds.line_times import LineTimes, read_times, within
from modelyard.registry.builds.nouns import Build, LogLine, LogPart, LogPiece, LogSearch, LogText, LogView
from modelyard.registry.builds.packing import open_chunk
from modelyard.registry.builds.usecases import find_build
from modelyard.registry.runs.tails import LONGEST_LINE, mark_of

_LINES = 400
"""Most lines that a page shows at once."""
_LINES_BEFORE = 100
"""Lines that a page shows before the one that was asked for."""
_MOST_FOUND = 200
_MOST_WORDS = 200
_SEARCH_SECONDS = 2.0


def read_log(
    tx: Transaction, blobs: BlobStore, actor: Actor, uid: str, step: str | None, position: int
) -> LogPart:
    """Return the next part of the log of a build, or of a step in its newest attempt; without texts if there is no more yet.

    A part of the log that is not kept is replaced by a line about it. Raises BuildNotFound.
    """
    return _read(tx, blobs, find_build(tx, actor, uid), step, position)


def _read(tx: Transaction, blobs: BlobStore, build: Build, step: str | None, position: int) -> LogPart:
    pieces = _next_pieces(tx, blobs, build, step, position)
    texts: list[LogText] = []
    for piece in pieces:
        start = piece.position if step is None else piece.step_position
        data = piece.text.encode()
        if start > position:
            texts.append(_left_out(piece, start - position))
        known = max(0, position - start)
        line = piece.step_line + 1 + data[:known].count(b"\n")
        text = data[known:].decode("utf-8", "ignore")
        times = within(read_times(piece.times), line)
        texts.append(LogText(piece.attempt, piece.step, line, text, times))
        position = start + len(data)
    return LogPart(texts, position, build.has_ended and not pieces, build.attempt)


def _next_pieces(
    tx: Transaction, blobs: BlobStore, build: Build, step: str | None, position: int
) -> list[LogPiece]:
    """Return the next few rows, or the next chunk, that end after a position."""
    if step is None:
        pieces = log_queries.read_log(tx, build.id, position)
        chunk = log_queries.find_chunk(tx, build.id, position)
        before = [piece for piece in pieces if chunk is None or piece.position < chunk.position]
    else:
        place = (build.id, build.attempt, step, position)
        pieces = log_queries.read_step_log(tx, *place)
        chunk = log_queries.find_chunk_of_step(tx, *place)
        before = [piece for piece in pieces if chunk is None or piece.step_position < chunk.step_position]
    return before if before or chunk is None else [open_chunk(tx, blobs, chunk)]


def _left_out(piece: LogPiece, size_bytes: int) -> LogText:
    words = (
        f"[{size_bytes} bytes are left out here: a log of more than "
        f"{rules.LOG_HEAD_BYTES + rules.LOG_TAIL_BYTES} bytes keeps only its beginning and its end]\n"
    )
    return LogText(piece.attempt, piece.step, 0, words)


# --- lines -----------------------------------------------------------------------------------------------


def _lines_of(texts: Iterable[LogText]) -> Iterator[LogLine]:
    """Yield the lines of consecutive texts, and a last one without an end too."""
    place, rest = LogText(0, "", 0, ""), ""

    def line(text: str) -> LogLine:
        # A progress bar returns to the beginning of its line; its last state is shown.
        shown = next((part for part in reversed(text.split("\r")) if part), "")[:LONGEST_LINE]
        at = within(times, place.line)[:1]
        mark = mark_of(shown) if place.line else ""
        return LogLine(place.attempt, place.step, place.line, shown, mark, at[0][1] if at else None)

    times: LineTimes = ()
    for text in texts:
        if rest and (text.attempt, text.step) == (place.attempt, place.step) and text.line and place.line:
            rest += text.text
            times = [*times[-1:], *text.times]
        else:
            if rest:
                yield line(rest)
            place, rest, times = text, text.text, text.times
        *whole, rest = rest.split("\n")
        for each in whole:
            yield line(each)
            place = LogText(place.attempt, place.step, place.line + 1 if place.line else 0, "")
    if rest:
        yield line(rest)


def show_lines(
    tx: Transaction, blobs: BlobStore, build: Build, step: str | None, line: int | None = None
) -> LogView:
    """Return the last lines of the log of a build, or of a step in its newest attempt. line: those around this line of the step."""
    if step is not None and line is not None:
        return _lines_around(tx, blobs, build, step, line)
    known = _size_of(tx, build, step)
    start = max(0, known - rules.PAGE_LOG_BYTES)
    part = _read(tx, blobs, build, step, start)
    while len(part.texts) and part.position < known:
        following = _read(tx, blobs, build, step, part.position)
        part = LogPart([*part.texts, *following.texts], following.position, following.ended, following.attempt)
    lines = [*_lines_of(part.texts)]
    # The first one may begin within a line.
    lines = lines[1:] if start else lines
    return LogView(lines[-_LINES:], part.position, has_earlier=start > 0 or len(lines) > _LINES)


def _size_of(tx: Transaction, build: Build, step: str | None) -> int:
    if step is None:
        return build.log_bytes
    attempt = queries.find_attempt(tx, build.id, build.attempt)
    steps = [] if attempt is None else queries.list_steps(tx, attempt.id)
    return next((each.log_bytes for each in steps if each.name == step), 0)


def _lines_around(tx: Transaction, blobs: BlobStore, build: Build, step: str, line: int) -> LogView:
    first = max(1, line - _LINES_BEFORE)
    position = log_queries.find_line(tx, build.id, build.attempt, step, first)
    found: list[LogLine] = []
    texts: list[LogText] = []
    has_later = True
    while len(found) <= _LINES:
        part = _read(tx, blobs, build, step, position)
        if not part.texts:
            has_later = False
            break
        texts += part.texts
        position = part.position
        found = [each for each in _lines_of(texts) if each.number >= first or (each.number == 0 and found)]
    has_later = has_later or len(found) > _LINES
    return LogView(found[:_LINES], None if has_later else position, has_earlier=first > 1)


# --- searching -------------------------------------------------------------------------------------------


def search_log(
    db: Database, blobs: BlobStore, actor: Actor, uid: str, words: str, step: str | None = None
) -> LogSearch:
    """Return the lines of the newest attempt's log that have the words, in any case of letters; in a thread, since it reads it all.

    Raises BuildNotFound; Invalid for words that are missing or too long.
    """
    sought = words.casefold()
    if not 0 < len(sought) <= _MOST_WORDS:
        raise Invalid(
            reason=f"the words to search for have {len(sought)} characters", fix=f"Give 1 to {_MOST_WORDS}"
        )
    build = db.read(lambda tx: find_build(tx, actor, uid))
    ends_at = time.monotonic() + _SEARCH_SECONDS
    found: list[LogLine] = []
    for text in _whole_lines(_texts_of(db, blobs, build, step)):
        # Most parts of a long log do not have the words; their lines need not be told apart.
        has_words = text.line and text.attempt == build.attempt and sought in text.text.casefold()
        for line in _lines_of([text]) if has_words else ():
            if sought in line.text.casefold():
                if len(found) == _MOST_FOUND:
                    return LogSearch(found, is_whole=False)
                found.append(line)
        if time.monotonic() > ends_at:
            return LogSearch(found, is_whole=False)
    return LogSearch(found, is_whole=True)


def _whole_lines(texts: Iterable[LogText]) -> Iterator[LogText]:
    """Yield the same texts, cut where lines end."""
    place, rest = LogText(0, "", 0, ""), ""
    for text in texts:
        goes_on = rest and (text.attempt, text.step) == (place.attempt, place.step) and text.line
        if rest and not goes_on:
            yield LogText(place.attempt, place.step, place.line, rest)
        line, whole = (place.line, rest + text.text) if goes_on else (text.line, text.text)
        end = whole.rfind("\n") + 1
        if end:
            yield LogText(text.attempt, text.step, line, whole[:end])
        place, rest = LogText(text.attempt, text.step, line + whole.count("\n"), ""), whole[end:]
    if rest:
        yield LogText(place.attempt, place.step, place.line, rest)


def stream_text(
    db: Database, blobs: BlobStore, actor: Actor, uid: str, step: str | None = None
) -> Iterator[bytes]:
    """Yield the log of a build as plain text, as far as it has arrived. Raises BuildNotFound at once."""
    build = db.read(lambda tx: find_build(tx, actor, uid))
    return (text.text.encode() for text in _texts_of(db, blobs, build, step))


def _texts_of(db: Database, blobs: BlobStore, build: Build, step: str | None) -> Iterator[LogText]:
    position = 0
    while True:
        part: LogPart = db.read(partial(_read, blobs=blobs, build=build, step=step, position=position))
        if not part.texts:
            return
        yield from part.texts
        position = part.position
