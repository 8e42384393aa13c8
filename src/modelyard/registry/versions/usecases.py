"""Registering, reading, archiving and deleting versions; moving aliases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    AliasMoved,
    AliasNotFound,
    EditConflict,
    FileNotFound,
    HasDependents,
    MissingBlobs,
    ModelNotFound,
    ProtectedAlias,
    SizeMismatch,
    VersionArchived,
    VersionDeleted,
    VersionNotFound,
)
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.domain.record import Record
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.queries import Model
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.scan.rules import HELD_STATES
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import alias_queries, page_queries, queries
from modelyard.registry.versions.alias_queries import AliasMove, AliasRow
from modelyard.registry.versions.held import append_quarantined, refuse_held
from modelyard.registry.versions.holds import refuse_while_needed, release_parents
from modelyard.registry.versions.inspect import CARD_PATH, inspect_files, summarise_files, unread_files
from modelyard.registry.versions.origins import check_parents, note_origins
from modelyard.registry.versions.queries import Resolved, Version

READY, ARCHIVED, DELETED = "ready", "archived", "deleted"
STATES = (READY, ARCHIVED, DELETED)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a client asks to have registered."""

    model: ModelName
    manifest: Manifest
    record: Record
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[Alias] = ()
    force_new: bool = False
    """Make another version though one with the same files and the same record exists."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version with what belongs to it, as every door shows it."""

    model: Model
    version: Version
    tags: Mapping[str, str]
    aliases: Sequence[str]
    not_moved: Sequence[str] = ()
    """In the answer to a registration: aliases that were asked for, and stay where they are."""

    @property
    def ref(self) -> Ref:
        return Ref(self.model.name, self.version.number)


# --- registering -----------------------------------------------------------------------------------


def register_version(
    db: Database, blobs: BlobStore, actor: Actor, settings: CatalogSettings, wanted: Registration
) -> tuple[VersionView, bool]:
    """Freeze files and facts under the model's next number. Returns the version and whether it is new.

    The model, and its namespace, are made when they are missing and the actor may. The same files with the
    same record answer with the version that exists; its aliases are moved all the same.
    Raises MissingBlobs, SizeMismatch, Denied, ModelArchived, InvalidFact, InvalidName.
    """
    try:
        return db.write(lambda tx: register_in(tx, actor, settings, wanted))
    except NotInspected:
        inspect_files(db, blobs, wanted.manifest)
    return db.write(lambda tx: register_in(tx, actor, settings, wanted, inspected=True))


class NotInspected(Exception):
    """The files' bytes have to be looked at first, outside of the transaction: see `inspect_files`."""


def register_in(
    tx: Transaction, actor: Actor, settings: CatalogSettings, wanted: Registration, *, inspected: bool = False
) -> tuple[VersionView, bool]:
    """register_version on an open transaction.

    Raises NotInspected, unless `inspected`, for files whose bytes say something that nobody read yet.
    """
    # Checked before anything is written, so that a refusal costs no rollback.
    tags = catalog_rules.check_tags(wanted.tags)
    description = catalog_rules.check_text(wanted.description, "the description")
    check_parents(wanted.record.facts)
    model = catalog.ensure_model(tx, actor, settings, wanted.model)
    if wanted.aliases:
        access.check(actor, Permission.ALIAS_MOVE, model.place)
        for alias in wanted.aliases:
            _refuse_protected(model, alias, "NUMBER")
    manifest, record = wanted.manifest, wanted.record
    same, same_files = queries.find_same(tx, model.id, manifest.digest, record.digest)
    if same is not None and not wanted.force_new:
        version = queries.find_by_number(tx, model.id, same.number)
        assert version is not None
        if version.is_held and wanted.aliases:
            view = _view(tx, model, version)
            return replace(view, not_moved=[str(a) for a in wanted.aliases]), False
        _point(tx, actor, model, version, wanted.aliases)
        return _view(tx, model, version), False
    if same_files is not None:
        stored = _StoredManifest(
            same_files.manifest_id,
            same_files.format_facts,
            model.framework,
            model.licence,
            same_files.scan,
            None,
        )
    else:
        stored = _ensure_manifest(tx, actor, manifest, inspected)
    version = _insert(tx, actor, model, wanted, stored, description)
    queries.insert_metrics(tx, version.id, record.metrics)
    queries.insert_tags(tx, version.id, tags)
    note_origins(tx, actor, model, version.id, version.number, record.facts)
    tx.append(
        events.VersionRegistered(
            namespace=model.name.namespace,
            model=str(model.name),
            version=version.number,
            digest=manifest.digest,
            record_digest=record.digest,
            size_bytes=manifest.size_bytes,
        ),
        actor,
        model.id,
    )
    if version.is_held:
        # Kept, so that it is seen and explained; its aliases do not move to what is not served.
        append_quarantined(tx, model, version, actor)
        return VersionView(model, version, tags, [], [str(a) for a in wanted.aliases]), True
    _point(tx, actor, model, version, wanted.aliases)
    return VersionView(model, version, tags, [str(a) for a in wanted.aliases]), True


