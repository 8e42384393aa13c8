"""Reading, annotating, archiving and deleting versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    AliasNotFound,
    FileNotFound,
    HasDependents,
    ModelNotFound,
    VersionNotFound,
)
from modelyard.domain.manifest import File
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.scan.serving import Holder, refuse_held_bytes
from modelyard.registry.versions import alias_queries, page_queries, queries
from modelyard.registry.versions.dependents import refuse_archive_while_needed, refuse_delete_while_needed
from modelyard.registry.versions.inspect import CARD_PATH
from modelyard.registry.versions.nouns import Resolved, Version
from modelyard.registry.versions.rules import ARCHIVED, DELETED, READY, check_states, refuse_deleted
from modelyard.registry.versions.serving import refuse_held
from modelyard.registry.withheld.nouns import WithheldFile
from modelyard.registry.withheld.queries import list_files as list_withheld_files
from modelyard.registry.withheld.refusals import file_withheld


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version with what belongs to it, as every door shows it."""

    model: Model
    version: Version
    tags: Mapping[str, str]
    aliases: Sequence[str]
    not_moved: Sequence[str] = ()
    """In the answer to a registration: aliases that were asked for, and stay where they are."""
    withheld: Sequence[WithheldFile] = ()
    """Its withheld files; empty in lists of versions, where only their number is told."""

    @property
    def ref(self) -> Ref:
        return Ref(self.model.name, self.version.number)


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
    refuse_deleted(found.model, found)
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


def find_present(tx: Transaction, actor: Actor, ref: Ref, permission: Permission) -> tuple[Model, Version]:
    """As find_version, for whatever adds to a version. Raises VersionDeleted."""
    model, version = find_version(tx, actor, ref, permission)
    refuse_deleted(model.name, version)
    return model, version


def show_version(tx: Transaction, actor: Actor, ref: Ref) -> VersionView:
    model, version = find_version(tx, actor, ref)
    return view_of(tx, model, version)


def view_of(tx: Transaction, model: Model, version: Version) -> VersionView:
    tags = queries.list_tags(tx, [version.id]).get(version.id, {})
    withheld = list_withheld_files(tx, version.manifest_id) if version.withheld else ()
    return VersionView(model, version, tags, alias_queries.aliases_at(tx, version.id), withheld=withheld)


def list_withheld(tx: Transaction, found: Resolved) -> Sequence[WithheldFile]:
    """Files that a pull leaves out. Asks only where the version has some."""
    return list_withheld_files(tx, found.manifest_id) if found.withheld else ()


@dataclass(frozen=True, slots=True)
class VersionFilter:
    states: Sequence[str] = (READY, ARCHIVED)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tuple[str, str, float]] = ()
    """(name, one of < <= > >= =, value)."""


