"""Create, read, change and delete namespaces and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard.db.engine import Database
from modelyard.db.json_columns import dump_json
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission, Role, Visibility
from modelyard.domain.errors import (
    AlreadyExists,
    HasDependents,
    Invalid,
    ModelArchived,
    ModelNotFound,
    NamespaceNotFound,
    QuotaExceeded,
)
from modelyard.domain.names import ModelName, fold, parse_namespace
from modelyard.domain.sizes import size_words
from modelyard.domain.texts import near_words
from modelyard.registry.access import queries as access_queries
from modelyard.registry.access import rules as access
from modelyard.registry.access.usecases import Holding
from modelyard.registry.catalog import queries, rules
from modelyard.registry.catalog.nouns import Model, Namespace

_MOST_NAMED = 1000
"""How many names are searched for similar ones."""


class CatalogSettings(msgspec.Struct, frozen=True):
    """The operator's settings for the catalogue."""

    everyone_creates_namespaces: bool = True
    """False: only admins do."""


# --- namespaces ----------------------------------------------------------------------------------


def create_namespace(
    tx: Transaction,
    actor: Actor,
    settings: CatalogSettings,
    *,
    name: str,
    display_name: str = "",
    description: str = "",
    visibility: Visibility = Visibility.PRIVATE,
    naming_pattern: str | None = None,
    reserved_names: Sequence[str] = (),
    naming_mode: str = rules.REFUSE,
) -> Namespace:
    """Create a namespace; its creator owns it. Raises AlreadyExists, InvalidName."""
    name = parse_namespace(name)
    place = access.SERVER
    if settings.everyone_creates_namespaces and not actor.is_anonymous:
        place = replace(place, role=Role.ADMIN)
    access.check(actor, Permission.NAMESPACE_CREATE, replace(place, namespace=name))
    if naming_pattern:
        rules.check_naming_pattern(naming_pattern)
    namespace_id = queries.insert_namespace(
        tx,
        name=name,
        display_name=rules.check_text(display_name, "the display name", 200),
        description=rules.check_text(description, "the description"),
        visibility=visibility,
        naming_pattern=naming_pattern or None,
        reserved_names=sorted(reserved_names),
        naming_mode=rules.check_naming_mode(naming_mode),
        created_by=actor.id,
    )
    if namespace_id is None:
        raise AlreadyExists(what=f"namespace {name!r}")
    access_queries.set_grant(tx, actor.id, namespace_id, 0, Role.OWNER)
    tx.append(events.NamespaceCreated(namespace=name), actor)
    return find_namespace(tx, actor, name)


def find_namespace(
    tx: Transaction, actor: Actor, name: str, permission: Permission = Permission.NAMESPACE_READ
) -> Namespace:
    """Return the namespace if the actor holds the permission on it. Raises NamespaceNotFound, Denied."""
    folded = fold(name)
    namespace = queries.find_namespace(tx, actor, folded)
    if namespace is None:
        if actor.is_anonymous:
            access.check(actor, permission, access.SERVER)
        raise _no_namespace(tx, actor, folded)
    access.check(actor, permission, namespace.place, lambda: _no_namespace(tx, actor, folded))
    return namespace


def list_namespaces(tx: Transaction, actor: Actor, after: str | None, limit: int) -> list[Namespace]:
    return queries.list_namespaces(tx, actor, after, limit)


class NamespaceEdit(msgspec.Struct, frozen=True):
    """Changes to a namespace. Fields that are None stay unchanged; an empty naming pattern removes the policy."""

    display_name: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    naming_pattern: str | None = None
    reserved_names: Sequence[str] | None = None
    naming_mode: str | None = None
    """refuse or warn."""
    quota_bytes: int | None = None
    """Most bytes that its versions may have together; 0 removes the quota. Only admins set it."""


