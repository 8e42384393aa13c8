"""Scan versions again, and run the jobs that scan waiting bytes (listed in registry/scan/waiting.py).

A verdict counts until a new one replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobNotFound, VersionDeleted
from modelyard.domain.names import Ref
from modelyard.domain.scanning import Verdict
from modelyard.domain.scanning.verdicts import RULES_VERSION, not_scanned
from modelyard.registry.jobs.nouns import Again, Done, Ending, Job
from modelyard.registry.quarantine.judging import refresh_summary, settle_manifest
from modelyard.registry.quarantine.usecases import ScanView, show_scan
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan.rules import read_file, scan_text
from modelyard.registry.scan.usecases import (
    FIRST_TRY_SECONDS,
    REGISTRATION_SECONDS,
    WORKER_SECONDS,
    Patience,
)
from modelyard.registry.scan.waiting import SCAN, SLOW_SCAN, ask_for_scans, list_waiting, set_aside
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.uploads.nouns import BlobRead
from modelyard.registry.versions.inspect import read_blob, unread_of
from modelyard.registry.versions.rules import DELETED
from modelyard.registry.versions.usecases import find_version

_QUEUED_AT_ONCE = 50
_FOLLOWED_AT_ONCE = 20
"""Versions that follow a verdict in one transaction, so that the writer is free in between."""


def scan_again(db: Database, blobs: BlobStore, actor: Actor, ref: Ref) -> ScanView:
    """Scan again those files of a version for which the present rules may give another verdict.

    Equal rules give equal verdicts on equal bytes, so a file is scanned only if its verdict is missing, is by older rules,
    or is `not_scanned`. The old verdict counts until there is a new one. The worker finishes scans that take too long.
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
        ask_for_scans(tx, late, model.name.namespace)
        if not late:
            settle_manifest(tx, version.manifest_id)
        return show_scan(tx, actor, ref)

    return db.write(finish)


def _may_differ(known: BlobRead) -> bool:
    if known.scan is None or known.scan_rules < RULES_VERSION:
        return True
    return read_file("", known.scan).state == Verdict.NOT_SCANNED.value


def scan_bytes(db: Database, blobs: BlobStore, digest: Digest, patience: Patience) -> bool:
    """Scan bytes, read missing facts, and update all versions. Returns False if time ran out."""

    def find(tx: Transaction) -> tuple[BlobRead | None, list[str]]:
        return uploads.find_read(tx, [digest]).get(digest), scans.list_paths(tx, digest)

    known, paths = db.read(find)
    if known is None:
        return True
    unread = unread_of(BlobRead(None, 0, known.facts), paths)
    try:
        blobs.open(digest).close()
        scan, facts = read_blob(blobs, digest, unread, patience)
    except BlobNotFound:
        scan, facts = scan_text(not_scanned("its bytes are not here"), ()), {}

    def keep(tx: Transaction) -> list[int]:
        if digest not in uploads.find_read(tx, [digest]):
            # The bytes were withheld or collected in the meantime.
            return []
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
    # Recorded after all versions are updated: if the process ends before, the bytes are scanned again.
    db.write(lambda tx: uploads.note_followed(tx, digest))
    return True


def _follow(tx: Transaction, some: Sequence[int]) -> None:
    for manifest_id in some:
        refresh_summary(tx, manifest_id)
        settle_manifest(tx, manifest_id)


# --- jobs of the queue ---------------------------------------------------------------------------------


def run_scan(db: Database, blobs: BlobStore, job: Job) -> Ending:
    """Scan bytes for a short time. An unfinished scan is queued with those that need more time."""
    patience = Patience(FIRST_TRY_SECONDS, share=f"#{job.share}")
    if scan_bytes(db, blobs, Digest(SCAN.read(job).digest), patience):
        return lambda _: Done()

    def ending(tx: Transaction) -> Done:
        set_aside(tx, job)
        return Done()

    return ending


def run_slow_scan(db: Database, blobs: BlobStore, job: Job) -> Ending:
    """Scan bytes that the first try did not finish, with more time; afterwards they always have a verdict."""
    is_done = scan_bytes(db, blobs, Digest(SLOW_SCAN.read(job).digest), Patience(WORKER_SECONDS, is_last=True))
    return lambda tx: Done() if is_done else Again(tx.now)


class _Plan(msgspec.Struct):
    """The bytes that versions wait for and that no job scans yet."""

    given_up: list[int] = msgspec.field(default_factory=list)
    """Manifests that only deleted versions have; their bytes will be deleted, and no caller can request them."""
    settled: list[int] = msgspec.field(default_factory=list)
    """Manifests of which all bytes have a verdict."""
    scans: list[tuple[list[Digest], str | None, int | None]] = msgspec.field(default_factory=list)
    """(bytes, namespace, since when)"""

    def __bool__(self) -> bool:
        return bool(self.given_up or self.settled or self.scans)


def queue_scans(db: Database) -> None:
    """Queue the bytes that versions wait for; if there are none, bytes whose verdict is by older rules."""
    if db.read(_plan_scans):
        db.write(_carry_out)


def _plan_scans(tx: Transaction) -> _Plan:
    plan, waits = _Plan(), False
    for manifest_id, namespace, since in scans.list_pending(tx, _QUEUED_AT_ONCE):
        if not scans.is_named(tx, manifest_id):
            plan.given_up.append(manifest_id)
        elif unread := scans.list_unread(tx, manifest_id):
            waits = True
            _add(tx, plan, unread, namespace, since)
        else:
            plan.settled.append(manifest_id)
    if not waits:
        _add(tx, plan, scans.list_outdated(tx, _QUEUED_AT_ONCE), None, None)
    return plan


def _add(tx: Transaction, plan: _Plan, digests: list[Digest], namespace: str | None, since: int | None) -> None:
    under_way = list_waiting(tx, digests)
    if wanted := [digest for digest in digests if digest not in under_way]:
        plan.scans.append((wanted, namespace, since))


def _carry_out(tx: Transaction) -> None:
    """Carry out a plan, made again in the writer, since versions may have changed in the meantime."""
    plan = _plan_scans(tx)
    for manifest_id in plan.given_up:
        scans.set_state(tx, manifest_id, Verdict.NOT_SCANNED.value)
    for manifest_id in plan.settled:
        settle_manifest(tx, manifest_id)
    for digests, namespace, since in plan.scans:
        ask_for_scans(tx, digests, namespace, since)
