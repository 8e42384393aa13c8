"""Find other people who could decide: people release their own pushes alone only if there are none."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import NEEDED_ROLE, Actor, Permission
from modelyard.domain.errors import SecondPersonNeeded
from modelyard.registry.access import usecases as access
from modelyard.registry.quarantine import queries

_MOST_NAMED = 5


def others_with_right(
    tx: Transaction, actor: Actor, permission: Permission, namespace: str, model_id: int = 0
) -> list[str]:
    """List the other people who hold the permission by a role in the namespace or on the model.

    Accounts that the actor made, or that made the actor's, count as the actor. Admins count where they hold a role.
    """
    roles = queries.list_people(tx, namespace, model_id)
    able = {name for name, role in roles.items() if role >= NEEDED_ROLE[permission]} - {actor.name}
    same = access.find_same_people(tx, {actor.name, *able}).get(actor.name, [])
    return sorted(able - {*same})


def is_same_person(tx: Transaction, actor: Actor, author: str) -> bool:
    return actor.name == author or author in access.find_same_people(tx, {actor.name, author}).get(
        actor.name, []
    )


def acts_alone(
    tx: Transaction, actor: Actor, author: str, permission: Permission, namespace: str, model_id: int, what: str
) -> bool:
    """Return whether the actor may release their own push because no one else could; False: it is somebody else's.

    Raises SecondPersonNeeded, which names others who can.
    """
    if not is_same_person(tx, actor, author):
        return False
    others = others_with_right(tx, actor, permission, namespace, model_id)
    if others:
        refuse_alone(actor, what, "release it", others)
    return True


def refuse_alone(actor: Actor, what: str, verb: str, others: list[str]) -> None:
    """Raise SecondPersonNeeded if another person could decide."""
    who = ", ".join(others[:_MOST_NAMED])
    raise SecondPersonNeeded(actor=actor.name, reference=what, verb=verb, who=who)
