"""Show a file of a run without running anything in it: an image, a table, or text.

A file is judged by its first bytes, never by its name or the media type that a client claimed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.domain.actor import Actor
from modelyard.domain.manifest import File
from modelyard.registry.runs.usecases import find_artifact

IMAGE, TABLE, TEXT, OTHER = "image", "table", "text", "other"
MOST_BYTES = 64 * 1024
_ROWS, _CELLS, _CELL = 50, 40, 200
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
"""Kinds of images that cannot contain scripts. SVG can, so it is text."""


class Preview(msgspec.Struct, frozen=True):
    file: File
    kind: str
    media_type: str = ""
    """Of an image."""
    text: str = ""
    rows: Sequence[Sequence[str]] = ()
    """Of a table, its heading first."""
    is_cut: bool = False


def preview_artifact(db: Database, blobs: BlobStore, actor: Actor, uid: str, path: str) -> Preview:
    """Read the beginning of a file. Raises like find_artifact."""
    file = db.read(lambda tx: find_artifact(tx, actor, uid, path))
    with blobs.open(file.digest) as reader:
        raw = reader.read(0, MOST_BYTES)
    is_cut = file.size_bytes > len(raw)
    media_type = image_type(raw)
    if media_type is not None:
        return Preview(file, IMAGE, media_type)
    if b"\0" in raw:
        return Preview(file, OTHER)
    try:
        text = raw.decode("utf-8", "strict" if not is_cut else "ignore")
    except UnicodeDecodeError:
        return Preview(file, OTHER)
    if path.lower().endswith((".csv", ".tsv")):
        rows = _rows(text, "\t" if path.lower().endswith(".tsv") else ",")
        if rows:
            return Preview(file, TABLE, rows=rows, is_cut=is_cut or len(rows) > _ROWS)
    return Preview(file, TEXT, text=text, is_cut=is_cut)


def image_type(raw: bytes) -> str | None:
    """Return the media type of an image that a browser may show, by its first bytes."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _IMAGES if raw.startswith(magic)), None)


def _rows(text: str, delimiter: str) -> list[list[str]]:
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        return [[cell[:_CELL] for cell in row[:_CELLS]] for _, row in zip(range(_ROWS), reader, strict=False)]
    except csv.Error:
        return []
