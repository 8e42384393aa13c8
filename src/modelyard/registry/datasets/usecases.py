"""Record, list and show datasets; compare two contents."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.tables.uploads import LIVE
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.drift import Drift, compare
from modelyard.domain.errors import DatasetNotFound, Invalid, InvalidDigest, MissingBlobs, NotFound
from modelyard.domain.profile import MAX_PROFILE_BYTES, Profile, read_profile
from modelyard.registry import edges
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.datasets import queries, rules
from modelyard.registry.datasets.nouns import Dataset, DatasetVersion
from modelyard.registry.datasets.rules import Entry
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan.serving import Holder, refuse_held_bytes
from modelyard.registry.scan.waiting import ask_for_scans
from modelyard.registry.uploads import queries as uploads


def note_use(tx: Transaction, actor: Actor, home: str, entry: Entry, reader: str, relation: str) -> None:
    """Add an edge from the content that an entry names to its reader (`edges.node("run", uid)`).

    The caller has checked that the actor may write in the namespace `home`, where a content that is unknown is recorded; a known
    one stays unchanged. A profile is omitted while its bytes are not stored or not readable for this actor. In another namespace,
    a content counts if the actor may read it.
    """
    if entry.namespace in (None, home):
        content_id, _ = _note(tx, actor, home, entry)
    else:
        try:
            content_id = find_content(tx, actor, entry.namespace, entry.name, str(entry.digest)).id
        except NotFound:
            return
    edges.add_edges(tx, [edges.Edge(edges.node(edges.DATASET, content_id), reader, relation, entry.use)])


def _note(tx: Transaction, actor: Actor, namespace: str, entry: Entry) -> tuple[int, bool]:
    """Return (id, whether its profile is stored)."""
    profile = entry.profile
    known = {} if profile is None else uploads.find_known_sizes(tx, actor, [profile], refuse_withheld=False)
    if profile not in known:
        profile = None
    dataset_id = queries.ensure_dataset(tx, namespace, entry.name)
    said = canonical_json(entry.said).decode()
    content_id = queries.insert_content(tx, dataset_id, entry.digest, said, profile, actor.id)
    if content_id is not None:
        if profile is not None:
            queries.add_profile_bytes(tx, dataset_id, known[profile])
        tx.append(
            events.DatasetNoted(namespace=namespace, dataset=entry.name, digest=entry.digest, profile=profile),
            actor,
        )
    else:
        content_id, present = queries.find_content_id(tx, dataset_id, entry.digest)
        if present is None and profile is not None:
            queries.set_profile(tx, content_id, profile)
            queries.add_profile_bytes(tx, dataset_id, known[profile])
        profile = profile if present is None else Digest(present)
    if profile is not None:
        uploads.touch_blobs(tx, [profile])
        if scans.find_scan(tx, profile) == (None, LIVE):
            ask_for_scans(tx, [profile], namespace)
    return content_id, profile is not None


def push_dataset(tx: Transaction, actor: Actor, namespace: str, said: Mapping[str, Any]) -> DatasetVersion:
    """Record a dataset's content, independently of versions and runs.

    Raises MissingBlobs if the bytes of its profile were not sent; NamespaceNotFound, Denied, Invalid.
    """
    space = catalog.find_namespace(tx, actor, namespace, Permission.DATASET_PUSH)
    entry = rules.parse_entry(said)
    _, has_profile = _note(tx, actor, space.name, entry)
    if entry.profile is not None and not has_profile:
        raise MissingBlobs(count=1, first=entry.profile, digests=[entry.profile])
    return find_content(tx, actor, space.name, entry.name, entry.digest)


def check_profile(db: Database, blobs: BlobStore, actor: Actor, said: Mapping[str, Any]) -> None:
    """Raise InvalidFact if the bytes that an entry names as its profile are stored but are not a profile."""
    profile = rules.parse_entry(said).profile
    if profile is not None and db.read(lambda tx: uploads.find_known_sizes(tx, actor, [profile])):
        read_stored_profile(blobs, profile)


def list_datasets(
    tx: Transaction, actor: Actor, namespace: str, word: str | None, before: tuple[int, int] | None, limit: int
) -> list[tuple[int, Dataset]]:
    space = catalog.find_namespace(tx, actor, namespace)
    return queries.list_datasets(tx, space.name, word, before, limit)


def list_contents(
    tx: Transaction, actor: Actor, namespace: str, name: str, before: int | None, limit: int
) -> list[DatasetVersion]:
    """List contents, newest first. Raises DatasetNotFound for an unknown name."""
    space = catalog.find_namespace(tx, actor, namespace)
    contents = queries.list_contents(tx, space.name, name, before=before, limit=limit)
    if not contents and before is None:
        raise DatasetNotFound(dataset=f"{space.name}/{name[:200]}")
    return contents


def find_content(
    tx: Transaction, actor: Actor, namespace: str, name: str, selector: str | None
) -> DatasetVersion:
    """Find a dataset's content. selector: a digest or at least its first eight hex digits; None: the newest content.

    Raises DatasetNotFound, InvalidDigest; Invalid if several digests begin with the selector.
    """
    space = catalog.find_namespace(tx, actor, namespace)
    digest = _digest_beginning(selector) if selector else None
    contents = queries.list_contents(tx, space.name, name, digest=digest, limit=2 if digest else 1)
    if not contents:
        raise DatasetNotFound(dataset=f"{space.name}/{name[:200]}{f'@{selector}' if selector else ''}")
    if len(contents) > 1:
        raise Invalid(
            reason=f"{selector} matches several digests of {space.name}/{name}",
            fix="Give more digits",
        )
    return contents[0]


def find_profile(tx: Transaction, actor: Actor, namespace: str, name: str, selector: str | None) -> Digest:
    """Find the profile whose bytes may be served. Raises like find_content; Invalid without a profile, FileWithheld,
    FileQuarantined, ScanPending."""
    content = find_content(tx, actor, namespace, name, selector)
    profile = content.profile or content.withheld_profile
    if profile is None:
        raise Invalid(reason=f"{content.reference} has no profile here", fix="Push the dataset with its rows")
    holder = Holder(
        namespace=content.namespace,
        author=content.created_by,
        path="the profile",
        of=content.reference,
        released=None,
        advice="Push the dataset again from its rows",
    )
    refuse_held_bytes(tx, profile, holder)
    return profile


def _digest_beginning(selector: str) -> str:
    digits = selector.removeprefix("sha256:")
    if not 8 <= len(digits) <= 64 or any(c not in "0123456789abcdef" for c in digits):
        raise InvalidDigest(value=selector[:100])
    return f"sha256:{digits}"


def read_content_profile(blobs: BlobStore, content: DatasetVersion) -> Profile:
    """Read the profile of a content. Raises Invalid for a content without one."""
    if content.profile is None:
        raise Invalid(
            reason=f"{content.reference} has no profile here, so its columns are not known",
            fix=f"Push it with its rows: modelyard dataset push FILE {content.name}",
        )
    return read_stored_profile(blobs, content.profile)


def compare_contents(
    db: Database,
    blobs: BlobStore,
    actor: Actor,
    before: tuple[str, str, str | None],
    after: tuple[str, str, str | None],
) -> tuple[DatasetVersion, DatasetVersion, Drift]:
    """Measure how far two contents are apart; each is (namespace, name, selector)."""
    one, two = db.read(lambda tx: (find_content(tx, actor, *before), find_content(tx, actor, *after)))
    drift = compare(read_content_profile(blobs, one), read_content_profile(blobs, two))
    return one, two, drift


# --- profiles --------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def read_stored_profile(blobs: BlobStore, digest: Digest) -> Profile:
    """Read a profile by digest; the result is remembered. Raises BlobNotFound, InvalidFact."""
    return read_profile(_read_bytes(blobs, digest))


def read_profile_bytes(blobs: BlobStore, digest: Digest) -> bytes:
    """Read the bytes of a profile.

    Raises BlobNotFound; InvalidFact for other bytes, which a run may name as a profile.
    """
    data = _read_bytes(blobs, digest)
    read_profile(data)
    return data


def _read_bytes(blobs: BlobStore, digest: Digest) -> bytes:
    with blobs.open(digest) as reader:
        data = b"".join(reader.chunks(0, MAX_PROFILE_BYTES + 1))
    return data