def edit_namespace(
    tx: Transaction, actor: Actor, name: str, edit: NamespaceEdit, revision: int | None = None
) -> Namespace:
    """Change a namespace. revision: the one that the caller saw; another one raises EditConflict."""
    namespace = find_namespace(tx, actor, name, Permission.NAMESPACE_EDIT)
    if edit.visibility is not None and edit.visibility is not namespace.visibility:
        access.check(actor, Permission.MODEL_SHARE, namespace.place)
    if edit.quota_bytes is not None:
        access.check(actor, Permission.SERVER_OPERATE, access.SERVER)
    rules.check_revision(f"namespace {namespace.name}", namespace.revision, revision)
    values: dict[str, Any] = {}
    if edit.display_name is not None:
        values["display_name"] = rules.check_text(edit.display_name, "the display name", 200)
    if edit.description is not None:
        values["description"] = rules.check_text(edit.description, "the description")
    if edit.visibility is not None:
        values["visibility"] = edit.visibility.value
    if edit.naming_pattern is not None:
        if edit.naming_pattern:
            rules.check_naming_pattern(edit.naming_pattern)
        values["naming_pattern"] = edit.naming_pattern or None
    if edit.reserved_names is not None:
        values["reserved_names"] = dump_json(sorted(edit.reserved_names))
    if edit.naming_mode is not None:
        values["naming_mode"] = rules.check_naming_mode(edit.naming_mode)
    if edit.quota_bytes is not None:
        values["quota_bytes"] = rules.check_quota(edit.quota_bytes) or None
    if not values:
        return namespace
    queries.update_namespace(tx, namespace.id, values)
    tx.append(events.NamespaceEdited(namespace=namespace.name, changes=values), actor)
    return find_namespace(tx, actor, namespace.name)


def refuse_above_quota(tx: Transaction, model: Model, size_bytes: int) -> None:
    """Raise QuotaExceeded if a new version of this size is too large for its namespace."""
    if model.quota_bytes is not None:
        used = queries.find_use(tx, model.namespace_id)
        _refuse_above(model.name.namespace, used, model.quota_bytes, size_bytes)


def refuse_announced(tx: Transaction, actor: Actor, namespace: str, size_bytes: int) -> None:
    """Raise QuotaExceeded if a version of this size is too large for the namespace, before its bytes are sent.

    A namespace that does not exist yet, or where the actor may not register, is judged when the version registers.
    """
    found = queries.find_namespace(tx, actor, fold(namespace))
    if found is None or found.quota_bytes is None:
        return
    if access.may(actor, Permission.VERSION_REGISTER, found.place):
        _refuse_above(found.name, found.used_bytes, found.quota_bytes, size_bytes)


def words_above_quota(tx: Transaction, namespace: str, size_bytes: int) -> str:
    """Say why files of this size are too large for the namespace; "": they are not. A run goes on without them."""
    found = queries.find_quota(tx, namespace) if size_bytes else None
    try:
        if found is not None:
            _refuse_above(namespace, *found, size_bytes)
    except QuotaExceeded as error:
        used, quota, size = (error.fields[name] for name in ("used", "quota", "size"))
        return f"the namespace {namespace} uses {used} of its quota of {quota}, and they have {size}"
    return ""


def _refuse_above(namespace: str, used: int, quota: int, size_bytes: int) -> None:
    if size_bytes and used + size_bytes > quota:
        raise QuotaExceeded(
            namespace=namespace,
            used=size_words(used),
            quota=size_words(quota),
            size=size_words(size_bytes),
            used_bytes=used,
            quota_bytes=quota,
            size_bytes=size_bytes,
        )


def give_space_back(tx: Transaction, model: Model, size_bytes: int) -> None:
    """Count the bytes of a version no longer, because it was deleted."""
    queries.give_back(tx, model.id, size_bytes)


def recount_use(db: Database) -> list[str]:
    """Count the use of each model, experiment and dataset again and correct the counters. Returns the corrected ones."""
    wrong = db.read(queries.list_miscounted)
    for kind, number, _ in wrong:
        db.write(partial(queries.recount, kind=kind, number=number))
    return [f"{kind} {name}" for kind, _, name in wrong]


def list_uses(tx: Transaction) -> list[tuple[str, int, int | None]]:
    """List (name, use, quota) of all namespaces in bytes for /metrics, whose door checks the permission."""
    return queries.list_uses(tx)


def delete_namespace(tx: Transaction, actor: Actor, name: str) -> None:
    """Delete an empty namespace; deleted models count, because their names stay in use. Raises HasDependents."""
    namespace = find_namespace(tx, actor, name, Permission.NAMESPACE_DELETE)
    count = queries.count_models(tx, namespace.id)
    if count:
        raise HasDependents(
            what=f"namespace {namespace.name}",
            dependents=f"{count} model(s), deleted ones included",
            remedy="Keep the namespace: names and digests of deleted models are never given away",
        )
    runs = queries.count_runs(tx, namespace.id)
    if runs:
        raise HasDependents(
            what=f"namespace {namespace.name}",
            dependents=f"{runs} run(s)",
            remedy=f"See them with: modelyard runs ls --namespace {namespace.name}",
        )
    # Without models and runs, nothing refers to the readers of these any more.
    queries.delete_datasets(tx, namespace.id)
    queries.delete_namespace(tx, namespace.id)
    tx.append(events.NamespaceDeleted(namespace=namespace.name), actor)


