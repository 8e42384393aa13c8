"""Explain, list, release and trust; scanning itself is in scanning.py."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Conflict, Invalid, NotFound
from modelyard.domain.names import Ref
from modelyard.domain.scanning import Verdict
from modelyard.domain.scanning.globals import judge_global
from modelyard.registry.access.usecases import find_same_people
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model, Namespace
from modelyard.registry.quarantine import queries
from modelyard.registry.quarantine.judging import append_released, judge_unknown
from modelyard.registry.quarantine.nouns import Quarantined
from modelyard.registry.quarantine.people import acts_alone, is_same_person, others_with_right, refuse_alone
from modelyard.registry.runs import usecases as runs
from modelyard.registry.runs.nouns import Run
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan import serving
from modelyard.registry.scan.nouns import Release, TrustedGlobal
from modelyard.registry.scan.rules import PENDING, ScannedFiles, read_files, release_covers
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.usecases import find_present, find_version

MAX_NAME = 500


class ScanView(msgspec.Struct, frozen=True):
    """The scan of a version and its consequences."""

    model: Model
    version: Version
    files: ScannedFiles
    trusted: frozenset[str]
    """The globals in it that this namespace trusts in pushes of its author."""
    way_out: str | None
    """How to get it served, with the command; None: it is served, or only a release helps."""

    @property
    def verdict(self) -> str:
        """Return the verdict with the namespace's trust applied, or pending."""
        return PENDING if self.version.scan == PENDING else self.files.state_with(self.trusted)


def show_scan(tx: Transaction, actor: Actor, ref: Ref) -> ScanView:
    model, version = find_version(tx, actor, ref)
    return view_scan(tx, model, version)


def view_scan(tx: Transaction, model: Model, version: Version) -> ScanView:
    tx.expect_rows(version.file_count)
    files = read_files(scans.list_files(tx, version.manifest_id))
    namespace, author = model.name.namespace, version.created_by
    trusted = serving.find_trusted(tx, namespace, files.unknown, author)
    fix = serving.way_out(tx, namespace, author, files) if version.quarantined else None
    return ScanView(model, version, files, trusted, fix)


def list_quarantined(
    tx: Transaction, actor: Actor, namespace: str | None, before: int | None, limit: int
) -> list[Quarantined]:
    """List the quarantined versions that the actor may see, newest first."""
    return queries.list_quarantined(tx, actor, namespace, before, limit)


def list_releasable(tx: Transaction, actor: Actor, limit: int) -> list[Quarantined]:
    """List the quarantined versions that the actor can release, newest first: those of others, or of the actor if
    there is no one else."""
    found = queries.list_quarantined(tx, actor, None, None, limit, Permission.QUARANTINE_RELEASE)
    same = {actor.name, *find_same_people(tx, {actor.name, *(row.by for row in found)}).get(actor.name, [])}
    return [
        row
        for row in found
        if row.by not in same or not list_second_people(tx, actor, Ref(row.model, row.number))
    ]


def list_second_people(tx: Transaction, actor: Actor, ref: Ref) -> list[str]:
    """List the people who have to release the version in the actor's place, because the actor pushed it.

    Empty: the actor may release it, as far as the permission goes.
    """
    model, version = find_present(tx, actor, ref, Permission.MODEL_READ)
    if not is_same_person(tx, actor, version.created_by):
        return []
    return others_with_right(tx, actor, Permission.QUARANTINE_RELEASE, model.name.namespace, model.id)


