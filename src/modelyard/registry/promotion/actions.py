"""List what an actor may do with a promotion now, for doors that offer actions."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import permits, queries
from modelyard.registry.promotion.nouns import OPEN
from modelyard.registry.promotion.permits import find_visible
from modelyard.registry.promotion.policy_queries import effective_policy


class Actions(msgspec.Struct, frozen=True):
    """Each action is true if the use case would accept it from this actor; it may still refuse the version."""

    vote: bool = False
    has_voted: bool = False
    complete: bool = False
    comment: bool = False
    see_model: bool = False
    """Voters may see a promotion of a model that they may not read."""
    withdraw: bool = False
    waive: bool = False


def find_actions(tx: Transaction, actor: Actor, promotion_id: int) -> Actions:
    """Return the actor's actions. Raises PromotionNotFound."""
    row, model, policy = find_visible(tx, actor, promotion_id)
    entry = policy.gates.get(row.stage)
    always = Actions(
        comment=access.may(actor, Permission.COMMENT_WRITE, model.place),
        see_model=access.may(actor, Permission.MODEL_READ, model.place),
    )
    if row.state != OPEN or entry is None or actor.is_anonymous:
        return always
    votes = queries.list_votes(tx, row.id, tx.now)
    may_promote = access.may(actor, Permission.PROMOTION_PROMOTE, model.place)
    proposed = actor.id == row.opened_by_id and access.may(actor, Permission.PROMOTION_PROPOSE, model.place)
    return replace(
        always,
        vote=entry.has_approvals and permits.may_vote(tx, actor, model, entry),
        has_voted=any(v.by_id == actor.id and v.policy_digest == policy.digest for v in votes),
        complete=may_promote and permits.may_act(tx, actor, entry.who, "promote"),
        withdraw=may_promote or proposed,
        waive=access.may(actor, Permission.PROMOTION_WAIVE, model.place)
        and permits.may_act(tx, actor, entry.who, "waive"),
    )


class StageActions(msgspec.Struct, frozen=True):
    """What an actor may do with a stage of a model: ask for it, promote into it, roll it back."""

    request: bool = False
    promote: bool = False
    rollback: bool = False


def find_stage_actions(tx: Transaction, actor: Actor, model: Model) -> dict[str, StageActions]:
    """Return stage → the actor's actions, under the policy in force."""

    def may(permission: Permission) -> bool:
        return access.may(actor, permission, model.place)

    if not (may(Permission.PROMOTION_PROPOSE) or may(Permission.PROMOTION_ROLLBACK)):
        return {}
    policy = effective_policy(tx, model)
    return {
        name: StageActions(
            request=may(Permission.PROMOTION_PROPOSE),
            promote=may(Permission.PROMOTION_PROMOTE) and permits.may_act(tx, actor, entry.who, "promote"),
            rollback=may(Permission.PROMOTION_ROLLBACK) and permits.may_act(tx, actor, entry.who, "rollback"),
        )
        for name, entry in policy.gates.items()
    }