def namespace_holding(tx: Transaction, actor: Actor, name: str) -> Holding:
    """Return the object of roles on the namespace."""
    namespace = find_namespace(tx, actor, name)
    return Holding(namespace.place, namespace.id)


# --- models --------------------------------------------------------------------------------------


def find_model(
    tx: Transaction, actor: Actor, name: ModelName, permission: Permission = Permission.MODEL_READ
) -> Model:
    """Return the model, by its present name or an earlier one, if the actor holds the permission on it.

    Raises ModelNotFound (also for a deleted one), Denied, Unauthenticated.
    """
    model = queries.find_model(tx, actor, name)
    if model is None or model.deleted_at is not None:
        if actor.is_anonymous:
            access.check(actor, permission, access.SERVER)
        raise _no_model(tx, actor, name)
    access.check(actor, permission, model.place, lambda: _no_model(tx, actor, name))
    return model


def _no_namespace(tx: Transaction, actor: Actor, name: str) -> NamespaceNotFound:
    """Return the error, with near names that the actor may read."""
    near = _near_namespaces(tx, actor, name[:100])
    return NamespaceNotFound(namespace=name[:100], fix=_near_fix(near))


def _no_model(tx: Transaction, actor: Actor, name: ModelName) -> ModelNotFound:
    """Return the error, with near names that the actor may read."""
    return ModelNotFound(model=str(name), fix=_near_fix(_near_models(tx, actor, name)))


def _near_fix(near: Sequence[str]) -> str | None:
    return f"Did you mean {' or '.join(near)}?" if near else None


def find_open_model(tx: Transaction, actor: Actor, name: ModelName, permission: Permission) -> Model:
    """Find a model like find_model, for a change. Raises ModelArchived."""
    model = find_model(tx, actor, name, permission)
    refuse_archived(model)
    return model


def refuse_archived(model: Model) -> None:
    """Raise ModelArchived for an archived model."""
    if model.archived_at is not None:
        raise ModelArchived(model=str(model.name))


def create_model(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    *,
    display_name: str = "",
    description: str = "",
    visibility: Visibility | None = None,
    tags: Mapping[str, str] | None = None,
    owners: Sequence[str] = (),
) -> Model:
    """Create a model without versions. visibility None: that of its namespace. Raises AlreadyExists, InvalidName."""
    namespace = find_namespace(tx, actor, name.namespace)
    access.check(actor, Permission.MODEL_CREATE, replace(namespace.place, model=name.name))
    warning = _judge_name(namespace, name)
    if queries.redirect_exists(tx, namespace.id, name.name):
        raise AlreadyExists(what=f"a model that was once called {name}")
    shown = visibility or namespace.visibility
    if shown is not namespace.visibility:
        access.check(actor, Permission.MODEL_SHARE, replace(namespace.place, model=name.name))
    display_name = rules.check_text(display_name, "the display name", 200)
    description = rules.check_text(description, "the description")
    model_id = queries.insert_model(
        tx,
        actor,
        namespace_id=namespace.id,
        name=name.name,
        display_name=display_name,
        description=description,
        visibility=shown,
    )
    if model_id is None:
        model_id = _revive(tx, actor, name, display_name, description, shown)
    if tags:
        queries.set_tags(tx, model_id, rules.check_tags(tags))
    if owners:
        queries.set_owners(tx, model_id, rules.check_owners(owners))
    created = events.ModelCreated(namespace=name.namespace, model=str(name), warning=warning)
    tx.append(created, actor, model_id)
    model = find_model(tx, actor, name)
    refresh_words(tx, model)
    return model


def _judge_name(namespace: Namespace, name: ModelName) -> str | None:
    return rules.judge_name(
        name.name,
        namespace.naming_pattern,
        namespace.reserved_names,
        namespace.name,
        namespace.naming_mode,
    )


def naming_warning(tx: Transaction, actor: Actor, name: ModelName) -> str | None:
    """Return the warning about the name of a model that was created or renamed; None if the name is accepted."""
    namespace = queries.find_namespace(tx, actor, name.namespace)
    if namespace is None or namespace.naming_mode != rules.WARN:
        return None
    return _judge_name(namespace, name)


def _revive(
    tx: Transaction, actor: Actor, name: ModelName, display_name: str, description: str, visibility: Visibility
) -> int:
    """Use a deleted model's name again; its version numbers continue."""
    old = queries.find_model(tx, actor, name)
    if old is None or old.deleted_at is None:
        raise AlreadyExists(what=f"model {name}")
    queries.update_model(
        tx,
        old.id,
        {
            "deleted_at": None,
            "archived_at": None,
            "display_name": display_name,
            "description": description,
            "visibility": visibility.value,
        },
    )
    return old.id


