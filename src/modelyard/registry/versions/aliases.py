"""Aliases: names that move from version to version; every move is kept."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import (
    AliasMoved,
    AliasNotFound,
    ProtectedAlias,
    VersionArchived,
)
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.rules import ANY_REVISION
from modelyard.registry.versions import alias_queries
from modelyard.registry.versions.nouns import AliasMove, AliasPosition, Version
from modelyard.registry.versions.rules import ARCHIVED, refuse_deleted
from modelyard.registry.versions.serving import refuse_held
from modelyard.registry.versions.usecases import find_version


def set_alias(
    tx: Transaction,
    actor: Actor,
    target: Ref,
    alias: Alias,
    *,
    seen: int | None = None,
    reason: str | None = None,
) -> AliasPosition:
    """Point an alias at a ready version.

    seen: the revision that the caller saw, 0 for "not set yet"; any other raises AliasMoved. None: any revision.
    Pointing it at its present version changes nothing.
    """
    model = catalog.find_open_model(tx, actor, target.model, Permission.ALIAS_MOVE)
    _, version = find_version(tx, actor, Ref(model.name, target.selector))
    reference = f"{model.name}:{version.number}"
    refuse_deleted(model.name, version)
    if version.state == ARCHIVED:
        raise VersionArchived(reference=reference)
    refuse_held(tx, model, version)
    refuse_protected(model, alias, version.number)
    present = alias_queries.find_alias(tx, model.id, alias)
    _check_seen(model, alias, present, seen)
    if present is not None and present.number == version.number:
        return present
    return move_to(tx, actor, model, alias, present, version, catalog_rules.check_reason(reason))


def remove_alias(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    alias: Alias,
    *,
    seen: int | None = None,
    reason: str | None = None,
) -> None:
    """Remove an alias. Raises AliasNotFound, AliasMoved."""
    model = catalog.find_open_model(tx, actor, name, Permission.ALIAS_MOVE)
    reason = catalog_rules.check_reason(reason)
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
            **events.about(model.name, present.number),
            alias=alias,
            revision=revision,
            reason=reason,
        ),
        actor,
        model.id,
    )


def refuse_protected(model: Model, alias: Alias, version: int | str) -> None:
    """Raise ProtectedAlias for a stage, which only promotion moves, through every door."""
    if alias in model.protected_aliases:
        raise ProtectedAlias(model=str(model.name), alias=str(alias), version=version)


def _check_seen(model: Model, alias: Alias, present: AliasPosition | None, seen: int | None) -> None:
    standing = present.revision if present is not None else 0
    # A removed alias counts as not set, so that it can be created again.
    is_set = present is not None and present.number is not None
    if (seen == 0 and not is_set) or (seen == ANY_REVISION and is_set):
        return
    if seen is not None and seen != standing:
        raise AliasMoved(
            model=str(model.name),
            alias=str(alias),
            version=present.number if present is not None else None,
            revision=standing,
        )


def move_to(
    tx: Transaction,
    actor: Actor,
    model: Model,
    alias: Alias,
    present: AliasPosition | None,
    version: Version,
    reason: str | None,
) -> AliasPosition:
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
            **events.about(model.name, version.number),
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
    return AliasPosition(alias, version.number, version.digest, revision, tx.now, actor.name)


def find_alias(tx: Transaction, actor: Actor, name: ModelName, alias: Alias) -> tuple[Model, AliasPosition]:
    """Find an alias. Raises AliasNotFound, also for a removed one."""
    model = catalog.find_model(tx, actor, name)
    found = alias_queries.find_alias(tx, model.id, alias)
    if found is None or found.number is None:
        raise AliasNotFound(model=str(model.name), alias=str(alias))
    return model, found


def list_aliases(tx: Transaction, actor: Actor, name: ModelName) -> tuple[Model, list[AliasPosition]]:
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
    """List the moves of an alias, newest first. at: only moves up to that time."""
    model = catalog.find_model(tx, actor, name)
    return alias_queries.list_moves(tx, model.id, alias, before, limit, at)