def list_versions(
    tx: Transaction, actor: Actor, name: ModelName, chosen: VersionFilter, before: int | None, limit: int
) -> list[VersionView]:
    """Newest first, numbers below `before`. Raises InvalidRequest for a state that is not one."""
    states = check_states(chosen.states)
    model = catalog.find_model(tx, actor, name)
    found = page_queries.list_versions(
        tx,
        model.id,
        before=before,
        limit=limit,
        states=states,
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
        refuse_held(tx, model, version)
    return model, version, body


def find_file(tx: Transaction, actor: Actor, ref: Ref, path: str) -> tuple[Version, File]:
    """A file that may be pulled. Raises FileNotFound, FileWithheld, VersionDeleted, VersionQuarantined,
    ScanPending."""
    model, version = find_version(tx, actor, ref, Permission.MODEL_PULL)
    refuse_held(tx, model, version)
    return version, _file_of(tx, model, version, path)


def _file_of(tx: Transaction, model: Model, version: Version, path: str) -> File:
    reference = f"{model.name}:{version.number}"
    refuse_deleted(model.name, version)
    found = queries.find_file(tx, version.manifest_id, path)
    if found is None:
        raise FileNotFound(reference=reference, path=path[:300])
    digest, size_bytes, is_withheld = found
    if is_withheld:
        raise file_withheld(tx, digest, path, reference)
    return File(path, digest, size_bytes)


def find_card_file(tx: Transaction, model: Model, version: Version) -> File:
    """README.md, which is shown of a quarantined version too, unless its own bytes are what is held.

    Raises FileNotFound, FileWithheld, FileQuarantined, ScanPending.
    """
    file = _file_of(tx, model, version, CARD_PATH)
    reference = f"{model.name}:{version.number}"
    holder = Holder(
        namespace=model.name.namespace,
        author=version.created_by,
        path=CARD_PATH,
        of=reference,
        released=version.released,
        advice=f'A maintainer may release it with: modelyard quarantine release {reference} --reason "…"',
    )
    refuse_held_bytes(tx, file.digest, holder)
    return file


# --- annotations ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionEdit:
    """Fields that are None stay as they are. tags: the whole new set."""

    description: str | None = None
    tags: Mapping[str, str] | None = None
    archived: bool | None = None
    """True takes the version out of use, False brings it back."""
    reason: str | None = None
    """Why it is archived or brought back."""


def edit_version(
    tx: Transaction, actor: Actor, ref: Ref, edit: VersionEdit, revision: int | None = None
) -> VersionView:
    """Change annotations, archive or bring back, all or nothing.

    revision: what the caller saw; another one raises EditConflict. Raises HasDependents as archive_version does.
    """
    if edit.archived is None:
        return _annotate(tx, actor, ref, edit, revision)
    if edit.description is not None or edit.tags is not None:
        _annotate(tx, actor, ref, edit, revision)
        # That has compared the revision, and raised it.
        revision = None
    return archive_version(tx, actor, ref, archived=edit.archived, reason=edit.reason, revision=revision)


def _annotate(tx: Transaction, actor: Actor, ref: Ref, edit: VersionEdit, revision: int | None) -> VersionView:
    model, version = find_present(tx, actor, ref, Permission.VERSION_EDIT)
    catalog_rules.check_revision(str(Ref(model.name, version.number)), version.revision, revision)
    changes: dict[str, Any] = {}
    values: dict[str, Any] = {}
    if edit.description is not None:
        description = catalog_rules.check_text(edit.description, "the description")
        if description != version.description:
            values["description"] = description
            changes["description"] = [version.description, description]
    if edit.tags is not None:
        before = queries.list_tags(tx, [version.id]).get(version.id, {})
        after = catalog_rules.check_tags(edit.tags)
        if before != after:
            queries.set_tags(tx, version.id, after)
            changes["tags"] = [before, after]
    if changes:
        queries.update_version(tx, version.id, values)
        tx.append(
            events.VersionEdited(**events.about(model.name, version.number), changes=changes),
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
    model, version = find_present(tx, actor, ref, Permission.VERSION_ARCHIVE)
    catalog_rules.check_revision(str(Ref(model.name, version.number)), version.revision, revision)
    wanted = ARCHIVED if archived else READY
    if version.state == wanted:
        return view_of(tx, model, version)
    if archived:
        refuse_archive_while_needed(tx, model, version)
    queries.update_version(tx, version.id, {"state": wanted})
    queries.refresh_newest(tx, model.id)
    common: dict[str, Any] = {
        **events.about(model.name, version.number),
        "digest": version.digest,
        "record_digest": version.record_digest,
    }
    why = catalog_rules.check_reason(reason)
    event = events.VersionArchived(**common, reason=why) if archived else events.VersionRestored(**common)
    tx.append(event, actor, model.id)
    return show_version(tx, actor, Ref(model.name, version.number))


def show_record(tx: Transaction, actor: Actor, ref: Ref) -> Version:
    """The version for its record, which tells how and where it was made, and by what code."""
    _, version = find_version(tx, actor, ref)
    access.refuse_strangers(actor)
    return version


def delete_version(
    tx: Transaction,
    actor: Actor,
    ref: Ref,
    reason: str | None = None,
    *,
    orphan_children: bool = False,
) -> None:
    """Leave a tombstone: number and digest stay, the bytes go at the next collection.

    orphan_children: also when versions that the actor may see came from it; needs a reason, and the event names
    them. Raises HasDependents naming what still needs it.
    """
    model, version = find_version(tx, actor, ref, Permission.VERSION_DELETE)
    if version.state == DELETED:
        return
    if orphan_children:
        reason = catalog_rules.require_reason(reason, "taking a parent from its children")
    else:
        reason = catalog_rules.check_reason(reason)
    orphans = refuse_delete_while_needed(tx, actor, model, version, orphan_children=orphan_children)
    _bury(tx, actor, model, version, reason, orphans)
    queries.refresh_newest(tx, model.id)


def _bury(
    tx: Transaction,
    actor: Actor,
    model: Model,
    version: Version,
    reason: str | None,
    orphans: Sequence[str] = (),
) -> None:
    queries.update_version(tx, version.id, {"state": DELETED})
    tx.append(
        events.VersionDeleted(
            **events.about(model.name, version.number),
            digest=version.digest,
            record_digest=version.record_digest,
            reason=reason,
            orphans=list(orphans) or None,
        ),
        actor,
        model.id,
    )


def delete_model(tx: Transaction, actor: Actor, name: ModelName, reason: str | None = None) -> None:
    """Bury all versions and the model. Raises HasDependents while an alias is set."""
    model = catalog.find_model(tx, actor, name, Permission.MODEL_DELETE)
    tx.expect_many_rows()
    reason = catalog_rules.check_reason(reason)
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
