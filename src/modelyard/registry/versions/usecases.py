"""Read, annotate, archive and delete versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

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
from modelyard.domain.metric_names import MetricCondition
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.scan.serving import Holder, refuse_held_bytes
from modelyard.registry.terms.usecases import refuse_unaccepted
from modelyard.registry.versions import alias_queries, page_queries, queries
from modelyard.registry.versions.dependents import (
    DEPLOYMENT,
    KEEP,
    list_held,
    refuse_archive_while_needed,
    refuse_delete_while_needed,
)
from modelyard.registry.versions.inspect import CARD_PATH
from modelyard.registry.versions.labels import Labels, changes_of, check_labels, refuse_taken
from modelyard.registry.versions.nouns import Resolved, Version
from modelyard.registry.versions.rules import ARCHIVED, DELETED, READY, check_states, flags_of, refuse_deleted
from modelyard.registry.versions.serving import refuse_held
from modelyard.registry.withheld.nouns import WithheldFile
from modelyard.registry.withheld.queries import list_files as list_withheld_files
from modelyard.registry.withheld.refusals import file_withheld


class VersionView(msgspec.Struct, frozen=True):
    """A version with everything that every door shows of it."""

    model: Model
    version: Version
    tags: Mapping[str, str]
    aliases: Sequence[str]
    not_moved: Sequence[str] = ()
    """In the answer to a registration: requested aliases that were not moved."""
    withheld: Sequence[WithheldFile] = ()
    """Its withheld files; empty in lists of versions, which contain only their number."""
    note: str | None = None
    """In the answer to a registration: other objects that were created for it."""
    damaged: bool = False
    """Whether stored bytes of its files were found missing or wrong."""

    @property
    def ref(self) -> Ref:
        return Ref(self.model.name, self.version.number)


# --- reading -----------------------------------------------------------------------------------------


def resolve(tx: Transaction, actor: Actor, ref: Ref) -> Resolved:
    """Resolve a reference, in one statement. Follows renames.

    Raises ModelNotFound, VersionNotFound, AliasNotFound, VersionDeleted, Unauthenticated.
    """
    resolved = queries.resolve(tx, actor, ref)
    if resolved is None or resolved.deleted:
        # The model is missing, or was renamed, or has no such version: find out which.
        model = catalog.find_model(tx, actor, ref.model)
        if model.name == ref.model:
            raise _nothing_at(model, ref)
        return resolve(tx, actor, Ref(model.name, ref.selector))
    access.check(actor, Permission.MODEL_READ, resolved.place, lambda: ModelNotFound(model=str(ref.model)))
    refuse_deleted(resolved.model, resolved)
    return resolved


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
    """Return the version of a reference, deleted ones too, if the actor holds the permission."""
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
    """Find a version like find_version, for additions to it. Raises VersionDeleted."""
    model, version = find_version(tx, actor, ref, permission)
    refuse_deleted(model.name, version)
    return model, version


def show_version(tx: Transaction, actor: Actor, ref: Ref) -> VersionView:
    model, version = find_version(tx, actor, ref)
    return view_of(tx, model, version)


def view_of(tx: Transaction, model: Model, version: Version) -> VersionView:
    tags = queries.list_tags(tx, [version.id]).get(version.id, {})
    withheld = list_withheld_files(tx, version.manifest_id) if version.withheld else ()
    return VersionView(
        model,
        version,
        tags,
        alias_queries.aliases_at(tx, version.id),
        withheld=withheld,
        damaged=bool(queries.list_damaged(tx, [version.manifest_id])),
    )


def list_withheld(tx: Transaction, found: Resolved) -> Sequence[WithheldFile]:
    """List the files that a pull omits. Reads them only if the version has some."""
    return list_withheld_files(tx, found.manifest_id) if found.withheld else ()


class VersionFilter(msgspec.Struct, frozen=True):
    states: Sequence[str] = (READY, ARCHIVED)
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
    metrics: Sequence[MetricCondition] = ()
    """(name, one of < <= > >= =, value)."""
    semver: str | None = None
    """A semantic version, or its beginning."""
    pull_request: str | None = None


def list_versions(
    tx: Transaction, actor: Actor, name: ModelName, chosen: VersionFilter, before: int | None, limit: int
) -> list[VersionView]:
    """List versions with numbers below `before`, newest first. Raises InvalidRequest for an unknown state."""
    states = check_states(chosen.states)
    model = catalog.find_model(tx, actor, name)
    versions = page_queries.list_versions(
        tx,
        model.id,
        before=before,
        limit=limit,
        states=states,
        tags=chosen.tags,
        metrics=chosen.metrics,
        semver=chosen.semver,
        pull_request=chosen.pull_request,
    )
    tags = queries.list_tags(tx, [v.id for v in versions])
    pointing: dict[int, list[str]] = {}
    for row in alias_queries.list_aliases(tx, model.id):
        if row.number is not None:
            pointing.setdefault(row.number, []).append(row.alias)
    damaged = queries.list_damaged(tx, [v.manifest_id for v in versions])
    return [
        VersionView(model, v, tags.get(v.id, {}), pointing.get(v.number, []), damaged=v.manifest_id in damaged)
        for v in versions
    ]


def list_flags(tx: Transaction, model_id: int, numbers: Iterable[int]) -> dict[int, list[str]]:
    """Return the flags by number of the version."""
    found = queries.list_by_number(tx, model_id, numbers)
    damaged = queries.list_damaged(tx, [v.manifest_id for v in found])
    return {v.number: flags_of(v, damaged=v.manifest_id in damaged) for v in found}


def read_manifest(tx: Transaction, actor: Actor, ref: Ref) -> tuple[Model, Version, bytes]:
    """Return the canonical bytes, even of a deleted version; for reading, not for pulling."""
    model, version = find_version(tx, actor, ref)
    return model, version, queries.find_manifest_body(tx, version.manifest_id)


def pull_manifest(tx: Transaction, actor: Actor, ref: Ref) -> tuple[Model, Version, bytes]:
    """Return the manifest for a pull, even of a deleted version. Raises VersionQuarantined, ScanPending."""
    model, version, body = read_manifest(tx, actor, ref)
    if version.state != DELETED:
        refuse_held(tx, model, version)
    return model, version, body


def find_file(tx: Transaction, actor: Actor, ref: Ref, path: str) -> tuple[Version, File]:
    """Return a file that may be pulled. Raises FileNotFound, FileWithheld, VersionDeleted, VersionQuarantined,
    ScanPending, TermsNotAccepted."""
    model, version = find_version(tx, actor, ref, Permission.MODEL_PULL)
    refuse_unaccepted(tx, actor, model)
    refuse_held(tx, model, version)
    return version, _file_of(tx, model, version, path)


def _file_of(tx: Transaction, model: Model, version: Version, path: str) -> File:
    reference = f"{model.name}:{version.number}"
    refuse_deleted(model.name, version)
    file = queries.find_file(tx, version.manifest_id, path)
    if file is None:
        raise FileNotFound(reference=reference, path=path[:300])
    digest, size_bytes, is_withheld = file
    if is_withheld:
        raise file_withheld(tx, digest, path, reference)
    return File(path, digest, size_bytes)


def find_card_file(tx: Transaction, model: Model, version: Version) -> File:
    """Return the README.md, even of a quarantined version, unless its own bytes are in quarantine.

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


