"""What is done with namespaces and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
)
from modelyard.domain.names import ModelName, fold, parse_namespace
from modelyard.registry.access import queries as access_queries
from modelyard.registry.access import rules as access
from modelyard.registry.access.usecases import Holding
from modelyard.registry.catalog import queries, rules
from modelyard.registry.catalog.nouns import Model, Namespace


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """What the operator decides about the catalogue."""

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
) -> Namespace:
    """The person who makes a namespace owns it. Raises AlreadyExists, InvalidName."""
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
    """The namespace, when the actor holds the permission on it. Raises NamespaceNotFound, Denied."""
    folded = fold(name)
    found = queries.find_namespace(tx, actor, folded)
    if found is None:
        if actor.is_anonymous:
            access.check(actor, permission, access.SERVER)
        raise NamespaceNotFound(namespace=folded[:100])
    access.check(actor, permission, found.place, lambda: NamespaceNotFound(namespace=folded))
    return found


def list_namespaces(tx: Transaction, actor: Actor, after: str | None, limit: int) -> list[Namespace]:
    return queries.list_namespaces(tx, actor, after, limit)


@dataclass(frozen=True, slots=True)
class NamespaceEdit:
    """Fields that are None stay as they are; an empty naming pattern takes the policy away."""

    display_name: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    naming_pattern: str | None = None
    reserved_names: Sequence[str] | None = None


def edit_namespace(
    tx: Transaction, actor: Actor, name: str, edit: NamespaceEdit, revision: int | None = None
) -> Namespace:
    """revision: what the caller saw; another one raises EditConflict."""
    found = find_namespace(tx, actor, name, Permission.NAMESPACE_EDIT)
    if edit.visibility is not None and edit.visibility is not found.visibility:
        access.check(actor, Permission.MODEL_SHARE, found.place)
    rules.check_revision(f"namespace {found.name}", found.revision, revision)
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
    if not values:
        return found
    queries.update_namespace(tx, found.id, values)
    tx.append(events.NamespaceEdited(namespace=found.name, changes=values), actor)
    return find_namespace(tx, actor, found.name)


def delete_namespace(tx: Transaction, actor: Actor, name: str) -> None:
    """Only an empty one: the names of deleted models stay in use. Raises HasDependents."""
    found = find_namespace(tx, actor, name, Permission.NAMESPACE_DELETE)
    count = queries.count_models(tx, found.id)
    if count:
        raise HasDependents(
            what=f"namespace {found.name}",
            dependents=f"{count} model(s), deleted ones included",
            remedy="Keep the namespace: names and digests of deleted models are never given away",
        )
    runs = queries.count_runs(tx, found.id)
    if runs:
        raise HasDependents(
            what=f"namespace {found.name}",
            dependents=f"{runs} run(s)",
            remedy=f"See them with: modelyard runs ls --namespace {found.name}",
        )
    # No model and no run is here, so no one asks any more what these were read by.
    queries.delete_datasets(tx, found.id)
    queries.delete_namespace(tx, found.id)
    tx.append(events.NamespaceDeleted(namespace=found.name), actor)


def namespace_holding(tx: Transaction, actor: Actor, name: str) -> Holding:
    """Where roles on the namespace are held."""
    found = find_namespace(tx, actor, name)
    return Holding(found.place, found.id)


# --- models --------------------------------------------------------------------------------------


def find_model(
    tx: Transaction, actor: Actor, name: ModelName, permission: Permission = Permission.MODEL_READ
) -> Model:
    """The model, by its name or an earlier one, when the actor holds the permission on it.

    Raises ModelNotFound (also for a deleted one), Denied, Unauthenticated.
    """
    found = queries.find_model(tx, actor, name)
    if found is None or found.deleted_at is not None:
        if actor.is_anonymous:
            access.check(actor, permission, access.SERVER)
        raise ModelNotFound(model=str(name))
    access.check(actor, permission, found.place, lambda: ModelNotFound(model=str(name)))
    return found


def find_open_model(tx: Transaction, actor: Actor, name: ModelName, permission: Permission) -> Model:
    """As find_model, for a change. Raises ModelArchived."""
    found = find_model(tx, actor, name, permission)
    refuse_archived(found)
    return found


def refuse_archived(model: Model) -> None:
    """Raises ModelArchived."""
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
    """A model without versions. visibility None: as its namespace. Raises AlreadyExists, InvalidName."""
    namespace = find_namespace(tx, actor, name.namespace)
    access.check(actor, Permission.MODEL_CREATE, replace(namespace.place, model=name.name))
    rules.check_against_policy(name.name, namespace.naming_pattern, namespace.reserved_names, namespace.name)
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
    tx.append(events.ModelCreated(namespace=name.namespace, model=str(name)), actor, model_id)
    found = find_model(tx, actor, name)
    refresh_words(tx, found)
    return found


def _revive(
    tx: Transaction, actor: Actor, name: ModelName, display_name: str, description: str, visibility: Visibility
) -> int:
    """A deleted model's name may be used again, and its numbers go on."""
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


def ensure_model(tx: Transaction, actor: Actor, settings: CatalogSettings, name: ModelName) -> Model:
    """The model to register a version in, made when it is missing, with its namespace if need be."""
    found = queries.find_model(tx, actor, name)
    if found is not None and found.deleted_at is None:
        access.check(actor, Permission.VERSION_REGISTER, found.place, lambda: ModelNotFound(model=str(name)))
        refuse_archived(found)
        return found
    if queries.find_namespace(tx, actor, name.namespace) is None:
        ensure_namespace(tx, actor, settings, name.namespace, Permission.VERSION_REGISTER)
    return create_model(tx, actor, name)


