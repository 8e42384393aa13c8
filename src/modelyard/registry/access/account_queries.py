"""SQL of accounts and groups."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.row_notes import find_key
from modelyard.db.statement import Statement
from modelyard.db.tables import actors, group_members, namespaces, trusted_publishers
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, ActorKind
from modelyard.registry.access.nouns import Account
from modelyard.registry.access.queries import known_namespaces

_makers = actors.alias("makers")
_ACTOR = (
    *actors.c["id", "name", "kind", "display_name", "email"],
    *actors.c["is_admin", "default_namespace", "created_at", "disabled_at", "is_auditor"],
    sa.select(_makers.c.name).where(_makers.c.id == actors.c.made_by).scalar_subquery(),
    actors.c.deleted_at,
)


def _account(row: tuple[Any, ...]) -> Account:
    values = (*row[:2], ActorKind(row[2]), *row[3:5], bool(row[5]), *row[6:9], bool(row[9]), *row[10:12])
    return Account(*values)


_FIND_ACTOR = Statement(sa.select(*_ACTOR).where(actors.c.name == sa.bindparam("name")))


def find_actor(tx: Transaction, name: str) -> Account | None:
    row = tx.one(_FIND_ACTOR, name=name)
    return _account(row) if row else None


def find_actor_by_id(tx: Transaction, actor_id: int) -> Account | None:
    rows = tx.rows(sa.select(*_ACTOR).where(actors.c.id == actor_id))
    return _account(rows[0]) if rows else None


def find_password_hash(tx: Transaction, actor_id: int) -> str | None:
    return tx.execute(sa.select(actors.c.password_hash).where(actors.c.id == actor_id)).scalar_one()  # type: ignore[no-any-return]


def _told_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Match the accounts, except those of CI jobs of a namespace that the actor may not know of: their names tell it."""
    known = sa.select(namespaces.c.id).where(known_namespaces(actor))
    return ~sa.exists(
        sa.select(sa.literal(1)).where(
            trusted_publishers.c.actor_id == actors.c.id, trusted_publishers.c.namespace_id.not_in(known)
        )
    )


def list_actors(
    tx: Transaction, actor: Actor, kind: ActorKind | None, after: str | None, limit: int
) -> list[Account]:
    """List the accounts that the actor may know of by name, from the one after `after`."""
    query = sa.select(*_ACTOR).where(_told_to(actor)).order_by(actors.c.name).limit(limit)
    if kind is not None:
        query = query.where(actors.c.kind == kind.value)
    if after is not None:
        query = query.where(actors.c.name > after)
    return [_account(tuple(row)) for row in tx.rows(query)]


def list_beginning(tx: Transaction, actor: Actor, text: str, limit: int) -> list[Account]:
    """List the accounts that the actor may know of whose name begins so, by name."""
    query = sa.select(*_ACTOR).where(
        _told_to(actor), actors.c.name.startswith(text, autoescape=True), actors.c.disabled_at.is_(None)
    )
    return [_account(tuple(row)) for row in tx.rows(query.order_by(actors.c.name).limit(limit))]


def list_admins(tx: Transaction) -> list[str]:
    """List the names of at most twenty admins who are not disabled."""
    query = (
        sa.select(actors.c.name)
        .where(actors.c.is_admin == 1, actors.c.disabled_at.is_(None))
        .order_by(actors.c.name)
        .limit(20)
    )
    return [row[0] for row in tx.rows(query)]


def insert_actor(
    tx: Transaction,
    *,
    name: str,
    kind: ActorKind,
    made_by: int | None,
    display_name: str = "",
    email: str | None = None,
    password_hash: str | None = None,
    is_admin: bool = False,
    default_namespace: str | None = None,
    is_auditor: bool = False,
) -> int | None:
    """Return the new id; None when an account has the name, or a deleted one had it.

    made_by: the account that made it, or None.
    """
    if was_deleted(tx, name):
        return None
    insert = (
        postgresql.insert(actors)
        .values(
            name=name,
            kind=kind.value,
            display_name=display_name,
            email=email,
            password_hash=password_hash,
            is_admin=int(is_admin),
            default_namespace=default_namespace,
            created_at=tx.now,
            made_by=made_by,
            is_auditor=int(is_auditor),
        )
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(actors.c.id)
    )
    return tx.execute(insert).scalar_one_or_none()


def former_name_of(tx: Transaction, name: str) -> str:
    """Return the keyed hash of the name of a deleted account: without the key no one can guess the name from it."""
    return hmac.new(find_key(tx.connection), f"account {name}".encode(), hashlib.sha256).hexdigest()


def was_deleted(tx: Transaction, name: str) -> bool:
    """Return whether a deleted account had this name."""
    query = sa.select(actors.c.id).where(actors.c.former_name == former_name_of(tx, name))
    return tx.execute(query).first() is not None


def update_actor(tx: Transaction, actor_id: int, values: dict[str, Any]) -> None:
    tx.execute(actors.update().where(actors.c.id == actor_id).values(**values))


def count_admins(tx: Transaction) -> int:
    query = sa.select(sa.func.count()).where(actors.c.is_admin == 1, actors.c.disabled_at.is_(None))
    return int(tx.execute(query).scalar_one())


def list_makers(tx: Transaction, names: Iterable[str]) -> dict[str, tuple[ActorKind, list[str]]]:
    """Map each account to (its kind, its maker, the maker's maker, and so on)."""
    found: dict[str, tuple[ActorKind, list[str]]] = {}
    rows: dict[str, tuple[ActorKind, str | None]] = {}
    waiting = set(names)
    while waiting:
        query = (
            sa.select(actors.c.name, actors.c.kind, _makers.c.name)
            .select_from(actors.outerjoin(_makers, _makers.c.id == actors.c.made_by))
            .where(actors.c.name.in_(sorted(waiting)))
        )
        rows.update({name: (ActorKind(kind), maker) for name, kind, maker in tx.rows(query)})
        waiting = {maker for _, maker in rows.values() if maker is not None} - rows.keys()
    for name in set(names) & rows.keys():
        makers: list[str] = []
        maker = rows[name][1]
        while maker is not None and maker not in makers:
            makers.append(maker)
            maker = rows[maker][1]
        found[name] = (rows[name][0], makers)
    return found


# --- groups --------------------------------------------------------------------------------------


def insert_member(tx: Transaction, group_id: int, actor_id: int) -> bool:
    """Add a member. Return False if the account was a member already."""
    insert = (
        postgresql.insert(group_members)
        .values(group_id=group_id, actor_id=actor_id)
        .on_conflict_do_nothing()
        .returning(group_members.c.actor_id)
    )
    return tx.execute(insert).first() is not None


def delete_member(tx: Transaction, group_id: int, actor_id: int) -> bool:
    done = tx.execute(
        group_members.delete().where(group_members.c.group_id == group_id, group_members.c.actor_id == actor_id)
    )
    return done.rowcount > 0


def list_group_members(tx: Transaction, group_id: int) -> list[str]:
    return _list_names(tx, group_members.c.actor_id, group_members.c.group_id == group_id)


def list_groups_of(tx: Transaction, actor_id: int) -> list[str]:
    return _list_names(tx, group_members.c.group_id, group_members.c.actor_id == actor_id)


def _list_names(tx: Transaction, ids: sa.Column[int], condition: sa.ColumnElement[bool]) -> list[str]:
    query = (
        sa.select(actors.c.name)
        .join(group_members, ids == actors.c.id)
        .where(condition)
        .order_by(actors.c.name)
    )
    return [row[0] for row in tx.rows(query)]