def _insert(
    tx: Transaction,
    actor: Actor,
    model: Model,
    wanted: Registration,
    stored: _StoredManifest,
    description: str,
) -> Version:
    manifest, record = wanted.manifest, wanted.record
    quarantined = stored.scan in HELD_STATES
    number = queries.take_number(tx, model.id, stored.framework, stored.licence, is_served=not quarantined)
    text = record.canonical_bytes.decode()
    version_id = queries.insert_version(
        tx,
        actor,
        model_id=model.id,
        number=number,
        manifest_id=stored.id,
        digest=manifest.digest,
        record_digest=record.digest,
        record=text,
        state=READY,
        description=description,
        quarantined=quarantined,
    )
    if stored.card is not None and stored.card != catalog.card_text(tx, model.id):
        queries.set_card_text(tx, model.id, stored.card)
        catalog.refresh_words(tx, model)
    # What was just written, without reading it back.
    return Version(
        id=version_id,
        model_id=model.id,
        number=number,
        digest=manifest.digest,
        record_digest=record.digest,
        state=READY,
        description=description,
        revision=1,
        created_at=tx.now,
        updated_at=tx.now,
        created_by=actor.name,
        manifest_id=stored.id,
        size_bytes=manifest.size_bytes,
        file_count=len(manifest.files),
        format_facts=stored.format_facts,
        record=text,
        scan=stored.scan,
        quarantined=int(quarantined),
    )


@dataclass(frozen=True, slots=True)
class _StoredManifest:
    id: int
    format_facts: str
    """JSON"""
    framework: str | None
    licence: str | None
    scan: str
    card: str | None
    """What of the card is searched; None: as it was."""


def _ensure_manifest(tx: Transaction, actor: Actor, manifest: Manifest, inspected: bool) -> _StoredManifest:
    """The manifest's row, made when it is new. Raises NotInspected, MissingBlobs, SizeMismatch.

    The actor must be allowed to read all the bytes, or a digest would be a key to other teams' files.
    """
    sizes = {file.digest: file.size_bytes for file in manifest.files}
    known = uploads.find_known_sizes(tx, actor, sizes)
    missing = [digest for digest in sizes if digest not in known]
    if missing:
        raise MissingBlobs(count=len(missing), first=missing[0], digests=missing[:1000])
    for digest, size in sizes.items():
        if known[digest] != size:
            raise SizeMismatch(actual=known[digest], expected=size, digest=digest)
    read = uploads.find_read(tx, sizes)
    if not inspected and unread_files(manifest, read):
        raise NotInspected
    uploads.touch_blobs(tx, sizes)
    summary, card, scan = summarise_files(manifest, read)
    found = queries.find_manifest(tx, manifest.digest)
    if found is None:
        text = json.dumps(summary, ensure_ascii=False, separators=(",", ":"))
        found = queries.insert_manifest(tx, manifest, text, scan), text, scan
    return _StoredManifest(found[0], found[1], summary.get("framework"), summary.get("licence"), found[2], card)


