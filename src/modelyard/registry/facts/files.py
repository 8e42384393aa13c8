"""List a version's files with the facts that were read from each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.formats import FormatFacts
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import Ref
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions.inspect import reader_of
from modelyard.registry.versions.usecases import read_manifest


class ReadFile(msgspec.Struct, frozen=True):
    """A file. facts None: its format is not known, or it was not read yet."""

    file: File
    facts: FormatFacts | None


class FilePage(msgspec.Struct, frozen=True):
    files: Sequence[ReadFile]
    has_more: bool


def list_files(
    tx: Transaction, actor: Actor, ref: Ref, *, word: str = "", after: str = "", limit: int
) -> FilePage:
    """List the files whose path contains the word, by path, after the given path.

    The bytes are not read: their formats were, when the version was registered.
    """
    _, version, body = read_manifest(tx, actor, ref)
    tx.expect_rows(version.file_count)
    wanted = word.lower()
    found = [f for f in Manifest.from_bytes(body).files if f.path > after and wanted in f.path.lower()]
    page = sorted(found, key=lambda file: file.path)[:limit]
    read = uploads.find_read(tx, {file.digest for file in page})
    shown = []
    for file in page:
        known = read[file.digest].facts.get(reader_of(file.path) or "") if file.digest in read else None
        facts = known.value.get("facts") if known is not None else None
        shown.append(ReadFile(file, FormatFacts.from_json(facts) if facts else None))
    return FilePage(shown, len(found) > limit)
