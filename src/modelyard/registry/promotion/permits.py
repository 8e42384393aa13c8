"""Decide who may act on a promotion: by role, narrowed by the policy, and by approver groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Denied, NotFound, PromotionNotFound
from modelyard.domain.names import Ref
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import queries
from modelyard.registry.promotion.gates.base import groups_in
from modelyard.registry.promotion.nouns import OPEN, Promotion, PromotionFilter
from modelyard.registry.promotion.policy import Policy, StageGate, Who
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.rules import names_in
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.usecases import find_version

_MOST_OPEN = 100
Verb = Literal["promote", "rollback", "demote", "waive"]


def check_named(tx: Transaction, actor: Actor, named: Sequence[str], verb: str, where: str) -> None:
    """Return if the policy does not narrow the verb, or names the actor. Raises Denied."""
    if is_named(tx, actor, named):
        return
    raise Denied(
        actor=actor.name,
        permission=verb,
        where=where,
        who=", ".join(named),
        role="",
        fix=f"The policy allows only {', '.join(named)} to do this; ask them",
    )


def check_who(tx: Transaction, actor: Actor, who: Who, verb: Verb, what: str, model: Model) -> str | None:
    """Check that the policy lets the actor use the verb. what: in words, with the stage, as `promote to production`.

    Returns the warning where the policy names others but only warns. Raises Denied where it blocks.
    """
    named: list[str] = getattr(who, verb)
    if is_named(tx, actor, named):
        return None
    if who.mode != "warn":
        check_named(tx, actor, named, what, str(model.name))
    return f"the policy names {', '.join(named)} to {what}, not {actor.name}; it only warns about that"


def warn_role(
    tx: Transaction, actor: Actor, who: Who, verb: Verb, what: str, model: Model, version: int
) -> str | None:
    """Check like check_who, for a change that is being made; log the warning."""
    warning = check_who(tx, actor, who, verb, what, model)
    if warning is not None:
        named = list(getattr(who, verb))
        tx.append(
            events.RoleWarned(**events.about(model.name, version), action=what, named=named), actor, model.id
        )
    return warning


def may_act(tx: Transaction, actor: Actor, who: Who, verb: Verb) -> bool:
    """Return whether the policy does not keep the actor from the verb."""
    return who.mode == "warn" or is_named(tx, actor, getattr(who, verb))


def is_named(tx: Transaction, actor: Actor, named: Sequence[str]) -> bool:
    """Return whether the actor is among the accounts and groups to which the policy narrows a verb.

    [] means that the policy does not narrow it.
    """
    return not named or actor.name in names_in(named, queries.list_members_of(tx, groups_in(named)))


def may_complete(tx: Transaction, actor: Actor, model: Model, entry: StageGate) -> bool:
    """Return whether the actor may complete an open promotion."""
    return access.may(actor, Permission.PROMOTION_PROMOTE, model.place) and may_act(
        tx, actor, entry.who, "promote"
    )


def may_vote(tx: Transaction, actor: Actor, model: Model, entry: StageGate) -> bool:
    """Return whether the actor may vote: as a member of a group that the gate names, or without groups by permission."""
    if not actor.scope.allows(Permission.PROMOTION_VOTE, model.name.namespace, model.name.name):
        return False
    if entry.vote_groups and is_in(tx, actor, entry.vote_groups):
        return True
    return access.may(actor, Permission.PROMOTION_VOTE, model.place)


def is_in(tx: Transaction, actor: Actor, groups: Sequence[str]) -> bool:
    return any(actor.name in members for members in queries.list_members_of(tx, groups).values())


def find_readable(
    tx: Transaction, actor: Actor, ref: Ref, permission: Permission = Permission.MODEL_READ
) -> tuple[Model, Version]:
    """Return a version that the actor may read, by that permission or because they may vote on an open promotion.

    Raises like find_version.
    """
    try:
        return find_version(tx, actor, ref, permission)
    except (NotFound, Denied) as refusal:
        voted_on = _find_voted_on(tx, actor, ref)
        if voted_on is None:
            raise refusal
        return voted_on


def _find_voted_on(tx: Transaction, actor: Actor, ref: Ref) -> tuple[Model, Version] | None:
    if actor.is_anonymous:
        return None
    model = catalog.find_model(tx, actor, ref.model)
    if model is None or model.deleted_at is not None:
        return None
    for row in queries.list_promotions(
        tx, PromotionFilter(model_id=model.id, states=(OPEN,)), None, _MOST_OPEN
    ):
        version = versions.find_by_number(tx, model.id, row.number)
        entry = effective_policy(tx, model).gates.get(row.stage)
        is_meant = version is not None and ref.selector in (version.number, version.digest)
        if is_meant and entry is not None and may_vote(tx, actor, model, entry):
            assert version is not None
            return model, version
    return None


def find_visible(tx: Transaction, actor: Actor, promotion_id: int) -> tuple[Promotion, Model, Policy]:
    """Return a promotion that the actor may see, as a reader of the model or because they may vote on it.

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