def _point(tx: Transaction, actor: Actor, model: Model, version: Version, aliases: Sequence[Alias]) -> None:
    for alias in aliases:
        present = alias_queries.find_alias(tx, model.id, alias)
        if present is None or present.number != version.number:
            _move(tx, actor, model, alias, present, version, None)


# --- reading -----------------------------------------------------------------------------------------


def resolve(tx: Transaction, actor: Actor, ref: Ref) -> Resolved:
    """What a reference means now, in one statement. Follows renames.

    Raises ModelNotFound, VersionNotFound, AliasNotFound, VersionDeleted, Unauthenticated.
    """
    found = queries.resolve(tx, actor, ref)
    if found is None or found.deleted:
        # Either the model is missing, or was renamed, or has no such version: say which.
        model = catalog.find_model(tx, actor, ref.model)
        if model.name == ref.model:
            raise _nothing_at(model, ref)
        return resolve(tx, actor, Ref(model.name, ref.selector))
    access.check(actor, Permission.MODEL_READ, found.place, lambda: ModelNotFound(model=str(ref.model)))
    if found.state == DELETED:
        raise VersionDeleted(reference=f"{found.model}:{found.number}", model=str(found.model))
    return found


def _nothing_at(model: Model, ref: Ref) -> VersionNotFound | AliasNotFound:
    match ref.selector:
        case Digest():
            return VersionNotFound(model=str(model.name), version=f"with the digest {ref.selector}")
        case Alias():
            return AliasNotFound(model=str(model.name), alias=str(ref.selector))
        case int():
            return VersionNotFound(model=str(model.name), version=ref.selector)
        case _:
            return VersionNotFound(
                model=str(model.name),
                version="that is ready",
                fix=f"Register one with: modelyard push FOLDER {model.name}",
            )


def find_version(
    tx: Transaction, actor: Actor, ref: Ref, permission: Permission = Permission.MODEL_READ
) -> tuple[Model, Version]:
    """The version a reference means, deleted ones too, when the actor holds the permission."""
    model = catalog.find_model(tx, actor, ref.model, permission)
    match ref.selector:
        case None:
            newest = model.newest_version
            version = queries.find_by_number(tx, model.id, newest) if newest is not None else None
        case Digest():
            version = queries.find_by_digest(tx, model.id, ref.selector)
        case Alias():
            version = queries.find_by_alias(tx, model.id, ref.selector)
        case _:
            version = queries.find_by_number(tx, model.id, ref.selector)
    if version is None:
        raise _nothing_at(model, Ref(model.name, ref.selector))
    return model, version


def show_version(tx: Transaction, actor: Actor, ref: Ref) -> VersionView:
    model, version = find_version(tx, actor, ref)
    return _view(tx, model, version)


def _view(tx: Transaction, model: Model, version: Version) -> VersionView:
    tags = queries.list_tags(tx, [version.id]).get(version.id, {})
    return VersionView(model, version, tags, alias_queries.aliases_at(tx, version.id))


@dataclass(frozen=True, slots=True)
class VersionFilter:
    states: Sequence[str] = (READY, ARCHIVED)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tuple[str, str, float]] = ()
    """(name, one of < <= > >= =, value)."""


def list_versions(
    tx: Transaction, actor: Actor, name: ModelName, chosen: VersionFilter, before: int | None, limit: int
) -> list[VersionView]:
    """Newest first, numbers below `before`."""
    model = catalog.find_model(tx, actor, name)
    found = page_queries.list_versions(
        tx,
        model.id,
        before=before,
        limit=limit,
        states=chosen.states,
        tags=chosen.tags,
        metrics=chosen.metrics,
    )
    tags = queries.list_tags(tx, [v.id for v in found])
    pointing: dict[int, list[str]] = {}
    for row in alias_queries.list_aliases(tx, model.id):
        if row.number is not None:
            pointing.setdefault(row.number, []).append(row.alias)
    return [VersionView(model, v, tags.get(v.id, {}), pointing.get(v.number, [])) for v in found]


