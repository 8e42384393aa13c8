"""Star models, and list them."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Invalid
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.usecases import find_model
from modelyard.registry.stars import queries

MOST_STARS = 100
"""Most starred models of an account; every page lists the first of them."""


def star(tx: Transaction, actor: Actor, name: ModelName) -> ModelName:
    """Star a model; do nothing if it is starred. Raises ModelNotFound; Invalid beyond `MOST_STARS`."""
    model = find_model(tx, actor, name)
    access.refuse_strangers(actor)
    if queries.count_stars(tx, actor.id) >= MOST_STARS and model.name not in queries.list_starred(tx, actor):
        raise Invalid(
            reason=f"you have starred {MOST_STARS} models, and more are not kept",
            fix="Remove one first: modelyard star MODEL --undo",
        )
    queries.insert_star(tx, actor.id, model.id)
    return model.name


def unstar(tx: Transaction, actor: Actor, name: ModelName) -> None:
    """Remove a star; do nothing if there is none. Raises ModelNotFound."""
    model = find_model(tx, actor, name)
    access.refuse_strangers(actor)
    queries.delete_star(tx, actor.id, model.id)


def list_starred(tx: Transaction, actor: Actor) -> list[ModelName]:
    """List the models that the actor starred and may read, by name."""
    access.refuse_strangers(actor)
    return queries.list_starred(tx, actor)