class VersionEdit(msgspec.Struct, frozen=True):
    """Changes to a version. Fields that are None stay unchanged. tags: the whole new set."""

    description: str | None = None
    tags: Mapping[str, str] | None = None
    archived: bool | None = None
    """True: archive the version; False: restore it."""
    reason: str | None = None
    """Reason for archiving or restoring it."""
    semver: str | None = None
    """Its semantic version; an empty text removes it."""
    pull_request: str | None = None
    """Address of its pull request; an empty text removes it."""

    @property
    def has_annotations(self) -> bool:
        texts = (self.description, self.tags, self.semver, self.pull_request)
        return any(text is not None for text in texts)


def edit_version(
    tx: Transaction, actor: Actor, ref: Ref, edit: VersionEdit, revision: int | None = None
) -> VersionView:
    """Change annotations, archive or restore; all or nothing.

    revision: the one that the caller saw; any other raises EditConflict. Raises HasDependents like archive_version.
    """
    if edit.archived is None:
        return _annotate(tx, actor, ref, edit, revision)
    if edit.has_annotations:
        _annotate(tx, actor, ref, edit, revision)
        # Archiving has compared and raised the revision already.
        revision = None
    return archive_version(tx, actor, ref, archived=edit.archived, reason=edit.reason, revision=revision)


def _annotate(tx: Transaction, actor: Actor, ref: Ref, edit: VersionEdit, revision: int | None) -> VersionView:
    model, version = find_present(tx, actor, ref, Permission.VERSION_EDIT)
    catalog_rules.check_revision(str(Ref(model.name, version.number)), version.revision, revision)
    labels = check_labels(Labels(edit.semver, edit.pull_request))
    refuse_taken(tx, model, labels, version)
    changes: dict[str, Any] = dict(changes_of(version, labels))
    values: dict[str, Any] = {name: after for name, (_, after) in changes.items()}
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
        catalog.refresh_words(tx, model)
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
    """Archive a version, or restore it. Raises HasDependents while an alias points at it.

    revision: the one that the caller saw; any other raises EditConflict.
    """
    model, version = find_present(tx, actor, ref, Permission.VERSION_ARCHIVE)
    catalog_rules.check_revision(str(Ref(model.name, version.number)), version.revision, revision)
    wanted = ARCHIVED if archived else READY
    if version.state == wanted:
        return view_of(tx, model, version)
    why = catalog_rules.check_reason(reason)
    if archived:
        _shelve(tx, actor, model, version, why)
    else:
        queries.update_version(tx, version.id, {"state": READY})
        tx.append(events.VersionRestored(**_named(model, version)), actor, model.id)
    queries.refresh_newest(tx, model.id)
    catalog.refresh_words(tx, model)
    return show_version(tx, actor, Ref(model.name, version.number))