def read_manifest(tx: Transaction, actor: Actor, ref: Ref) -> tuple[Model, Version, bytes]:
    """The canonical bytes, of a deleted version too; to look at, not to pull by."""
    model, version = find_version(tx, actor, ref)
    return model, version, queries.find_manifest_body(tx, version.manifest_id)


def pull_manifest(tx: Transaction, actor: Actor, ref: Ref) -> tuple[Model, Version, bytes]:
    """What a pull begins with. Raises VersionQuarantined, ScanPending; a deleted version's is given."""
    model, version, body = read_manifest(tx, actor, ref)
    if version.state != DELETED:
        refuse_held(model, version)
    return model, version, body


def find_file(tx: Transaction, actor: Actor, ref: Ref, path: str) -> tuple[Version, File]:
    """A file that may be pulled. Raises FileNotFound, VersionDeleted, VersionQuarantined, ScanPending."""
    model, version = find_version(tx, actor, ref, Permission.MODEL_PULL)
    refuse_held(model, version)
    return version, _file_of(tx, model, version, path)


def _file_of(tx: Transaction, model: Model, version: Version, path: str) -> File:
    reference = f"{model.name}:{version.number}"
    if version.state == DELETED:
        raise VersionDeleted(reference=reference, model=str(model.name))
    found = queries.find_file(tx, version.manifest_id, path)
    if found is None:
        raise FileNotFound(reference=reference, path=path[:300])
    return File(path, *found)


def find_card_file(tx: Transaction, model: Model, version: Version) -> File:
    """README.md, which is text and is shown of a quarantined version too. Raises FileNotFound."""
    return _file_of(tx, model, version, CARD_PATH)


# --- annotations ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionEdit:
    """Fields that are None stay as they are. tags: the whole new set."""

    description: str | None = None
    tags: Mapping[str, str] | None = None


def edit_version(
    tx: Transaction, actor: Actor, ref: Ref, edit: VersionEdit, revision: int | None = None
) -> VersionView:
    """revision: what the caller saw; another one raises EditConflict."""
    model, version = find_version(tx, actor, ref, Permission.VERSION_EDIT)
    reference = f"{model.name}:{version.number}"
    if version.state == DELETED:
        raise VersionDeleted(reference=reference, model=str(model.name))
    if revision is not None and revision != version.revision:
        raise EditConflict(what=reference, revision=version.revision)
    changes: dict[str, Any] = {}
    values: dict[str, Any] = {}
    if edit.description is not None and edit.description != version.description:
        values["description"] = catalog_rules.check_text(edit.description, "the description")
        changes["description"] = [version.description, edit.description]
    if edit.tags is not None:
        before = queries.list_tags(tx, [version.id]).get(version.id, {})
        after = catalog_rules.check_tags(edit.tags)
        if before != after:
            queries.set_tags(tx, version.id, after)
            changes["tags"] = [before, after]
    if changes:
        queries.update_version(tx, version.id, values)
        tx.append(
            events.VersionEdited(
                namespace=model.name.namespace, model=str(model.name), version=version.number, changes=changes
            ),
            actor,
            model.id,
        )
    return show_version(tx, actor, Ref(model.name, version.number))


# --- archive and delete ----------------------------------------------------------------------------------


