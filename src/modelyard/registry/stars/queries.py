"""SQL of stars."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.tables import models, namespaces, stars
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import visible_models


def insert_star(tx: Transaction, actor_id: int, model_id: int) -> None:
    insert = postgresql.insert(stars).values(actor_id=actor_id, model_id=model_id, created_at=tx.now)
    tx.execute(insert.on_conflict_do_nothing())


def delete_star(tx: Transaction, actor_id: int, model_id: int) -> None:
    tx.execute(stars.delete().where(stars.c.actor_id == actor_id, stars.c.model_id == model_id))


def count_stars(tx: Transaction, actor_id: int) -> int:
    query = sa.select(sa.func.count()).select_from(stars).where(stars.c.actor_id == actor_id)
    return int(tx.execute(query).scalar_one())


def list_starred(tx: Transaction, actor: Actor) -> list[ModelName]:
    """List the starred models that the actor may still read, by name."""
    query = (
        sa.select(namespaces.c.name, models.c.name)
        .select_from(stars.join(models, models.c.id == stars.c.model_id))
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(stars.c.actor_id == actor.id, visible_models(actor))
        .order_by(namespaces.c.name, models.c.name)
    )
    return [ModelName(row[0], row[1]) for row in tx.rows(query)]