def release_version(tx: Transaction, actor: Actor, ref: Ref, reason: str) -> ScanView:
    """Release a version from quarantine deliberately.

    Raises Conflict if it is not in quarantine, Invalid, Denied; SecondPersonNeeded for the person who pushed it, if
    another person has the permission.
    """
    model, version = find_present(tx, actor, ref, Permission.QUARANTINE_RELEASE)
    reference = f"{model.name}:{version.number}"
    words = catalog_rules.require_reason(reason, "a release")
    if not version.quarantined:
        raise Conflict(
            reason=f"{reference} is not in quarantine",
            fix=f"See its scan with: modelyard scan show {reference}",
        )
    alone = acts_alone(
        tx,
        actor,
        version.created_by,
        Permission.QUARANTINE_RELEASE,
        model.name.namespace,
        model.id,
        reference,
    )
    release = Release(actor.name, tx.now, words, version.scan, alone)
    queries.set_quarantine(tx, version.id, quarantined=False, released=release)
    versions.refresh_newest(tx, model.id)
    append_released(tx, model, version, words, actor, alone=alone)
    return show_scan(tx, actor, Ref(model.name, version.number))


class RunFile(msgspec.Struct, frozen=True):
    """A file of a run, with its scan and the consequences."""

    path: str
    digest: Digest
    files: ScannedFiles
    author: str
    quarantined: bool
    released: Release | None


def show_run_files(tx: Transaction, actor: Actor, uid: str) -> list[RunFile]:
    """List the files of a run whose bytes are stored. Raises RunNotFound."""
    return _run_files(tx, runs.find_run(tx, actor, uid))


def _run_files(tx: Transaction, run: Run) -> list[RunFile]:
    found = []
    for file in queries.list_run_files(tx, run.id):
        files = read_files([(file.path, file.scan)])
        author = file.logged_by or run.created_by
        held = (
            files.state != PENDING
            and not release_covers(file.released, files.state)
            and serving.is_held(tx, run.namespace, author, files.state, lambda files=files: files)  # type: ignore[misc]
        )
        found.append(RunFile(file.path, file.digest, files, author, held, file.released))
    return found


def release_run_files(tx: Transaction, actor: Actor, uid: str, reason: str) -> list[RunFile]:
    """Deliberately release the files of a run that are in quarantine now; later files are not released.

    Raises like release_version.
    """
    run = runs.find_run(tx, actor, uid, Permission.QUARANTINE_RELEASE)
    words = catalog_rules.require_reason(reason, "a release")
    held = [file for file in _run_files(tx, run) if file.quarantined]
    if not held:
        raise Conflict(
            reason=f"no file of run {uid} is in quarantine",
            fix=f"See its files with: modelyard scan show-run {uid}",
        )
    permission = Permission.QUARANTINE_RELEASE
    authors = sorted({file.author for file in held})
    alone = [acts_alone(tx, actor, author, permission, run.namespace, 0, f"run {uid}") for author in authors]
    for file in held:
        release = Release(actor.name, tx.now, words, file.files.state, any(alone))
        queries.set_run_file_released(tx, run.id, file.path, release)
    tx.append(
        events.RunFilesReleased(
            namespace=run.namespace,
            run=uid,
            files=[{"path": f.path, "digest": f.digest, "verdict": f.files.state} for f in held],
            reason=words,
            alone=any(alone),
        ),
        actor,
    )
    return _run_files(tx, run)


# --- trust -------------------------------------------------------------------------------------------


