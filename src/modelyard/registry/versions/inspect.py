"""What a version's files say of themselves, read from their bytes without running anything.

A function of the bytes alone, so it is read once per blob and kept with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from modelyard.blobs.store import BlobReader, BlobStore
from modelyard.db.engine import Database
from modelyard.domain.card_sections import card_sections
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobNotFound
from modelyard.domain.formats import FormatFacts, needs_reading, read_facts, summarise
from modelyard.domain.manifest import Manifest
from modelyard.registry.uploads import queries as uploads

CARD_PATH = "README.md"
MAX_CARD_BYTES = 256 * 1024
MAX_CARD_WORDS = 32_000

_MARKUP = re.compile(r"<[^>]{0,200}>|[#*_`|>\[\]()~-]+")


class _BlobSource:
    """An open blob as the format readers want it."""

    def __init__(self, reader: BlobReader) -> None:
        self._reader = reader
        self.size_bytes = reader.size_bytes

    def read(self, offset: int, length: int) -> bytes:
        return self._reader.read(offset, length)


def unread_files(manifest: Manifest, known: Mapping[Digest, str | None]) -> dict[Digest, str]:
    """Digest → path of the files that say something of themselves and were not read yet.

    known: what is kept of the blobs that are here, as `uploads.find_facts` gives it.
    """
    return {
        file.digest: file.path
        for file in manifest.files
        if (needs_reading(file.path) or file.path == CARD_PATH) and known.get(file.digest, "") is None
    }


def inspect_files(db: Database, blobs: BlobStore, manifest: Manifest) -> None:
    """Read what nobody read yet, and keep it with the blobs. Files without bytes here are passed over."""
    digests = {file.digest for file in manifest.files}
    unread = unread_files(manifest, db.read(lambda tx: uploads.find_facts(tx, digests)))
    found = {digest: _read_one(blobs, digest, path) for digest, path in unread.items()}
    if found:
        db.write(lambda tx: uploads.set_facts(tx, found))


def _read_one(blobs: BlobStore, digest: Digest, path: str) -> str:
    """JSON of the facts, '' when there are none."""
    try:
        reader = blobs.open(digest)
    except BlobNotFound:
        return ""
    with reader:
        value: dict[str, Any] = {}
        facts = read_facts(path, _BlobSource(reader))
        if facts is not None:
            value["facts"] = facts.to_json()
        if path == CARD_PATH:
            raw = reader.read(0, MAX_CARD_BYTES)
            value["card"] = card_words(raw)
            value["sections"] = card_sections(raw.decode("utf-8", "replace"))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""


def card_words(raw: bytes) -> str:
    """A card's text without its markup, as far as it is searched."""
    text = raw.decode("utf-8", "replace").replace("\0", " ")
    return " ".join(_MARKUP.sub(" ", text).split())[:MAX_CARD_WORDS]


def summarise_files(manifest: Manifest, facts: Mapping[Digest, str | None]) -> tuple[dict[str, Any], str]:
    """(one summary of all files, the searched text of the card)."""
    per_file: dict[str, FormatFacts] = {}
    card = ""
    for file in manifest.files:
        text = facts.get(file.digest)
        if not text:
            continue
        value = json.loads(text)
        if "facts" in value:
            per_file[file.path] = FormatFacts.from_json(value["facts"])
        if file.path == CARD_PATH:
            card = value.get("card", "")
    return summarise(per_file), card
