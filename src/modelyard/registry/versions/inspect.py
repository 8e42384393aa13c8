"""Read facts from a version's files without running anything.

The scan is a function of the bytes alone, and facts of the bytes and the reader that a file's name chooses. Each is
read once and kept with the blob; a version's summary is computed from its own names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from modelyard.blobs.store import BlobReader, BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import formats
from modelyard.domain.card_sections import card_sections
from modelyard.domain.citation import citation_in
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobNotFound
from modelyard.domain.formats import FormatFacts, read_facts, summarise
from modelyard.domain.manifest import Manifest
from modelyard.registry.scan.rules import read_files
from modelyard.registry.scan.usecases import REGISTRATION_SECONDS, BlobSource, Patience, scan_blob
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.uploads.nouns import BlobRead

CARD_PATH = "README.md"
CARD_READER = "card"
MAX_CARD_BYTES = 256 * 1024
MAX_CARD_WORDS = 32_000

_MARKUP = re.compile(r"<[^>]{0,200}>|[#*_`|>\[\]()~-]+")


def reader_of(path: str) -> str | None:
    """Return the reader of a file, as in formats; the version's card is also read for its sections and words."""
    return CARD_READER if path == CARD_PATH else formats.reader_of(path)


class UnreadFiles(msgspec.Struct, frozen=True):
    """The parts of some bytes that were not read yet. names: reader → a file name that uses it."""

    names: Mapping[str, str]
    wants_scan: bool


def unread_files(manifest: Manifest, known: Mapping[Digest, BlobRead]) -> dict[Digest, UnreadFiles]:
    """Return the unread parts by digest. known: the stored facts of stored blobs; other files are skipped."""
    paths: dict[Digest, list[str]] = {}
    for file in manifest.files:
        if file.digest in known:
            paths.setdefault(file.digest, []).append(file.path)
    found = {digest: unread_of(known[digest], names) for digest, names in paths.items()}
    return {digest: unread for digest, unread in found.items() if unread.names or unread.wants_scan}


def unread_of(known: BlobRead, paths: Iterable[str]) -> UnreadFiles:
    names = {word: path for path in paths if (word := reader_of(path)) is not None and word not in known.facts}
    return UnreadFiles(names, known.scan is None)


def inspect_files(db: Database, blobs: BlobStore, manifest: Manifest, share: str) -> None:
    """Read all unread parts, and store the results with the blobs. Files without stored bytes are skipped.

    share: the share that waits. A scan that takes too long for a registration is left to the worker, and the version is
    pending at first.
    """
    digests = {file.digest for file in manifest.files}
    known = db.read(lambda tx: uploads.find_read(tx, digests))
    patience = Patience(REGISTRATION_SECONDS, share=share)
    found = {
        digest: read_blob(blobs, digest, unread, patience)
        for digest, unread in unread_files(manifest, known).items()
    }

    def keep(tx: Transaction) -> None:
        for digest, (scan, facts) in found.items():
            uploads.set_facts(tx, digest, facts)
            if scan is not None:
                uploads.set_first_scan(tx, digest, scan)

    if found:
        db.write(keep)


def read_blob(
    blobs: BlobStore, digest: Digest, unread: UnreadFiles, patience: Patience
) -> tuple[str | None, dict[str, str]]:
    """Return (the scan, None if it was not requested or not finished; the facts by reader). Both are empty for deleted
    bytes."""
    try:
        reader = blobs.open(digest)
    except BlobNotFound:
        return None, {}
    with reader:
        scan = scan_blob(reader, patience) if unread.wants_scan else None
        return scan, {word: _facts_of(reader, path) for word, path in unread.names.items()}


def _facts_of(reader: BlobReader, path: str) -> str:
    """Return JSON of the facts; '' if there are none."""
    value: dict[str, Any] = {}
    facts = read_facts(path, BlobSource(reader))
    if facts is not None:
        value["facts"] = facts.to_json()
    if path == CARD_PATH:
        raw = reader.read(0, MAX_CARD_BYTES)
        value["card"] = card_words(raw)
        text = raw.decode("utf-8", "replace")
        value["sections"] = card_sections(text)
        citation = citation_in(text)
        if citation is not None:
            value["citation"] = [citation.text, citation.bibtex]
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""


def card_words(raw: bytes) -> str:
    """Return the searched part of a card's text, without markup."""
    text = raw.decode("utf-8", "replace").replace("\0", " ")
    return " ".join(_MARKUP.sub(" ", text).split())[:MAX_CARD_WORDS]


def summarise_files(manifest: Manifest, read: Mapping[Digest, BlobRead]) -> tuple[dict[str, Any], str, str]:
    """Return (a summary of all files, the searched text of the card, the state of the scan)."""
    per_file: dict[str, FormatFacts] = {}
    card = ""
    scanned = read_files((f.path, read[f.digest].scan) for f in manifest.files if f.digest in read)
    for file in manifest.files:
        if file.digest not in read:
            continue
        found = read[file.digest].facts.get(reader_of(file.path) or "")
        if found is None:
            continue
        value = found.value
        if "facts" in value:
            per_file[file.path] = FormatFacts.from_json(value["facts"])
        if file.path == CARD_PATH:
            card = value.get("card", "")
    return summarise(per_file, [file.path for file in manifest.files]), card, scanned.state
