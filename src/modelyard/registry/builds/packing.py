"""Move what is complete of long logs from rows into the blob store, so that they do not fill the database.

A chunk is about a MiB of the log of one step, compressed, and takes the place of its rows in one transaction. The end of each
step's log stays in rows: there it grows, and there the reasons of failures are read. Short logs are never moved.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.registry.builds import log_queries, rules
from modelyard.registry.builds.line_times import joined
from modelyard.registry.builds.nouns import Build, LogChunk, LogPiece
from modelyard.registry.uploads import queries as uploads


def pack_log(db: Database, blobs: BlobStore, build: Build) -> None:
    """Move the complete chunks of a build's log into the store. Safe to call again after a crash at any point."""
    if build.log_bytes < rules.CHUNK_BYTES + rules.OPEN_BYTES:
        return
    for number, step in db.read(
        partial(log_queries.list_packable, build_id=build.id, has_ended=build.has_ended)
    ):
        find = partial(
            log_queries.list_packable_pieces,
            build_id=build.id,
            number=number,
            step=step,
            has_ended=build.has_ended,
        )
        while pieces := _first_chunk(db.read(find)):
            packed = pack("".join(piece.text for piece in pieces), joined(pieces))
            digest = Digest.of(packed)
            blobs.put([packed], digest, len(packed))
            if not db.write(
                partial(_replace, build_id=build.id, pieces=pieces, digest=digest, packed_bytes=len(packed))
            ):
                break


def _first_chunk(pieces: Sequence[LogPiece]) -> list[LogPiece]:
    """Return the pieces that make the next chunk, one after the other; empty if they do not fill it."""
    found: list[LogPiece] = []
    size = 0
    for piece in pieces:
        if found and piece.position != found[0].position + size:
            # What lay between is not kept.
            if size >= rules.CHUNK_BYTES // 2:
                break
            found, size = [], 0
        found.append(piece)
        size += len(piece.text.encode())
        if size >= rules.CHUNK_BYTES:
            break
    return found if size >= rules.CHUNK_BYTES // 2 else []


def _replace(
    tx: Transaction, build_id: int, pieces: Sequence[LogPiece], digest: Digest, packed_bytes: int
) -> bool:
    """Put a chunk in the place of its rows; False: they have changed, for example by a redaction, or the bytes are refused."""
    if log_queries.find_pieces(tx, build_id, [piece.position for piece in pieces]) != [*pieces]:
        return False
    if not uploads.upsert_blob(tx, digest, packed_bytes):
        return False
    first, size = pieces[0], sum(len(piece.text.encode()) for piece in pieces)
    log_queries.insert_chunk(
        tx,
        build_id,
        LogChunk(first.position, first.attempt, first.step, first.step_position, first.step_line, size, digest),
    )
    log_queries.delete_pieces(tx, build_id, [piece.position for piece in pieces])
    return True


# --- the format ------------------------------------------------------------------------------------------


def pack(text: str, times: str = "") -> bytes:
    """Return a chunk as it is stored: the text, NUL and the times of its lines, in UTF-8, compressed by zlib (RFC 1950)."""
    return zlib.compress(f"{text}\0{times}".encode(), 1)


def unpack(blobs: BlobStore, digest: Digest) -> tuple[str, str]:
    """Return the text of a chunk, and the times of its lines. Raises BlobNotFound, BlobStoreUnavailable."""
    with blobs.open(digest) as reader:
        text, _, times = zlib.decompress(b"".join(reader.chunks())).decode().partition("\0")
    return text, times


def open_chunk(tx: Transaction, blobs: BlobStore, chunk: LogChunk) -> LogPiece:
    """Return a chunk with its text, which is read outside the transaction."""
    digest = Digest(chunk.digest)
    text, times = tx.outside(("log chunk", digest), lambda: unpack(blobs, digest))
    return LogPiece(
        chunk.position, chunk.attempt, chunk.step, chunk.step_position, chunk.step_line, text, times
    )


# --- redaction -------------------------------------------------------------------------------------------


class Changed(msgspec.Struct, frozen=True):
    """A part of a log without a redacted text. digest: of the chunk that replaces it; None: it is a row, with `text`."""

    position: int
    text: str
    digest: str | None = None
    packed_bytes: int = 0


def blacken(blobs: BlobStore, parts: Sequence[LogChunk | LogPiece], secret: str) -> list[Changed]:
    """Return the parts of a log that hold a text, with `*` in its place, and store those that are chunks. No transaction.

    parts: in their order. The text is found over the border of two parts too.
    """
    stars = "*" * len(secret.encode())
    changed: dict[int, str] = {}
    kept: tuple[int, str] | None = None
    for part, text in _texts(blobs, parts):
        clean = text.replace(secret, stars)
        if kept is not None:
            before, both = kept[1], kept[1] + clean
            # Only the border is still open: inside, both parts are clean.
            whole = both.replace(secret, stars)
            if whole != both:
                raw, size = whole.encode(), len(before.encode())
                changed[kept[0]] = raw[:size].decode("utf-8", "replace")
                clean = raw[size:].decode("utf-8", "replace")
        if clean != text:
            changed[part.position] = clean
        kept = part.position, clean
    return [_store(blobs, part, changed[part.position]) for part in parts if part.position in changed]


def _texts(blobs: BlobStore, parts: Sequence[LogChunk | LogPiece]) -> Iterator[tuple[LogChunk | LogPiece, str]]:
    for part in parts:
        yield part, part.text if isinstance(part, LogPiece) else unpack(blobs, Digest(part.digest))[0]


def _store(blobs: BlobStore, part: LogChunk | LogPiece, text: str) -> Changed:
    if isinstance(part, LogPiece):
        return Changed(part.position, text)
    packed = pack(text, unpack(blobs, Digest(part.digest))[1])
    digest = Digest.of(packed)
    blobs.put([packed], digest, len(packed))
    return Changed(part.position, text, digest, len(packed))
