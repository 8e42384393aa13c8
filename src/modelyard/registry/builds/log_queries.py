"""SQL of the logs of builds: rows, and chunks in the blob store."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import build_attempts, build_log_chunks, build_logs, build_steps
from modelyard.db.transaction import Transaction
from modelyard.registry.builds.nouns import LogChunk, LogPiece
from modelyard.registry.builds.rules import CHUNK_BYTES, LOG_HEAD_BYTES, OPEN_BYTES, PIECE_BYTES

_p = sa.bindparam
_READ_PIECES = 32

_PIECE = build_logs.c["position", "attempt", "step", "step_position", "step_line", "text", "times"]
_LAST_PIECE = Statement(
    sa.select(*_PIECE)
    .where(build_logs.c.build_id == _p("build_id"))
    .order_by(build_logs.c.position.desc())
    .limit(1)
)
_ADD_PIECE = Statement(
    build_logs.insert().values(
        **named(
            "build_id",
            "position",
            "attempt",
            "step",
            "step_position",
            "step_line",
            "size_bytes",
            "text",
            "times",
        )
    )
)
_SET_PIECE = Statement(
    build_logs.update()
    .where(build_logs.c.build_id == _p("of_build"), build_logs.c.position == _p("at"))
    .values(text=_p("new_text"), size_bytes=_p("size"), times=_p("new_times"))
)
_CUT = Statement(
    build_logs.delete().where(
        build_logs.c.build_id == _p("of_build"),
        build_logs.c.position >= _p("start"),
        build_logs.c.position + build_logs.c.size_bytes <= _p("end"),
    )
)
_READ = Statement(
    sa.select(*_PIECE)
    .where(
        build_logs.c.build_id == _p("build_id"),
        # The index finds this; no piece is longer.
        build_logs.c.position > _p("start") - PIECE_BYTES,
        build_logs.c.position + build_logs.c.size_bytes > _p("start"),
    )
    .order_by(build_logs.c.position)
    .limit(_READ_PIECES)
)
_OF_STEP = (
    build_logs.c.build_id == _p("build_id"),
    build_logs.c.attempt == _p("number"),
    build_logs.c.step == _p("of_step"),
)
_READ_STEP = Statement(
    sa.select(*_PIECE)
    .where(
        *_OF_STEP,
        build_logs.c.step_position > _p("start") - PIECE_BYTES,
        build_logs.c.step_position + build_logs.c.size_bytes > _p("start"),
    )
    .order_by(build_logs.c.step_position)
    .limit(_READ_PIECES)
)
_AT_LINE = Statement(
    sa.select(build_logs.c.step_position)
    .where(*_OF_STEP, build_logs.c.step_line < _p("line"))
    .order_by(build_logs.c.step_position.desc())
    .limit(1)
)
_LAST_OF_STEP = Statement(
    sa.select(*_PIECE).where(*_OF_STEP).order_by(build_logs.c.step_position.desc()).limit(2)
)


def find_last_piece(tx: Transaction, build_id: int) -> LogPiece | None:
    row = tx.one(_LAST_PIECE, build_id=build_id)
    return LogPiece(*row) if row else None


def add_pieces(tx: Transaction, build_id: int, pieces: Sequence[LogPiece]) -> None:
    rows = [
        {"build_id": build_id, "size_bytes": len(each.text.encode()), **msgspec.structs.asdict(each)}
        for each in pieces
    ]
    tx.run_many(_ADD_PIECE, rows)


def set_piece(tx: Transaction, build_id: int, piece: LogPiece) -> None:
    """Store a piece that has become longer."""
    size = len(piece.text.encode())
    tx.run(
        _SET_PIECE, of_build=build_id, at=piece.position, new_text=piece.text, size=size, new_times=piece.times
    )


def cut_log(tx: Transaction, build_id: int, start: int, end: int) -> None:
    """Delete the pieces that lie between two positions."""
    tx.run(_CUT, of_build=build_id, start=start, end=end)


def read_log(tx: Transaction, build_id: int, start: int) -> list[LogPiece]:
    """List the next few pieces that end after `start`."""
    return [LogPiece(*row) for row in tx.all(_READ, build_id=build_id, start=start)]


def read_step_log(tx: Transaction, build_id: int, number: int, step: str, start: int) -> list[LogPiece]:
    """List the next few pieces of a step in an attempt that end after `start` in the log of the step."""
    rows = tx.all(_READ_STEP, build_id=build_id, number=number, of_step=step, start=start)
    return [LogPiece(*row) for row in rows]


def read_step_end(tx: Transaction, build_id: int, number: int, step: str) -> str:
    """Return the text of the last pieces of a step."""
    rows = tx.all(_LAST_OF_STEP, build_id=build_id, number=number, of_step=step)
    return "".join(row[5] for row in reversed(rows))


def find_line(tx: Transaction, build_id: int, number: int, step: str, line: int) -> int:
    """Return the position in the log of a step of the piece in which a line begins, as far as it is kept."""
    place = {"build_id": build_id, "number": number, "of_step": step, "line": line}
    rows = [tx.one(statement, **place) for statement in (_AT_LINE, _CHUNK_AT_LINE)]
    return max((int(row[0]) for row in rows if row), default=0)


# --- chunks ----------------------------------------------------------------------------------------------

_CHUNK = build_log_chunks.c["position", "attempt", "step", "step_position", "step_line", "size_bytes", "digest"]
_LONGEST_CHUNK = CHUNK_BYTES + PIECE_BYTES
_NEXT_CHUNK = Statement(
    sa.select(*_CHUNK)
    .where(
        build_log_chunks.c.build_id == _p("build_id"),
        build_log_chunks.c.position > _p("start") - _LONGEST_CHUNK,
        build_log_chunks.c.position + build_log_chunks.c.size_bytes > _p("start"),
    )
    .order_by(build_log_chunks.c.position)
    .limit(1)
)
_CHUNKS_OF_STEP = (
    build_log_chunks.c.build_id == _p("build_id"),
    build_log_chunks.c.attempt == _p("number"),
    build_log_chunks.c.step == _p("of_step"),
)
_NEXT_CHUNK_OF_STEP = Statement(
    sa.select(*_CHUNK)
    .where(
        *_CHUNKS_OF_STEP,
        build_log_chunks.c.step_position > _p("start") - _LONGEST_CHUNK,
        build_log_chunks.c.step_position + build_log_chunks.c.size_bytes > _p("start"),
    )
    .order_by(build_log_chunks.c.step_position)
    .limit(1)
)
_CHUNK_AT_LINE = Statement(
    sa.select(build_log_chunks.c.step_position)
    .where(*_CHUNKS_OF_STEP, build_log_chunks.c.step_line < _p("line"))
    .order_by(build_log_chunks.c.step_position.desc())
    .limit(1)
)


def find_chunk(tx: Transaction, build_id: int, start: int) -> LogChunk | None:
    """Return the first chunk that ends after a position in the log of a build."""
    row = tx.one(_NEXT_CHUNK, build_id=build_id, start=start)
    return LogChunk(*row) if row else None


def find_chunk_of_step(tx: Transaction, build_id: int, number: int, step: str, start: int) -> LogChunk | None:
    """Return the first chunk that ends after a position in the log of a step."""
    row = tx.one(_NEXT_CHUNK_OF_STEP, build_id=build_id, number=number, of_step=step, start=start)
    return LogChunk(*row) if row else None


def list_chunks(tx: Transaction, build_id: int) -> list[LogChunk]:
    query = (
        sa.select(*_CHUNK).where(build_log_chunks.c.build_id == build_id).order_by(build_log_chunks.c.position)
    )
    return [LogChunk(*row) for row in tx.rows(query)]


def list_pieces(tx: Transaction, build_id: int) -> list[LogPiece]:
    """List the rows of a log."""
    query = sa.select(*_PIECE).where(build_logs.c.build_id == build_id).order_by(build_logs.c.position)
    return [LogPiece(*row) for row in tx.rows(query)]


_CLOSED = sa.and_(
    build_attempts.c.build_id == build_logs.c.build_id,
    build_attempts.c.number == build_logs.c.attempt,
    build_steps.c.attempt_id == build_attempts.c.id,
    build_steps.c.name == build_logs.c.step,
    build_logs.c.step_position + build_logs.c.size_bytes <= build_steps.c.log_bytes - OPEN_BYTES,
)


def _packable(build_id: int, has_ended: bool) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of rows that may become a chunk: complete, and of no part that may still be left out."""
    found = [_CLOSED, build_logs.c.build_id == build_id]
    if not has_ended:
        found.append(build_logs.c.position + build_logs.c.size_bytes <= LOG_HEAD_BYTES)
    return found