def _named(model: Model, version: Version) -> dict[str, Any]:
    return {
        **events.about(model.name, version.number),
        "digest": version.digest,
        "record_digest": version.record_digest,
    }


def _shelve(tx: Transaction, actor: Actor, model: Model, version: Version, reason: str | None) -> None:
    refuse_archive_while_needed(tx, model, version)
    queries.update_version(tx, version.id, {"state": ARCHIVED})
    tx.append(events.VersionArchived(**_named(model, version), reason=reason), actor, model.id)


def retire_versions(
    tx: Transaction, actor: Actor, model: Model, reasons: Mapping[int, str], *, deletes: bool
) -> list[Version]:
    """Archive or delete versions for a retention rule, which checked the permission when it was set.

    reasons: number → reason. Returns the versions that were changed. Raises HasDependents, as it does for people.
    """
    retired = []
    for number, reason in reasons.items():
        version = queries.find_by_number(tx, model.id, number)
        if version is None or version.state == DELETED:
            continue
        if deletes:
            refuse_delete_while_needed(tx, actor, model, version, orphan_children=False)
            _bury(tx, actor, model, version, reason)
        elif version.state == READY:
            _shelve(tx, actor, model, version, reason)
        retired.append(version)
    if retired:
        queries.refresh_newest(tx, model.id)
        catalog.refresh_words(tx, model)
    return retired


def show_record(tx: Transaction, actor: Actor, ref: Ref) -> Version:
    """Return the version with its record, which describes how, where and by what code it was made."""
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
    """Delete a version: a tombstone with number and digest stays, and the next collection deletes the bytes.

    orphan_children: delete it even if versions that the actor may see derive from it; needs a reason, and the event names
    them. Raises HasDependents, naming the users of the version.
    """
    model, version = find_version(tx, actor, ref, Permission.VERSION_DELETE)
    if version.state == DELETED:
        return
    if orphan_children:
        reason = catalog_rules.require_reason(reason, "deleting a version with descendants")
    else:
        reason = catalog_rules.check_reason(reason)
    orphans = refuse_delete_while_needed(tx, actor, model, version, orphan_children=orphan_children)
    _bury(tx, actor, model, version, reason, orphans)
    queries.refresh_newest(tx, model.id)
    catalog.refresh_words(tx, model)


def _bury(
    tx: Transaction,
    actor: Actor,
    model: Model,
    version: Version,
    reason: str | None,
    orphans: Sequence[str] = (),
) -> None:
    queries.update_version(tx, version.id, {"state": DELETED})
    catalog.give_space_back(tx, model, version.size_bytes)
    tx.append(
        events.VersionDeleted(**_named(model, version), reason=reason, orphans=list(orphans) or None),
        actor,
        model.id,
    )


def delete_model(tx: Transaction, actor: Actor, name: ModelName, reason: str | None = None) -> None:
    """Delete all versions and the model. Raises HasDependents while an alias is set or a deployment serves one of them."""
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
    kept = list_held(tx, model.id, KEEP)
    if kept:
        raise HasDependents(
            what=str(model.name),
            dependents="the mark that it must be kept, on version(s) " + ", ".join(map(str, kept[:20])),
            remedy=f'Remove it first, for example: modelyard keep {model.name}:{kept[0]} --undo --reason "…"',
        )
    serving = list_held(tx, model.id, DEPLOYMENT)
    if serving:
        raise HasDependents(
            what=str(model.name),
            dependents="deployments, which serve version(s) " + ", ".join(map(str, serving[:20])),
            remedy=f"End them first: modelyard deployment ls --model {model.name}, then modelyard deployment rm",
        )
    for version in page_queries.list_versions(
        tx, model.id, before=None, limit=1_000_000, states=[READY, ARCHIVED], tags={}, metrics=()
    ):
        _bury(tx, actor, model, version, reason)
    catalog.bury_model(tx, actor, model, reason)
    queries.refresh_newest(tx, model.id)


def _removal(model: Model, alias: str) -> str:
    return f"{'demote' if alias in model.protected_aliases else 'alias remove'} {model.name} {alias}"


def count_versions(tx: Transaction) -> dict[str, int]:
    """Count versions by state for /metrics, whose door checks the permission."""
    return page_queries.count_by_state(tx)
