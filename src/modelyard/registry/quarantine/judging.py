"""Turn verdicts into quarantine: each change of a version's quarantine, with its event, is made here."""

from __future__ import annotations

import json

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Actor
from modelyard.domain.manifest import Manifest
from modelyard.registry.cards.usecases import find_state
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.quarantine import queries
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan.rules import PENDING, read_files, release_covers
from modelyard.registry.scan.serving import is_held
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.inspect import summarise_files
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.serving import append_quarantined, append_unknown_served


def settle_manifest(tx: Transaction, manifest_id: int) -> bool:
    """Update versions from the present verdicts on their files. Returns False while some files have none."""
    state = read_files(scans.list_files(tx, manifest_id)).state
    if state == PENDING:
        return False
    was_pending = {v.id for _, v in queries.list_versions_of(tx, manifest_id) if v.scan == PENDING}
    scans.set_state(tx, manifest_id, state)
    for model, version in queries.list_versions_of(tx, manifest_id):
        if version.id in was_pending and not version.quarantined:
            append_unknown_served(tx, model, version, SYSTEM)
        judge_version(tx, model, version, SYSTEM, f"a later scan says {state}")
    return True


def judge_unknown(tx: Transaction, namespace: str, actor: Actor, reason: str) -> None:
    """Judge the versions that name unknown code again after a namespace's trust changed."""
    for model, version in queries.list_unknown(tx, namespace):
        judge_version(tx, model, version, actor, reason)


def judge_version(tx: Transaction, model: Model, version: Version, actor: Actor, reason: str) -> None:
    """Put a version into quarantine or release it, according to its verdict and its namespace's trust."""
    covered = release_covers(version.released, version.scan)
    held = not covered and is_held(
        tx,
        model.name.namespace,
        version.created_by,
        version.scan,
        lambda: read_files(scans.list_files(tx, version.manifest_id)),
    )
    if held == bool(version.quarantined):
        return
    # A release that was given for a better verdict ends here.
    queries.set_quarantine(tx, version.id, quarantined=held, released=version.released if covered else None)
    versions.refresh_newest(tx, model.id)
    if held:
        changed = versions.find_by_number(tx, model.id, version.number)
        assert changed is not None
        append_quarantined(tx, model, changed, actor)
    else:
        append_released(tx, model, version, reason, actor)


def append_released(
    tx: Transaction, model: Model, version: Version, reason: str, actor: Actor, *, alone: bool | None = None
) -> None:
    tx.append(
        events.VersionReleased(
            **events.about(model.name, version.number),
            digest=version.digest,
            verdict=version.scan,
            reason=reason,
            alone=alone,
        ),
        actor,
        model.id,
    )


def refresh_summary(tx: Transaction, manifest_id: int) -> None:
    """Update a version's summary after facts of one of its files may have been read."""
    manifest = Manifest.from_bytes(versions.find_manifest_body(tx, manifest_id))
    read = uploads.find_read(tx, {file.digest for file in manifest.files})
    summary, _, _ = summarise_files(manifest, read)
    text = json.dumps(summary, ensure_ascii=False, separators=(",", ":"))
    if not queries.set_summary(tx, manifest_id, text):
        return
    for model, version in queries.list_versions_of(tx, manifest_id):
        if model.newest_version == version.number:
            licence = find_state(tx, model, version, tx.now).licence
            queries.set_model_summary(tx, model.id, summary.get("framework"), licence)