def list_packable(tx: Transaction, build_id: int, has_ended: bool) -> list[tuple[int, str]]:
    """List the (attempt, step) whose rows fill a chunk."""
    query = (
        sa.select(build_logs.c.attempt, build_logs.c.step)
        .where(*_packable(build_id, has_ended))
        .group_by(build_logs.c.attempt, build_logs.c.step)
        .having(sa.func.sum(build_logs.c.size_bytes) >= CHUNK_BYTES)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]


def list_packable_pieces(
    tx: Transaction, build_id: int, number: int, step: str, has_ended: bool
) -> list[LogPiece]:
    """List the first rows of a step that may become a chunk."""
    query = (
        sa.select(*_PIECE)
        .where(*_packable(build_id, has_ended), build_logs.c.attempt == number, build_logs.c.step == step)
        .order_by(build_logs.c.position)
        .limit(2 * CHUNK_BYTES // PIECE_BYTES)
    )
    return [LogPiece(*row) for row in tx.rows(query)]


def find_pieces(tx: Transaction, build_id: int, positions: Sequence[int]) -> list[LogPiece]:
    query = (
        sa.select(*_PIECE)
        .where(build_logs.c.build_id == build_id, build_logs.c.position.in_(positions))
        .order_by(build_logs.c.position)
    )
    return [LogPiece(*row) for row in tx.rows(query)]


def delete_pieces(tx: Transaction, build_id: int, positions: Sequence[int]) -> None:
    tx.execute(
        build_logs.delete().where(build_logs.c.build_id == build_id, build_logs.c.position.in_(positions))
    )


def insert_chunk(tx: Transaction, build_id: int, chunk: LogChunk) -> None:
    tx.execute(build_log_chunks.insert().values(build_id=build_id, **msgspec.structs.asdict(chunk)))


def set_chunk(tx: Transaction, build_id: int, position: int, digest: str) -> None:
    where = (build_log_chunks.c.build_id == build_id, build_log_chunks.c.position == position)
    tx.execute(build_log_chunks.update().where(*where).values(digest=digest))


def delete_logs(tx: Transaction, build_ids: Sequence[int]) -> None:
    for table in (build_logs, build_log_chunks):
        tx.execute(table.delete().where(table.c.build_id.in_(build_ids)))
