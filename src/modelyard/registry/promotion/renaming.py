"""Rename a model, with its gates in view: the name decides which gates of the namespace's policy apply.

Gates of earlier names still apply. A new name may bring further gates; a version that is already behind one of them
has not passed it, so only editors of the policy may make such a rename. Decision record 0021.
"""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Denied
from modelyard.domain.names import ModelName
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import moves
from modelyard.registry.promotion.policies import check_editor, find_owner
from modelyard.registry.promotion.policy import Policy
from modelyard.registry.promotion.policy_queries import effective_policy


def rename_model(tx: Transaction, actor: Actor, name: ModelName, to: ModelName) -> Model:
    """Rename a model; the old name keeps working. Raises AlreadyExists, Denied; Invalid for another namespace."""
    before = effective_policy(tx, catalog.find_open_model(tx, actor, name, Permission.MODEL_RENAME))
    renamed = catalog.rename_model(tx, actor, name, to)
    after = effective_policy(tx, renamed)
    stages = _entered_without(tx, renamed, before, after)
    if not stages:
        return renamed
    owner = find_owner(tx, actor, renamed.name.namespace, renamed.name.name)
    try:
        check_editor(tx, actor, owner)
    except Denied as exc:
        stage = stages[0]
        raise Denied(
            actor=actor.name,
            permission=f"rename {name} to {to}",
            where=str(to),
            who="an editor of its policy",
            role="maintainer",
            fix=f"{to} has a stricter gate to {stage}, and a version of {name} is in it; "
            f"take it out first: modelyard demote {name} {stage}",
        ) from exc
    return renamed


def _entered_without(tx: Transaction, model: Model, before: Policy, after: Policy) -> list[str]:
    """Return the stages with a version in them whose gate is a different one now."""
    found = []
    for stage in after.stages:
        if before.gates.get(stage.name) == after.gates[stage.name]:
            continue
        standing = moves.find_standing(tx, model, stage)
        if standing.number is not None or standing.all:
            found.append(stage.name)
    return found
