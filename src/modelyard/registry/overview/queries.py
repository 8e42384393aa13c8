"""SQL of what waits for an account."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables import model_owners, models, namespaces
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import models_with, visible_models


def list_edited(
    tx: Transaction, actor: Actor, limit: int
) -> list[tuple[int, ModelName, int, bool, bool, bool]]:
    """List (id, name, changed at, has an owner, has a card, has a policy) of models with versions that the actor may
    edit, most recently changed first."""
    owned = sa.exists().where(model_owners.c.model_id == models.c.id)
    has_policy = sa.or_(models.c.protected_aliases.is_not(None), namespaces.c.protected_aliases.is_not(None))
    query = (
        sa.select(
            models.c.id,
            namespaces.c.name,
            models.c.name,
            models.c.updated_at,
            owned,
            models.c.card_text != "",
            has_policy,
        )
        .select_from(models.join(namespaces, namespaces.c.id == models.c.namespace_id))
        .where(
            models_with(actor, Permission.MODEL_EDIT),
            models.c.archived_at.is_(None),
            models.c.newest_version.is_not(None),
        )
        .order_by(models.c.updated_at.desc(), models.c.id.desc())
        .limit(limit)
    )
    return [
        (row[0], ModelName(row[1], row[2]), row[3], bool(row[4]), bool(row[5]), bool(row[6]))
        for row in tx.rows(query)
    ]


def list_owned(tx: Transaction, actor: Actor, limit: int) -> list[ModelName]:
    """List the models that name the actor as an owner, by name."""
    query = (
        sa.select(namespaces.c.name, models.c.name)
        .select_from(model_owners.join(models, models.c.id == model_owners.c.model_id))
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(model_owners.c.owner == actor.name, visible_models(actor))
        .order_by(namespaces.c.name, models.c.name)
        .limit(limit)
    )
    return [ModelName(row[0], row[1]) for row in tx.rows(query)]
