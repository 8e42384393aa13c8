"""Scanning again, and the worker's part: bytes that wait are scanned one after the other, in turn between namespaces.

A verdict that is there counts until another one takes its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobNotFound, VersionDeleted
from modelyard.domain.names import Ref
from modelyard.domain.scanning import Verdict
from modelyard.domain.scanning.verdicts import RULES_VERSION, not_scanned
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.quarantine.judging import refresh_summary, settle_manifest
from modelyard.registry.quarantine.usecases import ScanView, show_scan
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan.nouns import ScanJob
from modelyard.registry.scan.rules import read_file, scan_text
from modelyard.registry.scan.usecases import (
    FIRST_TRY_SECONDS,
    REGISTRATION_SECONDS,
    WORKER_SECONDS,
    Patience,
)
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.uploads.nouns import BlobRead
from modelyard.registry.versions.inspect import read_blob, unread_of
from modelyard.registry.versions.rules import DELETED
from modelyard.registry.versions.usecases import find_version

_QUEUED_AT_ONCE = 50
_FOLLOWED_AT_ONCE = 20
"""Versions that follow a verdict in one transaction, so that the writer is free in between."""
NOBODY = 0
"""Stands for the namespace that waits, where a verdict is there and only its rules are older."""


def scan_again(db: Database, blobs: BlobStore, actor: Actor, ref: Ref) -> ScanView:
    """Look again into those of a version's files that these rules may see with other eyes.

    The same rules find the same in the same bytes, so only files are looked into whose verdict rests on older rules,
    is missing, or is that they could not be scanned. Until a new verdict is there, the old one counts. What takes too
    long is finished by the worker.
    """

    def list_wanted(tx: Transaction) -> list[Digest]:
        model, version = find_version(tx, actor, ref, Permission.QUARANTINE_RELEASE)
        if version.state == DELETED:
            raise VersionDeleted(reference=f"{model.name}:{version.number}", model=str(model.name))
        read = uploads.find_read(tx, scans.list_digests(tx, version.manifest_id))
        return [digest for digest, known in read.items() if _may_differ(known)]

    wanted = db.read(list_wanted)
    patience = Patience(REGISTRATION_SECONDS, share=actor.name)
    late = [digest for digest in wanted if not scan_bytes(db, blobs, digest, patience)]

    def finish(tx: Transaction) -> ScanView:
        model, version = find_version(tx, actor, ref, Permission.QUARANTINE_RELEASE)
        scans.insert_jobs(tx, late, catalog.find_namespace(tx, actor, model.name.namespace).id)
        if not late:
            settle_manifest(tx, version.manifest_id)
        return show_scan(tx, actor, ref)

    return db.write(finish)


def _may_differ(known: BlobRead) -> bool:
    if known.scan is None or known.scan_rules < RULES_VERSION:
        return True
    return read_file("", known.scan).state == Verdict.NOT_SCANNED.value


def scan_bytes(db: Database, blobs: BlobStore, digest: Digest, patience: Patience) -> bool:
    """Scan bytes, read the facts that nobody read, and let all versions follow; False when time ran out."""

    def find(tx: Transaction) -> tuple[BlobRead | None, list[str]]:
        return uploads.find_read(tx, [digest]).get(digest), scans.list_paths(tx, digest)

    known, paths = db.read(find)
    if known is None:
        db.write(lambda tx: scans.delete_job(tx, digest))
        return True
    unread = unread_of(BlobRead(None, 0, known.facts), paths)
    try:
        blobs.open(digest).close()
        scan, facts = read_blob(blobs, digest, unread, patience)
    except BlobNotFound:
        scan, facts = scan_text(not_scanned("its bytes are not here"), ()), {}

    def keep(tx: Transaction) -> list[int]:
        uploads.set_facts(tx, digest, facts)
        if scan is None:
            return []
        uploads.set_scan(tx, digest, scan)
        return scans.list_manifests_with(tx, digest)

    manifests = db.write(keep)
    if scan is None:
        return False
    for start in range(0, len(manifests), _FOLLOWED_AT_ONCE):
        db.write(partial(_follow, some=manifests[start : start + _FOLLOWED_AT_ONCE]))
    db.write(lambda tx: _end(tx, digest))
    return True


def _follow(tx: Transaction, some: Sequence[int]) -> None:
    for manifest_id in some:
        refresh_summary(tx, manifest_id)
        settle_manifest(tx, manifest_id)


def _end(tx: Transaction, digest: Digest) -> None:
    """After all versions follow: an end in between leaves bytes that are looked at again."""
    uploads.note_followed(tx, digest)
    scans.delete_job(tx, digest)


# --- the worker --------------------------------------------------------------------------------------


def finish_scans(db: Database, blobs: BlobStore, limit: int = 50) -> int:
    """Give what waits a first try, in turn between namespaces and the oldest of each first; returns how many files
    were finished. Whatever happens, what is not finished stays in the queue, for any process to take up."""
    db.write(queue_scans)
    served: Counter[int] = Counter()
    done = 0
    for _ in range(limit):
        jobs = db.read(lambda tx: scans.list_first_jobs(tx, tried=False))
        if not jobs:
            break
        job = next_job(jobs, served)
        served[job.namespace_id] += 1
        if scan_bytes(db, blobs, job.digest, Patience(FIRST_TRY_SECONDS, share=f"#{job.namespace_id}")):
            done += 1
        else:
            db.write(lambda tx, job=job: scans.note_try(tx, job.digest))  # type: ignore[misc]
    return done


def finish_slow_scan(db: Database, blobs: BlobStore) -> bool:
    """Take the time for one file that the first try did not finish; then it has a verdict in any case."""
    jobs = db.read(lambda tx: scans.list_first_jobs(tx, tried=True))
    if not jobs:
        return False
    job = min(jobs, key=lambda job: (job.namespace_id == NOBODY, job.asked_at, job.digest))
    return scan_bytes(db, blobs, job.digest, Patience(WORKER_SECONDS, is_last=True))


def next_job(jobs: list[ScanJob], served: Counter[int]) -> ScanJob:
    """jobs: the oldest of each namespace. Before all others comes the namespace that had the fewest turns."""
    return min(jobs, key=lambda job: (job.namespace_id == NOBODY, served[job.namespace_id], job.asked_at))


def queue_scans(tx: Transaction) -> None:
    """Put into the queue what versions wait for, and when nobody waits, bytes whose verdict is by older rules."""
    waits = False
    for manifest_id, namespace_id, since in scans.list_pending(tx, _QUEUED_AT_ONCE):
        if not scans.is_named(tx, manifest_id):
            # Only deleted versions have these files: their bytes go, and nobody can ask for them.
            scans.set_state(tx, manifest_id, Verdict.NOT_SCANNED.value)
        elif unread := scans.list_unread(tx, manifest_id):
            scans.insert_jobs(tx, unread, namespace_id, since)
            waits = True
        else:
            settle_manifest(tx, manifest_id)
    if not waits:
        scans.insert_jobs(tx, scans.list_outdated(tx, _QUEUED_AT_ONCE), NOBODY)
