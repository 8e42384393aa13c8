"""SQL of roles, and of the objects that an actor may see with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.tables import actors, grants, group_members, models, namespaces
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import NEEDED_ROLE, Actor, ActorKind, Permission, Role, Visibility
from modelyard.registry.access.nouns import ReaderKind


def subject_is(actor_id: Any) -> sa.ColumnElement[bool]:
    """Match grants held by the actor or by one of its groups."""
    groups = sa.select(group_members.c.group_id).where(group_members.c.actor_id == actor_id)
    return sa.or_(grants.c.actor_id == actor_id, grants.c.actor_id.in_(groups))


def namespace_role(actor_id: Any, namespace_id: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Select the role on the namespace itself; 0: none."""
    held = (
        sa.select(sa.func.max(grants.c.role))
        .where(grants.c.namespace_id == namespace_id, grants.c.model_id == 0, subject_is(actor_id))
        .scalar_subquery()
    )
    return sa.func.coalesce(held, 0)


def model_role(actor_id: Any) -> sa.ColumnElement[int]:
    """Select the role on a row of `models`: its own grant if there is one, otherwise the namespace's."""
    own = (
        sa.select(sa.func.max(grants.c.role))
        .where(
            grants.c.namespace_id == models.c.namespace_id,
            grants.c.model_id == models.c.id,
            subject_is(actor_id),
        )
        .correlate(models)
        .scalar_subquery()
    )
    return sa.func.coalesce(own, namespace_role(actor_id, models.c.namespace_id))


# --- what an actor may see -----------------------------------------------------------------------
#
# The only code that turns a role, a visibility and a token's scope into a condition on rows; `rules.may` decides the
# same for one place. Decision record: docs/decisions/0019-identity.md.

_LEAST = {
    Permission.MODEL_READ: Role.AUDITOR,
    Permission.MODEL_PULL: Role.READER,
    Permission.NAMESPACE_READ: Role.AUDITOR,
}


def visible_models(actor: Actor, permission: Permission = Permission.MODEL_READ) -> sa.ColumnElement[bool]:
    """Match the rows of `models` that the actor may read, within the token's scope and permissions."""
    return visible_models_of(
        reader_kind(actor, permission), actor.id, actor.scope.namespace, actor.scope.model, permission
    )


def reader_kind(actor: Actor, permission: Permission = Permission.MODEL_READ) -> ReaderKind:
    held = actor.scope.permissions
    if held is not None and permission not in held:
        return ReaderKind.NOBODY
    if actor.is_admin or (actor.is_auditor and _LEAST[permission] <= Role.AUDITOR):
        return ReaderKind.ALL
    return ReaderKind.ANONYMOUS if actor.is_anonymous else ReaderKind.SIGNED_IN


def visible_models_of(
    kind: ReaderKind,
    actor_id: Any,
    namespace: Any,
    model: Any,
    permission: Permission = Permission.MODEL_READ,
) -> sa.ColumnElement[bool]:
    """namespace, model: the token's scope, as values or parameters; None for a token without one."""
    conditions = [
        models.c.deleted_at.is_(None),
        _open_or_held(kind, models.c.visibility, lambda: model_role(actor_id) >= _LEAST[permission].value),
    ]
    if namespace is not None:
        conditions.append(in_namespace(namespace))
    if model is not None:
        conditions.append(models.c.name == model)
    return sa.and_(*conditions)


def models_with(actor: Actor, permission: Permission) -> sa.ColumnElement[bool]:
    """Match the rows of `models` on which a role gives the actor a permission, within the token's scope.

    For permissions that no visibility gives.
    """
    held = actor.scope.permissions
    if held is not None and permission not in held:
        return sa.false()
    if actor.is_admin:
        return visible_models(actor)
    return sa.and_(visible_models(actor), model_role(actor.id) >= NEEDED_ROLE[permission].value)


def in_namespace(name: Any) -> sa.ColumnElement[bool]:
    """Match the rows of `models` in the namespace of that name."""
    found = sa.select(namespaces.c.id).where(namespaces.c.name == name).scalar_subquery()
    return models.c.namespace_id == found


def readable_namespaces(
    actor: Actor, permission: Permission = Permission.NAMESPACE_READ
) -> sa.ColumnElement[bool]:
    """Match the namespaces that the actor may read; a role on one of their models is not enough."""
    if actor.scope.model is not None:
        return sa.false()
    return _namespaces_of(
        actor,
        permission,
        lambda: namespace_role(actor.id, namespaces.c.id) >= _LEAST[permission].value,
    )


