"""Noting, listing and showing datasets; comparing two contents."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
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
from modelyard.domain.errors import DatasetNotFound, Invalid, InvalidDigest, MissingBlobs
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


def note_dataset(
    tx: Transaction, actor: Actor, namespace: str, entry: Mapping[str, Any], *, reader: str | None = None
) -> int:
    """Make a content known in a namespace; returns its id. What is known already stays as it was.

    The caller has asked whether the actor may write there. reader: the node that read it
    (`edges.node("run", uid)`), which makes an edge. A profile whose bytes are not here, or not for this actor to
    read, is left out until somebody sends them. Raises Invalid, InvalidDigest.
    """
    parsed = rules.parse_entry(entry)
    content_id, _ = _note(tx, actor, namespace, parsed)
    if reader is not None:
        add_use(tx, content_id, parsed, reader, "read")
    return content_id


def add_use(tx: Transaction, content_id: int, entry: Entry, reader: str, relation: str) -> None:
    edges.add_edges(tx, [edges.Edge(edges.node(edges.DATASET, content_id), reader, relation, entry.use)])


def _note(tx: Transaction, actor: Actor, namespace: str, entry: Entry) -> tuple[int, bool]:
    """(id, whether its profile is here)."""
    profile = entry.profile
    if profile is not None and profile not in uploads.find_known_sizes(
        tx, actor, [profile], refuse_withheld=False
    ):
        profile = None
    dataset_id = queries.ensure_dataset(tx, namespace, entry.name)
    said = canonical_json(entry.said).decode()
    content_id = queries.insert_content(tx, dataset_id, entry.digest, said, profile, actor.id)
    if content_id is not None:
        tx.append(
            events.DatasetNoted(namespace=namespace, dataset=entry.name, digest=entry.digest, profile=profile),
            actor,
        )
    else:
        content_id, present = queries.find_content_id(tx, dataset_id, entry.digest)
        if present is None and profile is not None:
            queries.set_profile(tx, content_id, profile)
        profile = profile if present is None else Digest(present)
    if profile is not None:
        uploads.touch_blobs(tx, [profile])
        if scans.find_scan(tx, profile) == (None, LIVE):
            ask_for_scans(tx, [profile], namespace)
    return content_id, profile is not None


def push_dataset(tx: Transaction, actor: Actor, namespace: str, said: Mapping[str, Any]) -> DatasetVersion:
    """Make a content known that no version or run has named yet.

    Raises MissingBlobs when it names a profile whose bytes were not sent; NamespaceNotFound, Denied, Invalid.
    """
    space = catalog.find_namespace(tx, actor, namespace, Permission.DATASET_PUSH)
    entry = rules.parse_entry(said)
    _, has_profile = _note(tx, actor, space.name, entry)
    if entry.profile is not None and not has_profile:
        raise MissingBlobs(count=1, first=entry.profile, digests=[entry.profile])
    return find_content(tx, actor, space.name, entry.name, entry.digest)


def check_profile(db: Database, blobs: BlobStore, actor: Actor, said: Mapping[str, Any]) -> None:
    """Raises InvalidFact when the bytes that an entry names as its profile are here and are none."""
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
    """Newest first. Raises DatasetNotFound for a name that nothing is known of."""
    space = catalog.find_namespace(tx, actor, namespace)
    found = queries.list_contents(tx, space.name, name, before=before, limit=limit)
    if not found and before is None:
        raise DatasetNotFound(dataset=f"{space.name}/{name[:200]}")
    return found


def find_content(
    tx: Transaction, actor: Actor, namespace: str, name: str, selector: str | None
) -> DatasetVersion:
    """selector: a digest or at least eight hex digits of one; None: the newest content.

    Raises DatasetNotFound, InvalidDigest, Invalid for the beginning of several.
    """
    space = catalog.find_namespace(tx, actor, namespace)
    digest = _digest_beginning(selector) if selector else None
    found = queries.list_contents(tx, space.name, name, digest=digest, limit=2 if digest else 1)
    if not found:
        raise DatasetNotFound(dataset=f"{space.name}/{name[:200]}{f'@{selector}' if selector else ''}")
    if len(found) > 1:
        raise Invalid(
            reason=f"{selector} is the beginning of several digests of {space.name}/{name}",
            fix="Give more digits",
        )
    return found[0]


def find_profile(tx: Transaction, actor: Actor, namespace: str, name: str, selector: str | None) -> Digest:
    """Whose bytes may be given. Raises as find_content; Invalid for a content without a profile, FileWithheld,
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
    """Raises Invalid for a content without a profile."""
    if content.profile is None:
        raise Invalid(
            reason=f"{content.reference} has no profile here, so nothing is known of its columns",
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
    """How far two contents are apart; each is (namespace, name, selector)."""
    one, two = db.read(lambda tx: (find_content(tx, actor, *before), find_content(tx, actor, *after)))
    drift = compare(read_content_profile(blobs, one), read_content_profile(blobs, two))
    return one, two, drift


# --- profiles --------------------------------------------------------------------------------------------

_KEPT_PROFILES = 64
_kept: OrderedDict[Digest, Profile] = OrderedDict()
_kept_lock = threading.Lock()


def read_stored_profile(blobs: BlobStore, digest: Digest) -> Profile:
    """By digest, so what was read before is as good as reading it again. Raises BlobNotFound, InvalidFact."""
    with _kept_lock:
        if digest in _kept:
            _kept.move_to_end(digest)
            return _kept[digest]
    found = read_profile(_read_bytes(blobs, digest))
    with _kept_lock:
        _kept[digest] = found
        while len(_kept) > _KEPT_PROFILES:
            _kept.popitem(last=False)
    return found


def read_profile_bytes(blobs: BlobStore, digest: Digest) -> bytes:
    """Raises BlobNotFound; InvalidFact for bytes that are no profile, which runs may name as one."""
    data = _read_bytes(blobs, digest)
    read_profile(data)
    return data


def _read_bytes(blobs: BlobStore, digest: Digest) -> bytes:
    with blobs.open(digest) as reader:
        data = b"".join(reader.chunks(0, MAX_PROFILE_BYTES + 1))
    return data
