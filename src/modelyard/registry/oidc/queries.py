"""SQL of identities and trusted publishers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.tables import (
    actors,
    group_members,
    identities,
    namespaces,
    tokens,
    trusted_publishers,
    used_id_tokens,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ActorKind, Role
from modelyard.registry.oidc.nouns import Publisher

_t = trusted_publishers.c


def _publishers() -> sa.Select[Any]:
    return (
        sa.select(
            _t.id,
            _t.namespace_id,
            namespaces.c.name,
            *_t["model", "kind", "issuer", "claims", "role", "actor_id"],
            actors.c.name,
            _t.created_at,
        )
        .join(namespaces, namespaces.c.id == _t.namespace_id)
        .join(actors, actors.c.id == _t.actor_id)
        .order_by(_t.id)
    )


def _publisher(row: Sequence[Any]) -> Publisher:
    namespace_id, namespace, model, kind, issuer = row[1:6]
    claims = load_json(row[6])
    return Publisher(
        row[0], namespace_id, namespace, model, kind, issuer, claims, Role(row[7]), row[8], row[9], row[10]
    )


def list_publishers(
    tx: Transaction,
    *,
    namespace_id: int | None = None,
    namespace: str | None = None,
    issuer: str | None = None,
) -> list[Publisher]:
    query = _publishers()
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    if namespace_id is not None:
        query = query.where(_t.namespace_id == namespace_id)
    if issuer is not None:
        query = query.where(_t.issuer == issuer)
    return [_publisher(row) for row in tx.rows(query)]


def find_publisher(tx: Transaction, publisher_id: int) -> Publisher | None:
    rows = tx.rows(_publishers().where(_t.id == publisher_id))
    return _publisher(rows[0]) if rows else None


def insert_publisher(
    tx: Transaction,
    *,
    namespace_id: int,
    model: str | None,
    kind: str,
    issuer: str,
    claims: Mapping[str, str],
    role: Role,
    actor_id: int,
    created_by: int,
) -> int:
    insert = trusted_publishers.insert().values(
        namespace_id=namespace_id,
        model=model,
        kind=kind,
        issuer=issuer,
        claims=dump_json(claims),
        role=role.value,
        actor_id=actor_id,
        created_at=tx.now,
        created_by=created_by,
    )
    return int(tx.execute(insert.returning(_t.id)).scalar_one())


def delete_publisher(tx: Transaction, publisher: Publisher) -> None:
    tx.execute(trusted_publishers.delete().where(_t.id == publisher.id))
    tx.execute(
        tokens.update()
        .where(tokens.c.actor_id == publisher.actor_id, tokens.c.revoked_at.is_(None))
        .values(revoked_at=tx.now)
    )
    tx.execute(actors.update().where(actors.c.id == publisher.actor_id).values(disabled_at=tx.now))


def use_id_token(tx: Transaction, issuer: str, token: str, expires_at: int) -> bool:
    """Record the use of a token. Returns False if it was used before."""
    insert = (
        postgresql.insert(used_id_tokens)
        .values(issuer=issuer, token=token, expires_at=expires_at)
        .on_conflict_do_nothing()
        .returning(used_id_tokens.c.token)
    )
    return tx.execute(insert).first() is not None


def forget_id_tokens(tx: Transaction) -> None:
    tx.execute(used_id_tokens.delete().where(used_id_tokens.c.expires_at < tx.now))


# --- people --------------------------------------------------------------------------------------


def find_identity(tx: Transaction, issuer: str, subject: str) -> str | None:
    """Return the name of the account with this identity; None if there is none."""
    query = (
        sa.select(actors.c.name)
        .join(identities, identities.c.actor_id == actors.c.id)
        .where(identities.c.issuer == issuer, identities.c.subject == subject)
    )
    return tx.execute(query).scalar_one_or_none()


def insert_identity(tx: Transaction, issuer: str, subject: str, actor_id: int) -> None:
    tx.execute(
        identities.insert().values(
            issuer=issuer, subject=subject, actor_id=actor_id, created_at=tx.now, last_sign_in_at=tx.now
        )
    )


def note_sign_in(tx: Transaction, issuer: str, subject: str) -> None:
    tx.execute(
        identities.update()
        .where(identities.c.issuer == issuer, identities.c.subject == subject)
        .values(last_sign_in_at=tx.now)
    )


def list_group_ids(tx: Transaction, names: Sequence[str]) -> dict[str, int]:
    query = sa.select(actors.c.name, actors.c.id).where(
        actors.c.name.in_(names), actors.c.kind == ActorKind.GROUP.value
    )
    return {row[0]: row[1] for row in tx.rows(query)}


def list_memberships(tx: Transaction, actor_id: int) -> set[int]:
    query = sa.select(group_members.c.group_id).where(group_members.c.actor_id == actor_id)
    return {row[0] for row in tx.rows(query)}