def ensure_model(
    tx: Transaction, actor: Actor, settings: CatalogSettings, name: ModelName
) -> tuple[Model, str | None]:
    """Return the model to register a version in; create it, and its namespace, if they are missing.

    Returns with it a notice about a namespace that was created, and a warning about the name; None: neither. The model's
    counts and its newest version are without what waits for the end of the batch.
    """
    recalled = queries.recall_model(tx, actor, name)
    model = recalled[0] if recalled else queries.find_model(tx, actor, name)
    if model is not None and model.deleted_at is None:
        access.check(actor, Permission.VERSION_REGISTER, model.place, lambda: ModelNotFound(model=str(name)))
        refuse_archived(model)
        return model, None
    note = None
    if queries.find_namespace(tx, actor, name.namespace) is None:
        near = _near_namespaces(tx, actor, name.namespace)
        made = ensure_namespace(tx, actor, settings, name.namespace, Permission.VERSION_REGISTER)
        note = f"the namespace {name.namespace} was made for it ({made.visibility.value}; you own it)"
        if near:
            note += f"; near it is {' and '.join(near)}, where you may have meant to push"
    created = create_model(tx, actor, name)
    notes = [words for words in (note, naming_warning(tx, actor, name)) if words]
    return created, "; ".join(notes) or None


def next_number(tx: Transaction, actor: Actor, model: Model) -> int:
    """Return the number of the model's next version, without what waits for the end of the batch."""
    recalled = queries.recall_model(tx, actor, model.name)
    assert recalled is not None
    return recalled[1]


def _near_namespaces(tx: Transaction, actor: Actor, name: str) -> list[str]:
    """List the names of readable namespaces that the actor may have meant."""
    return near_words(name, [found.name for found in queries.list_namespaces(tx, actor, None, _MOST_NAMED)], 3)


def _near_models(tx: Transaction, actor: Actor, name: ModelName) -> list[str]:
    """List the names of readable models that the actor may have meant."""
    known = queries.list_names(tx, actor, name.namespace, _MOST_NAMED)
    if not known:
        known = [
            f"{namespace}/{name.name}"
            for namespace in _near_namespaces(tx, actor, name.namespace)
            if name.name
            in {each.partition("/")[2] for each in queries.list_names(tx, actor, namespace, _MOST_NAMED)}
        ]
    return near_words(str(name), known, 3)


def ensure_namespace(
    tx: Transaction, actor: Actor, settings: CatalogSettings, name: str, permission: Permission
) -> Namespace:
    """Return the namespace; create it if it is missing and the actor may create it."""
    if queries.find_namespace(tx, actor, name) is not None:
        return find_namespace(tx, actor, name, permission)
    if actor.is_anonymous:
        access.check(actor, permission, access.SERVER)
    return create_namespace(tx, actor, settings, name=name)


class ModelEdit(msgspec.Struct, frozen=True):
    """Changes to a model. Fields that are None stay unchanged. tags: the whole new set."""

    display_name: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    owners: Sequence[str] | None = None
    tags: Mapping[str, str] | None = None
    task: str | None = None
    archived: bool | None = None
    reason: str | None = None
    """The reason, kept in the event."""


def edit_model(
    tx: Transaction, actor: Actor, name: ModelName, edit: ModelEdit, revision: int | None = None
) -> Model:
    """Change annotations; each change is an event with the value before and after.

    revision: the one that the caller saw; another one raises EditConflict. Raises HasDependents when archiving a model
    that has a version in a stage, because no rollback could move that version any longer.
    """
    model = find_model(tx, actor, name)
    _check_edit(actor, model, edit)
    reason = rules.check_reason(edit.reason)
    rules.check_revision(str(model.name), model.revision, revision)
    values: dict[str, Any] = {}
    changes: dict[str, Any] = {}

    def change(field: str, before: Any, after: Any, stored: Any = None) -> None:
        if before != after:
            changes[field] = [before, after]
            if stored is not None or field in ("display_name", "description", "task"):
                values[field] = after if stored is None else stored

    if edit.display_name is not None:
        after = rules.check_text(edit.display_name, "the display name", 200)
        change("display_name", model.display_name, after)
    if edit.description is not None:
        change("description", model.description, rules.check_text(edit.description, "the description"))
    if edit.task is not None:
        change("task", model.task, rules.check_text(edit.task, "the task", 100) or None)
    if edit.visibility is not None:
        change("visibility", model.visibility.value, edit.visibility.value, edit.visibility.value)
    if edit.owners is not None:
        owners = rules.check_owners(edit.owners)
        change("owners", queries.list_owners(tx, [model.id]).get(model.id, []), owners)
        queries.set_owners(tx, model.id, owners)
    if edit.tags is not None:
        tags = rules.check_tags(edit.tags)
        change("tags", queries.list_tags(tx, [model.id]).get(model.id, {}), tags)
        queries.set_tags(tx, model.id, tags)
    if edit.archived is not None and edit.archived != (model.archived_at is not None):
        if edit.archived:
            _refuse_archive_in_stage(tx, model)
        changes["archived"] = [not edit.archived, edit.archived]
        values["archived_at"] = tx.now if edit.archived else None
    if not changes:
        return model
    queries.update_model(tx, model.id, values)
    tx.append(
        events.ModelEdited(
            namespace=model.name.namespace, model=str(model.name), changes=changes, reason=reason
        ),
        actor,
        model.id,
    )
    after_edit = find_model(tx, actor, model.name)
    refresh_words(tx, after_edit)
    return after_edit