def trust_global(tx: Transaction, actor: Actor, namespace: str, name: str, reason: str) -> list[TrustedGlobal]:
    """Allow an unknown global in the pickles of a namespace.

    From then on, versions with no other unknown globals are served. Raises Invalid for a name that is malformed, allowed
    anyway, or dangerous; dangerous ones are released version by version. Raises SecondPersonNeeded if it would release a
    version of the same person, and another person could decide.
    """
    found = catalog.find_namespace(tx, actor, namespace, Permission.SCAN_TRUST)
    module, _, attribute = name.rpartition(".")
    if not module or len(name) > MAX_NAME:
        raise Invalid(
            reason=f"{name[:80]!r} is not the name of a global",
            fix="Write module and name as `modelyard scan show` prints them, for example my_corp.utils.Helper",
        )
    verdict, why = judge_global(module, attribute)
    if verdict is Verdict.DANGEROUS:
        raise Invalid(
            reason=f"{name} cannot be trusted: {why}",
            fix="Release just that version with: modelyard quarantine release REF --reason …",
        )
    if verdict is Verdict.ALLOWLISTED:
        raise Invalid(reason=f"{name} is on the allow-list already", fix="Nothing needs to be done")
    words = catalog_rules.check_reason(reason.strip()) or ""
    others = others_with_right(tx, actor, Permission.SCAN_TRUST, found.name)
    if scans.insert_trust(tx, actor, found.id, name, words, alone=not others):
        trusted = events.ScanTrusted(namespace=found.name, name=name, reason=words, alone=not others)
        tx.append(trusted, actor)
    elif by := _confirm(tx, actor, found, name):
        tx.append(events.ScanTrusted(namespace=found.name, name=name, reason=words, confirms=by), actor)
    judge_unknown(tx, found.name, actor, f"{found.name} trusts {name}")
    if others:
        _refuse_own(tx, actor, found.name, name, others)
    return scans.list_trusted(tx, found.name)


def _confirm(tx: Transaction, actor: Actor, namespace: Namespace, name: str) -> str | None:
    """Record that another person gives the same trust. Returns who gave it first; None if this changes nothing."""
    (trust,) = scans.list_trusted(tx, namespace.name, [name])
    if trust.alone or trust.confirmed_by is not None or is_same_person(tx, actor, trust.by):
        return None
    scans.confirm_trust(tx, actor, namespace.id, name)
    return trust.by


def _refuse_own(tx: Transaction, actor: Actor, namespace: str, name: str, others: list[str]) -> None:
    """Raise SecondPersonNeeded for a version that stays in quarantine because its own author trusts the name."""
    for model, version in queries.list_unknown(tx, namespace):
        if not version.quarantined or not is_same_person(tx, actor, version.created_by):
            continue
        view = view_scan(tx, model, version)
        if name in view.files.unknown and name not in view.trusted:
            refuse_alone(actor, f"{model.name}:{version.number}", f"trust {name}", others)


def untrust_global(tx: Transaction, actor: Actor, namespace: str, name: str) -> list[TrustedGlobal]:
    found = catalog.find_namespace(tx, actor, namespace, Permission.SCAN_TRUST)
    if not scans.delete_trust(tx, found.id, name):
        raise NotFound(
            what=f"the trust in {name[:80]!r}",
            fix=f"List what is trusted with: modelyard scan trust {namespace}",
        )
    tx.append(events.ScanUntrusted(namespace=found.name, name=name), actor)
    judge_unknown(tx, found.name, actor, f"{found.name} trusts {name} no more")
    return scans.list_trusted(tx, found.name)


def list_trusted(tx: Transaction, actor: Actor, namespace: str) -> Sequence[TrustedGlobal]:
    return scans.list_trusted(tx, catalog.find_namespace(tx, actor, namespace).name)


def serves_unknown(tx: Transaction, namespace: str) -> bool:
    return scans.serves_unknown(tx, namespace)


def set_serve_unknown(tx: Transaction, actor: Actor, namespace: str, serve: bool, reason: str) -> None:
    """Decide whether versions that name unknown code are served in a namespace.

    Dangerous files, and files that could not be scanned, are never served because of this. Raises Invalid without a
    reason, Denied.
    """
    found = catalog.find_namespace(tx, actor, namespace, Permission.SCAN_LOOSEN)
    words = catalog_rules.require_reason(reason, "this decision")
    if serve == scans.serves_unknown(tx, found.name):
        return
    scans.set_serve_unknown(tx, found.id, serve)
    tx.append(events.ServeUnknownChanged(namespace=found.name, serve=serve, reason=words), actor)
    judge_unknown(tx, found.name, actor, f"{found.name} serves unknown code" if serve else "")
