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
from modelyard.registry.scan.rules import read_files
from modelyard.registry.scan.usecases import REGISTRATION_SECONDS, BlobSource, Patience, scan_blob
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.uploads.queries import BlobRead

CARD_PATH = "README.md"
MAX_CARD_BYTES = 256 * 1024
MAX_CARD_WORDS = 32_000

_MARKUP = re.compile(r"<[^>]{0,200}>|[#*_`|>\[\]()~-]+")


def unread_files(manifest: Manifest, known: Mapping[Digest, BlobRead]) -> dict[Digest, str]:
    """Digest → path of the files that were not looked into yet, or say something of themselves that nobody read.

    known: what is kept of the blobs that are here. Of the same bytes under several names, one that promises
    facts counts.
    """
    found: dict[Digest, str] = {}
    for file in manifest.files:
        read = known.get(file.digest)
        if read is None:
            continue
        promises = _promises_facts(file.path)
        if (read.facts is None and promises) or (read.scan is None and file.digest not in found):
            found[file.digest] = file.path
    return found


def inspect_files(db: Database, blobs: BlobStore, manifest: Manifest) -> None:
    """Read what nobody read yet, and keep it with the blobs. Files without bytes here are passed over.

    A scan that takes too long for a registration is left to the worker: its version begins as pending.
    """
    digests = {file.digest for file in manifest.files}
    known = db.read(lambda tx: uploads.find_read(tx, digests))
    patience = Patience(REGISTRATION_SECONDS)
    found = {
        digest: read_blob(blobs, digest, path, known[digest], patience)
        for digest, path in unread_files(manifest, known).items()
    }
    if found:
        db.write(lambda tx: uploads.set_read(tx, found))


def _promises_facts(path: str) -> bool:
    return needs_reading(path) or path == CARD_PATH


def read_blob(
    blobs: BlobStore,
    digest: Digest,
    path: str,
    known: BlobRead,
    patience: Patience,
    *,
    is_last_try: bool = False,
) -> BlobRead:
    """What is not known yet; None where there is nothing new."""
    try:
        reader = blobs.open(digest)
    except BlobNotFound:
        return BlobRead(None, None)
    with reader:
        scan = scan_blob(reader, patience, is_last_try=is_last_try) if known.scan is None else None
        facts = _facts_of(reader, path) if known.facts is None and _promises_facts(path) else None
    return BlobRead(facts, scan)


def _facts_of(reader: BlobReader, path: str) -> str:
    """JSON of the facts, '' when there are none."""
    value: dict[str, Any] = {}
    facts = read_facts(path, BlobSource(reader))
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


def summarise_files(manifest: Manifest, read: Mapping[Digest, BlobRead]) -> tuple[dict[str, Any], str, str]:
    """(one summary of all files, the searched text of the card, the state of the scan)."""
    per_file: dict[str, FormatFacts] = {}
    card = ""
    scanned = read_files((f.path, read[f.digest].scan) for f in manifest.files)
    for file in manifest.files:
        text = read[file.digest].facts
        if not text:
            continue
        value = json.loads(text)
        if "facts" in value:
            per_file[file.path] = FormatFacts.from_json(value["facts"])
        if file.path == CARD_PATH:
            card = value.get("card", "")
    return summarise(per_file), card, scanned.state