def _refuse_archive_in_stage(tx: Transaction, model: Model) -> None:
    standing = queries.list_positions(tx, model.id, model.protected_aliases)
    if standing:
        stage = standing[0][0]
        raise HasDependents(
            what=str(model.name),
            dependents=", ".join(f"the stage {alias} (version {n})" for alias, n in standing),
            remedy=f"Take them out first: modelyard demote {model.name} {stage}; "
            f'then: modelyard archive {model.name} --reason "…"',
        )


def _check_edit(actor: Actor, model: Model, edit: ModelEdit) -> None:
    if edit.archived is not None:
        access.check(actor, Permission.MODEL_ARCHIVE, model.place)
    if edit.visibility is not None and edit.visibility is not model.visibility:
        access.check(actor, Permission.MODEL_SHARE, model.place)
    annotations = (edit.display_name, edit.description, edit.owners, edit.tags, edit.task)
    if any(value is not None for value in annotations):
        access.check(actor, Permission.MODEL_EDIT, model.place)
        if model.archived_at is not None and edit.archived is not False:
            raise ModelArchived(model=str(model.name))


def rename_model(tx: Transaction, actor: Actor, name: ModelName, to: ModelName) -> Model:
    """Rename a model; the old name keeps working. Raises AlreadyExists; Invalid for another namespace."""
    model = find_open_model(tx, actor, name, Permission.MODEL_RENAME)
    if to.namespace != model.name.namespace:
        raise Invalid(
            reason="a model cannot be renamed into another namespace, because rights differ there",
            fix=f"Choose a name in {model.name.namespace}, or push a copy to {to.namespace}",
        )
    if to == model.name:
        return model
    namespace = find_namespace(tx, actor, to.namespace)
    warning = _judge_name(namespace, to)
    other = queries.find_model(tx, actor, to)
    if other is not None and other.id != model.id:
        raise AlreadyExists(what=f"model {to}")
    queries.delete_redirect(tx, namespace.id, to.name)
    queries.update_model(tx, model.id, {"name": to.name})
    queries.insert_redirect(tx, namespace.id, model.name.name, model.id)
    tx.append(
        events.ModelRenamed(namespace=to.namespace, model=str(to), before=str(model.name), warning=warning),
        actor,
        model.id,
    )
    renamed = find_model(tx, actor, to)
    refresh_words(tx, renamed)
    return renamed


def model_holding(tx: Transaction, actor: Actor, name: ModelName) -> Holding:
    """Return the object of roles on the model itself."""
    model = find_model(tx, actor, name)
    return Holding(model.place, model.namespace_id, model.id)


def refresh_words(tx: Transaction, model: Model) -> None:
    """Update the text by which full-text search finds the model."""
    words = rules.words_of(
        model.name.namespace,
        model.name.name,
        model.display_name,
        model.description,
        queries.list_tags(tx, [model.id]).get(model.id, {}),
        queries.list_owners(tx, [model.id]).get(model.id, []),
        queries.find_card_text(tx, model.id),
        queries.list_version_texts(tx, model.id, model.protected_aliases),
    )
    queries.set_words(tx, model.id, words)


def card_text(tx: Transaction, model_id: int) -> str:
    """Return the searched text of the newest card."""
    return queries.find_card_text(tx, model_id)


def bury_model(tx: Transaction, actor: Actor, model: Model, reason: str | None) -> None:
    """Leave a tombstone for a model whose versions are deleted; its name and its counter stay."""
    queries.update_model(tx, model.id, {"deleted_at": tx.now})
    queries.set_words(tx, model.id, "")
    tx.append(
        events.ModelDeleted(**events.about(model.name), reason=reason),
        actor,
        model.id,
    )