def ensure_namespace(
    tx: Transaction, actor: Actor, settings: CatalogSettings, name: str, permission: Permission
) -> Namespace:
    """The namespace, for a verb that makes it when it is missing and the actor may."""
    if queries.find_namespace(tx, actor, name) is not None:
        return find_namespace(tx, actor, name, permission)
    if actor.is_anonymous:
        access.check(actor, permission, access.SERVER)
    return create_namespace(tx, actor, settings, name=name)


@dataclass(frozen=True, slots=True)
class ModelEdit:
    """Fields that are None stay as they are. tags: the whole new set."""

    display_name: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    owners: Sequence[str] | None = None
    tags: Mapping[str, str] | None = None
    task: str | None = None
    archived: bool | None = None


def edit_model(
    tx: Transaction, actor: Actor, name: ModelName, edit: ModelEdit, revision: int | None = None
) -> Model:
    """Change annotations; each change is an event with the value before and after.

    revision: what the caller saw; another one raises EditConflict.
    """
    found = find_model(tx, actor, name)
    _check_edit(actor, found, edit)
    rules.check_revision(str(found.name), found.revision, revision)
    values: dict[str, Any] = {}
    changes: dict[str, Any] = {}

    def change(field: str, before: Any, after: Any, stored: Any = None) -> None:
        if before != after:
            changes[field] = [before, after]
            if stored is not None or field in ("display_name", "description", "task"):
                values[field] = after if stored is None else stored

    if edit.display_name is not None:
        after = rules.check_text(edit.display_name, "the display name", 200)
        change("display_name", found.display_name, after)
    if edit.description is not None:
        change("description", found.description, rules.check_text(edit.description, "the description"))
    if edit.task is not None:
        change("task", found.task, rules.check_text(edit.task, "the task", 100) or None)
    if edit.visibility is not None:
        change("visibility", found.visibility.value, edit.visibility.value, edit.visibility.value)
    if edit.owners is not None:
        owners = rules.check_owners(edit.owners)
        change("owners", queries.list_owners(tx, [found.id]).get(found.id, []), owners)
        queries.set_owners(tx, found.id, owners)
    if edit.tags is not None:
        tags = rules.check_tags(edit.tags)
        change("tags", queries.list_tags(tx, [found.id]).get(found.id, {}), tags)
        queries.set_tags(tx, found.id, tags)
    if edit.archived is not None and edit.archived != (found.archived_at is not None):
        changes["archived"] = [not edit.archived, edit.archived]
        values["archived_at"] = tx.now if edit.archived else None
    if not changes:
        return found
    queries.update_model(tx, found.id, values)
    tx.append(
        events.ModelEdited(namespace=found.name.namespace, model=str(found.name), changes=changes),
        actor,
        found.id,
    )
    after_edit = find_model(tx, actor, found.name)
    refresh_words(tx, after_edit)
    return after_edit


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
    """The old name goes on working. Raises AlreadyExists, Invalid for another namespace."""
    found = find_open_model(tx, actor, name, Permission.MODEL_RENAME)
    if to.namespace != found.name.namespace:
        raise Invalid(
            reason="a model cannot be renamed into another namespace, because rights differ there",
            fix=f"Choose a name in {found.name.namespace}, or push a copy to {to.namespace}",
        )
    if to == found.name:
        return found
    namespace = find_namespace(tx, actor, to.namespace)
    rules.check_against_policy(to.name, namespace.naming_pattern, namespace.reserved_names, namespace.name)
    other = queries.find_model(tx, actor, to)
    if other is not None and other.id != found.id:
        raise AlreadyExists(what=f"model {to}")
    queries.delete_redirect(tx, namespace.id, to.name)
    queries.update_model(tx, found.id, {"name": to.name})
    queries.insert_redirect(tx, namespace.id, found.name.name, found.id)
    tx.append(
        events.ModelRenamed(namespace=to.namespace, model=str(to), before=str(found.name)), actor, found.id
    )
    renamed = find_model(tx, actor, to)
    refresh_words(tx, renamed)
    return renamed


def model_holding(tx: Transaction, actor: Actor, name: ModelName) -> Holding:
    """Where roles on the model itself are held."""
    found = find_model(tx, actor, name)
    return Holding(found.place, found.namespace_id, found.id)


def refresh_words(tx: Transaction, model: Model) -> None:
    """Bring what full-text search finds the model by up to date."""
    words = rules.words_of(
        model.name.namespace,
        model.name.name,
        model.display_name,
        model.description,
        queries.list_tags(tx, [model.id]).get(model.id, {}),
        queries.list_owners(tx, [model.id]).get(model.id, []),
        queries.find_card_text(tx, model.id),
    )
    queries.set_words(tx, model.id, words)


def card_text(tx: Transaction, model_id: int) -> str:
    """What of the newest card is searched."""
    return queries.find_card_text(tx, model_id)


def bury_model(tx: Transaction, actor: Actor, model: Model, reason: str | None) -> None:
    """Leave the tombstone of a model whose versions are buried; its name and its counter stay."""
    queries.update_model(tx, model.id, {"deleted_at": tx.now})
    queries.set_words(tx, model.id, "")
    tx.append(
        events.ModelDeleted(**events.about(model.name), reason=reason),
        actor,
        model.id,
    )