def archive_version(
    tx: Transaction,
    actor: Actor,
    ref: Ref,
    *,
    archived: bool,
    reason: str | None = None,
    revision: int | None = None,
) -> VersionView:
    """Take a version out of use, or bring it back. Raises HasDependents while an alias is on it.

    revision: what the caller saw; another one raises EditConflict.
    """
    model, version = find_version(tx, actor, ref, Permission.VERSION_ARCHIVE)
    reference = f"{model.name}:{version.number}"
    if version.state == DELETED:
        raise VersionDeleted(reference=reference, model=str(model.name))
    if revision is not None and revision != version.revision:
        raise EditConflict(what=reference, revision=version.revision)
    wanted = ARCHIVED if archived else READY
    if version.state == wanted:
        return _view(tx, model, version)
    if archived:
        refuse_while_needed(tx, model, version, "archive")
    queries.update_version(tx, version.id, {"state": wanted})
    queries.refresh_newest(tx, model.id)
    common: dict[str, Any] = {
        "namespace": model.name.namespace,
        "model": str(model.name),
        "version": version.number,
        "digest": version.digest,
        "record_digest": version.record_digest,
    }
    event = events.VersionArchived(**common, reason=reason) if archived else events.VersionRestored(**common)
    tx.append(event, actor, model.id)
    return show_version(tx, actor, Ref(model.name, version.number))


def delete_version(tx: Transaction, actor: Actor, ref: Ref, reason: str | None = None) -> None:
    """Leave a tombstone: number and digest stay, the bytes go at the next collection.

    Raises HasDependents naming what still needs it.
    """
    model, version = find_version(tx, actor, ref, Permission.VERSION_DELETE)
    if version.state == DELETED:
        return
    refuse_while_needed(tx, model, version, "delete")
    _bury(tx, actor, model, version, reason)
    queries.refresh_newest(tx, model.id)


def _bury(tx: Transaction, actor: Actor, model: Model, version: Version, reason: str | None) -> None:
    queries.update_version(tx, version.id, {"state": DELETED})
    release_parents(tx, f"{model.name}:{version.number}")
    tx.append(
        events.VersionDeleted(
            namespace=model.name.namespace,
            model=str(model.name),
            version=version.number,
            digest=version.digest,
            record_digest=version.record_digest,
            reason=reason,
        ),
        actor,
        model.id,
    )


def delete_model(tx: Transaction, actor: Actor, name: ModelName, reason: str | None = None) -> None:
    """Bury all versions and the model. Raises HasDependents while an alias is set."""
    model = catalog.find_model(tx, actor, name, Permission.MODEL_DELETE)
    pointing = alias_queries.list_aliases(tx, model.id)
    if pointing:
        raise HasDependents(
            what=str(model.name),
            dependents="the alias(es) " + ", ".join(f"@{a.alias} (version {a.number})" for a in pointing),
            remedy=f"Remove them first, for example: modelyard {_removal(model, pointing[0].alias)}",
        )
    for version in page_queries.list_versions(
        tx, model.id, before=None, limit=1_000_000, states=[READY, ARCHIVED], tags={}, metrics=()
    ):
        _bury(tx, actor, model, version, reason)
    catalog.bury_model(tx, actor, model, reason)
    queries.refresh_newest(tx, model.id)


def _removal(model: Model, alias: str) -> str:
    return f"{'demote' if alias in model.protected_aliases else 'alias remove'} {model.name} {alias}"


# --- aliases -----------------------------------------------------------------------------------------------


def set_alias(
    tx: Transaction,
    actor: Actor,
    target: Ref,
    alias: Alias,
    *,
    seen: int | None = None,
    reason: str | None = None,
) -> AliasRow:
    """Point an alias at a ready version.

    seen: the revision the caller saw, 0 for "not set yet"; another one raises AliasMoved. None: wherever it
    stands. Pointing at the version where it stands changes nothing.
    """
    model = catalog.find_open_model(tx, actor, target.model, Permission.ALIAS_MOVE)
    _, version = find_version(tx, actor, Ref(model.name, target.selector))
    reference = f"{model.name}:{version.number}"
    if version.state == DELETED:
        raise VersionDeleted(reference=reference, model=str(model.name))
    if version.state == ARCHIVED:
        raise VersionArchived(reference=reference)
    refuse_held(model, version)
    _refuse_protected(model, alias, version.number)
    present = alias_queries.find_alias(tx, model.id, alias)
    _check_seen(model, alias, present, seen)
    if present is not None and present.number == version.number:
        return present
    return _move(tx, actor, model, alias, present, version, reason)


