"""Explain, list, release, trust, and scan again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction, dump_json
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Conflict, Invalid, NotFound, VersionDeleted
from modelyard.domain.names import Ref
from modelyard.domain.scanning import Verdict
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.verdicts import not_scanned
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.queries import Model
from modelyard.registry.keyring.usecases import SYSTEM
from modelyard.registry.quarantine import queries
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan.queries import Trusted
from modelyard.registry.scan.rules import HELD_STATES, PENDING, ScannedFiles, read_files, scan_text
from modelyard.registry.scan.usecases import REGISTRATION_SECONDS, WORKER_SECONDS, Patience
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.uploads.queries import BlobRead
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.held import append_quarantined
from modelyard.registry.versions.inspect import read_blob
from modelyard.registry.versions.queries import Version
from modelyard.registry.versions.usecases import DELETED, find_version

MAX_NAME = 500
MAX_REASON = 2000


@dataclass(frozen=True, slots=True)
class ScanView:
    """What the scan of a version says, and what holds because of it."""

    model: Model
    version: Version
    files: ScannedFiles
    trusted: frozenset[str]
    """Of the globals it names, those that this namespace trusts."""

    @property
    def verdict(self) -> str:
        """With what the namespace trusts; or pending."""
        return PENDING if self.version.scan == PENDING else self.files.state_with(self.trusted)


def show_scan(tx: Transaction, actor: Actor, ref: Ref) -> ScanView:
    model, version = find_version(tx, actor, ref)
    return view_scan(tx, model, version)


def view_scan(tx: Transaction, model: Model, version: Version) -> ScanView:
    files = read_files(scans.list_files(tx, version.manifest_id))
    names = files.unknown
    trusted = scans.find_trusted_names(tx, model.name.namespace, names) if names else set()
    return ScanView(model, version, files, frozenset(trusted))


def list_quarantined(
    tx: Transaction, actor: Actor, namespace: str | None, before: int | None, limit: int
) -> list[queries.Quarantined]:
    """Versions in quarantine that the actor may see, the newest first."""
    return queries.list_quarantined(tx, actor, namespace, before, limit)


def release_version(tx: Transaction, actor: Actor, ref: Ref, reason: str) -> ScanView:
    """Let a version out of the quarantine, knowingly. Raises Conflict when it is in none, Invalid, Denied."""
    model, version = find_version(tx, actor, ref, Permission.QUARANTINE_RELEASE)
    reference = f"{model.name}:{version.number}"
    if version.state == DELETED:
        raise VersionDeleted(reference=reference, model=str(model.name))
    words = _checked_reason(reason, "A release")
    if not version.quarantined:
        raise Conflict(
            reason=f"{reference} is not in quarantine",
            fix=f"See its scan with: modelyard scan show {reference}",
        )
    said = {"by": actor.name, "at": tx.now, "reason": words, "verdict": version.scan}
    queries.set_quarantine(tx, version.id, quarantined=False, released=dump_json(said))
    versions.refresh_newest(tx, model.id)
    _append_released(tx, model, version, words, actor)
    return show_scan(tx, actor, Ref(model.name, version.number))


def _append_released(tx: Transaction, model: Model, version: Version, reason: str, actor: Actor) -> None:
    tx.append(
        events.VersionReleased(
            namespace=model.name.namespace,
            model=str(model.name),
            version=version.number,
            digest=version.digest,
            verdict=version.scan,
            reason=reason,
        ),
        actor,
        model.id,
    )


def _checked_reason(reason: str, what: str) -> str:
    if not reason.strip():
        raise Invalid(reason=f"{what} needs a reason", fix='Give one: --reason "…"')
    return catalog_rules.check_text(reason.strip(), "the reason", MAX_REASON)


# --- trust -------------------------------------------------------------------------------------------


def trust_global(tx: Transaction, actor: Actor, namespace: str, name: str, reason: str) -> list[Trusted]:
    """Take a global that no rule knows as allowed in the pickles of a namespace.

    Raises Invalid for what is no name, is allowed anyway or is dangerous: that is released version by version.
    """
    found = catalog.find_namespace(tx, actor, namespace, Permission.SCAN_TRUST)
    module, _, attribute = name.rpartition(".")
    if not module or len(name) > MAX_NAME:
        raise Invalid(
            reason=f"{name[:80]!r} is no name of a global",
            fix="Write module and name as scan show has them, for example my_corp.utils.Helper",
        )
    verdict, why = judge_global(module, attribute)
    if verdict is Verdict.DANGEROUS:
        raise Invalid(
            reason=f"{name} cannot be trusted: {why}",
            fix="Release the one version with: modelyard quarantine release REF --reason …",
        )
    if verdict is Verdict.ALLOWLISTED:
        raise Invalid(reason=f"{name} is on the allow-list already", fix="There is nothing to do")
    words = catalog_rules.check_text(reason.strip(), "the reason", MAX_REASON)
    if scans.insert_trust(tx, actor, found.id, name, words):
        tx.append(events.ScanTrusted(namespace=found.name, name=name, reason=words), actor)
    return scans.list_trusted(tx, found.id)


def untrust_global(tx: Transaction, actor: Actor, namespace: str, name: str) -> list[Trusted]:
    found = catalog.find_namespace(tx, actor, namespace, Permission.SCAN_TRUST)
    if not scans.delete_trust(tx, found.id, name):
        raise NotFound(
            what=f"the trust in {name[:80]!r}",
            fix=f"List what is trusted with: modelyard scan trust {namespace}",
        )
    tx.append(events.ScanUntrusted(namespace=found.name, name=name), actor)
    return scans.list_trusted(tx, found.id)


def list_trusted(tx: Transaction, actor: Actor, namespace: str) -> Sequence[Trusted]:
    return scans.list_trusted(tx, catalog.find_namespace(tx, actor, namespace).id)


# --- scanning ----------------------------------------------------------------------------------------


def scan_again(db: Database, blobs: BlobStore, actor: Actor, ref: Ref) -> ScanView:
    """Forget the scan of a version's files and look again, by the rules of this release.

    What takes too long is finished by the worker. A version that was released stays so.
    """

    def forget(tx: Transaction) -> int:
        model, version = find_version(tx, actor, ref, Permission.QUARANTINE_RELEASE)
        if version.state == DELETED:
            raise VersionDeleted(reference=f"{model.name}:{version.number}", model=str(model.name))
        uploads.forget_scans(tx, [d for d, _ in scans.list_digests(tx, version.manifest_id)])
        scans.set_state(tx, version.manifest_id, PENDING)
        return version.manifest_id

    manifest_id = db.write(forget)
    finish_scan(db, blobs, manifest_id, Patience(REGISTRATION_SECONDS), is_last_try=False)
    return db.read(lambda tx: show_scan(tx, actor, ref))


def finish_scans(db: Database, blobs: BlobStore, limit: int = 50) -> int:
    """Look into what registrations had no time for; returns how many sets of files were finished.

    Whatever happens, what is not finished stays pending and is taken up by the next call, in any process.
    """
    done = 0
    for manifest_id in db.read(lambda tx: scans.list_pending(tx, limit)):
        done += finish_scan(db, blobs, manifest_id, Patience(WORKER_SECONDS), is_last_try=True)
    return done


def finish_scan(
    db: Database, blobs: BlobStore, manifest_id: int, patience: Patience, *, is_last_try: bool
) -> bool:
    """Whether all files of the manifest are looked into now."""
    if not db.read(lambda tx: scans.is_named(tx, manifest_id)):
        # Only deleted versions have these files: their bytes go, and nobody can ask for them.
        db.write(lambda tx: scans.set_state(tx, manifest_id, Verdict.NOT_SCANNED.value))
        return True
    for digest, path in db.read(partial(scans.list_digests, manifest_id=manifest_id, unread_only=True)):
        read = read_blob(blobs, digest, path, BlobRead("", None), patience, is_last_try=is_last_try)
        if read.scan is None and is_last_try:
            read = BlobRead(None, scan_text(not_scanned("its bytes are not here"), ()))
        if read.scan is not None:
            db.write(partial(uploads.set_read, read={digest: read}))
    return db.write(lambda tx: _settle(tx, manifest_id))


def _settle(tx: Transaction, manifest_id: int) -> bool:
    state = read_files(scans.list_files(tx, manifest_id)).state
    if state == PENDING:
        return False
    scans.set_state(tx, manifest_id, state)
    is_bad = state in HELD_STATES
    for model, version in queries.list_versions_of(tx, manifest_id):
        quarantined = is_bad and version.released is None
        if quarantined == bool(version.quarantined):
            continue
        queries.set_quarantine(tx, version.id, quarantined=quarantined, released=version.released)
        versions.refresh_newest(tx, model.id)
        if quarantined:
            append_quarantined(tx, model, _read_again(tx, model, version), SYSTEM)
        else:
            _append_released(tx, model, version, f"a later scan says {state}", SYSTEM)
    return True


def _read_again(tx: Transaction, model: Model, version: Version) -> Version:
    found = versions.find_by_number(tx, model.id, version.number)
    assert found is not None
    return found


def released_by(version: Version) -> dict[str, object] | None:
    """by, at, reason and verdict of the release; None: nobody released it."""
    found: dict[str, object] | None = json.loads(version.released) if version.released else None
    return found
