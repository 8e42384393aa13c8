"""Who may do what to a promotion: the role, narrowed by the policy, and the vote of approver groups."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Denied, PromotionNotFound
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import queries
from modelyard.registry.promotion.gates.base import groups_in
from modelyard.registry.promotion.nouns import Promotion
from modelyard.registry.promotion.policy import Policy, StageGate
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.rules import names_in


def check_named(tx: Transaction, actor: Actor, named: Sequence[str], verb: str, where: str) -> None:
    """Return when the policy narrows the verb to no one in particular, or to the actor. Raises Denied."""
    if not named or actor.name in names_in(named, queries.list_members_of(tx, groups_in(named))):
        return
    raise Denied(
        actor=actor.name,
        permission=verb,
        where=where,
        who=", ".join(named),
        role="",
        fix=f"The policy lets only {', '.join(named)} do this; ask them",
    )


def may_vote(tx: Transaction, actor: Actor, model: Model, entry: StageGate) -> bool:
    """Members of the groups that the gate's approvals name; where they name none, the person who holds the permission."""
    if not actor.scope.allows(Permission.PROMOTION_VOTE, model.name.namespace, model.name.name):
        return False
    if entry.vote_groups and is_in(tx, actor, entry.vote_groups):
        return True
    return access.may(actor, Permission.PROMOTION_VOTE, model.place)


def is_in(tx: Transaction, actor: Actor, groups: Sequence[str]) -> bool:
    return any(actor.name in members for members in queries.list_members_of(tx, groups).values())


def find_visible(tx: Transaction, actor: Actor, promotion_id: int) -> tuple[Promotion, Model, Policy]:
    """A promotion that the actor may see: a reader of the model, or whose vote its gate asks for.

    Raises PromotionNotFound for everybody else.
    """
    missing = PromotionNotFound(promotion=promotion_id)
    row = queries.find_promotion(tx, promotion_id)
    model = catalog.find_model(tx, actor, row.model) if row is not None else None
    if row is None or model is None or model.deleted_at is not None:
        raise missing
    policy = effective_policy(tx, model)
    if access.may(actor, Permission.MODEL_READ, model.place):
        return row, model, policy
    entry = policy.gates.get(row.stage)
    if entry is not None and not actor.is_anonymous and may_vote(tx, actor, model, entry):
        return row, model, policy
    if actor.is_anonymous:
        access.check(actor, Permission.MODEL_READ, model.place, lambda: missing)
    raise missing