def remove_alias(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    alias: Alias,
    *,
    seen: int | None = None,
    reason: str | None = None,
) -> None:
    """Raises AliasNotFound, AliasMoved."""
    model = catalog.find_open_model(tx, actor, name, Permission.ALIAS_MOVE)
    if alias in model.protected_aliases:
        raise ProtectedAlias(
            model=str(model.name),
            alias=str(alias),
            version="",
            fix=f"Use: modelyard demote {model.name} {alias}",
        )
    present = alias_queries.find_alias(tx, model.id, alias)
    if present is None or present.number is None:
        raise AliasNotFound(model=str(model.name), alias=str(alias))
    _check_seen(model, alias, present, seen)
    revision = alias_queries.move_alias(
        tx,
        actor,
        model_id=model.id,
        alias=alias,
        seen=present.revision,
        version_id=None,
        from_number=present.number,
        to_number=None,
        reason=reason,
    )
    assert revision is not None
    tx.append(
        events.AliasRemoved(
            namespace=model.name.namespace,
            model=str(model.name),
            version=present.number,
            alias=alias,
            revision=revision,
            reason=reason,
        ),
        actor,
        model.id,
    )


def _refuse_protected(model: Model, alias: Alias, version: int | str) -> None:
    """A stage is moved by promotion alone, whoever asks through whichever door."""
    if alias in model.protected_aliases:
        raise ProtectedAlias(model=str(model.name), alias=str(alias), version=version)


def _check_seen(model: Model, alias: Alias, present: AliasRow | None, seen: int | None) -> None:
    standing = present.revision if present is not None else 0
    # An alias that was removed counts as not set, so that "create it" works again.
    if seen == 0 and present is not None and present.number is None:
        return
    if seen is not None and seen != standing:
        raise AliasMoved(
            model=str(model.name),
            alias=str(alias),
            version=present.number if present is not None else None,
            revision=standing,
        )


def _move(
    tx: Transaction,
    actor: Actor,
    model: Model,
    alias: Alias,
    present: AliasRow | None,
    version: Version,
    reason: str | None,
) -> AliasRow:
    from_number = present.number if present is not None else None
    revision = alias_queries.move_alias(
        tx,
        actor,
        model_id=model.id,
        alias=alias,
        seen=present.revision if present is not None else 0,
        version_id=version.id,
        from_number=from_number,
        to_number=version.number,
        reason=reason,
    )
    if revision is None:
        raise AliasMoved(model=str(model.name), alias=str(alias), version=from_number, revision="unknown")
    tx.append(
        events.AliasMoved(
            namespace=model.name.namespace,
            model=str(model.name),
            version=version.number,
            alias=alias,
            revision=revision,
            digest=version.digest,
            record_digest=version.record_digest,
            from_version=from_number,
            reason=reason,
        ),
        actor,
        model.id,
    )
    return AliasRow(alias, version.number, version.digest, revision, tx.now, actor.name)


def find_alias(tx: Transaction, actor: Actor, name: ModelName, alias: Alias) -> tuple[Model, AliasRow]:
    """Raises AliasNotFound, also for a removed one."""
    model = catalog.find_model(tx, actor, name)
    found = alias_queries.find_alias(tx, model.id, alias)
    if found is None or found.number is None:
        raise AliasNotFound(model=str(model.name), alias=str(alias))
    return model, found


def list_aliases(tx: Transaction, actor: Actor, name: ModelName) -> tuple[Model, list[AliasRow]]:
    model = catalog.find_model(tx, actor, name)
    return model, alias_queries.list_aliases(tx, model.id)


def list_moves(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    alias: Alias,
    *,
    before: int | None = None,
    limit: int = 100,
    at: int | None = None,
) -> list[AliasMove]:
    """Where an alias stood, newest first; at: as it was at that moment and before."""
    model = catalog.find_model(tx, actor, name)
    return alias_queries.list_moves(tx, model.id, alias, before, limit, at)