def known_namespaces(actor: Actor) -> sa.ColumnElement[bool]:
    """Match the namespaces that the actor may know of, including those where it holds a role on only one model."""
    held = sa.select(grants.c.namespace_id).where(subject_is(actor.id), grants.c.role >= Role.AUDITOR.value)
    return _namespaces_of(actor, Permission.NAMESPACE_READ, lambda: namespaces.c.id.in_(held))


def _namespaces_of(
    actor: Actor, permission: Permission, held: Callable[[], sa.ColumnElement[bool]]
) -> sa.ColumnElement[bool]:
    condition = _open_or_held(reader_kind(actor, permission), namespaces.c.visibility, held)
    if actor.scope.namespace is None:
        return condition
    return sa.and_(condition, namespaces.c.name == actor.scope.namespace)


def _open_or_held(
    kind: ReaderKind, visibility: sa.ColumnElement[str], held: Callable[[], sa.ColumnElement[bool]]
) -> sa.ColumnElement[bool]:
    """Match rows that are open to readers of the kind, or on which the actor has a role according to `held`."""
    if kind is ReaderKind.NOBODY:
        return sa.false()
    if kind is ReaderKind.ALL:
        return sa.true()
    if kind is ReaderKind.ANONYMOUS:
        return visibility.in_([sa.literal(Visibility.PUBLIC.value)])
    open_to = [sa.literal(word.value) for word in (Visibility.PUBLIC, Visibility.SIGNED_IN)]
    return sa.or_(visibility.in_(open_to), held())


# --- grants --------------------------------------------------------------------------------------


def set_grant(tx: Transaction, actor_id: int, namespace_id: int, model_id: int, role: Role) -> None:
    insert = postgresql.insert(grants).values(
        actor_id=actor_id, namespace_id=namespace_id, model_id=model_id, role=role.value, created_at=tx.now
    )
    tx.execute(
        insert.on_conflict_do_update(
            index_elements=["actor_id", "namespace_id", "model_id"], set_={"role": role.value}
        )
    )


def delete_grant(tx: Transaction, actor_id: int, namespace_id: int, model_id: int) -> bool:
    done = tx.execute(
        grants.delete().where(
            grants.c.actor_id == actor_id, grants.c.namespace_id == namespace_id, grants.c.model_id == model_id
        )
    )
    return done.rowcount > 0


def list_grants(tx: Transaction, namespace_id: int, model_id: int) -> list[tuple[str, ActorKind, Role]]:
    """List (name, kind, role) of all grants on a namespace (model_id 0) or on one model."""
    query = (
        sa.select(actors.c.name, actors.c.kind, grants.c.role)
        .join(actors, actors.c.id == grants.c.actor_id)
        .where(grants.c.namespace_id == namespace_id, grants.c.model_id == model_id)
        .order_by(actors.c.name)
    )
    return [(row[0], ActorKind(row[1]), Role(row[2])) for row in tx.rows(query)]


def list_owned_alone(tx: Transaction, actor_id: int) -> list[str]:
    """List the namespaces that have this account as an owner, and no other one that is not disabled."""
    others = grants.alias("others")
    other = (
        sa.select(others.c.id)
        .join(actors, actors.c.id == others.c.actor_id)
        .where(
            others.c.namespace_id == grants.c.namespace_id,
            others.c.model_id == 0,
            others.c.role == Role.OWNER.value,
            others.c.actor_id != actor_id,
            actors.c.disabled_at.is_(None),
        )
        .correlate(grants)
    )
    query = (
        sa.select(namespaces.c.name)
        .join(grants, grants.c.namespace_id == namespaces.c.id)
        .where(
            grants.c.actor_id == actor_id,
            grants.c.model_id == 0,
            grants.c.role == Role.OWNER.value,
            ~sa.exists(other),
        )
        .order_by(namespaces.c.name)
    )
    return [name for (name,) in tx.rows(query)]


def count_owners(tx: Transaction, namespace_id: int) -> int:
    query = sa.select(sa.func.count()).where(
        grants.c.namespace_id == namespace_id, grants.c.model_id == 0, grants.c.role == Role.OWNER.value
    )
    return int(tx.execute(query).scalar_one())
