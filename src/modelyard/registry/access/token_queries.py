"""SQL of tokens, browser sessions and sign-in links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.statement import Statement
from modelyard.db.tables import actors, sessions, sign_in_links, tokens
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import FULL_ORIGINS, Actor, ActorKind, Permission, Scope, TokenOrigin
from modelyard.registry.access.nouns import Credential, Token

_p = sa.bindparam


def _scope(permissions: str | None, namespace: str | None, model: str | None) -> Scope:
    words = load_json(permissions)
    held = None if words is None else frozenset(Permission(w) for w in words)
    return Scope(held, namespace, model)


_ACTOR = actors.c["id", "name", "kind", "is_admin", "default_namespace", "is_auditor"]


def _actor(row: Sequence[Any], **proof: Any) -> Actor:
    """Return the actor of a row that begins with _ACTOR. proof: the fields that the token or session adds."""
    actor_id, name, kind, is_admin, default_namespace, is_auditor = row[:6]
    return Actor(
        actor_id,
        name,
        ActorKind(kind),
        bool(is_admin),
        default_namespace,
        is_auditor=bool(is_auditor),
        **proof,
    )


_FIND_BY_TOKEN = Statement(
    sa.select(
        *_ACTOR,
        *tokens.c["id", "permissions", "namespace", "model", "expires_at", "last_used_at", "origin"],
    )
    .join(actors, actors.c.id == tokens.c.actor_id)
    .where(tokens.c.hash == _p("hash"), tokens.c.revoked_at.is_(None), actors.c.disabled_at.is_(None))
)


def find_by_token(tx: Transaction, token_hash: str) -> Credential | None:
    row = tx.one(_FIND_BY_TOKEN, hash=token_hash)
    if row is None:
        return None
    token_id, permissions, namespace, model, expires_at, last_used_at, origin = row[6:]
    scope = _scope(permissions, namespace, model)
    actor = _actor(
        row,
        token_id=token_id,
        scope=scope,
        is_full_sign_in=scope.is_everything and origin in FULL_ORIGINS,
        proof_expires_at=expires_at,
    )
    return Credential(actor, expires_at, last_used_at)


def insert_token(
    tx: Transaction,
    *,
    token_hash: str,
    actor_id: int,
    name: str,
    hint: str,
    permissions: Sequence[str] | None,
    namespace: str | None,
    model: str | None,
    expires_at: int | None,
    origin: TokenOrigin,
    made_with: int | None,
) -> int:
    """Store a token. made_with: the token that created it; it ends when that one does."""
    insert = tokens.insert().values(
        hash=token_hash,
        actor_id=actor_id,
        name=name,
        hint=hint,
        permissions=dump_json(permissions),
        namespace=namespace,
        model=model,
        created_at=tx.now,
        expires_at=expires_at,
        origin=origin.value,
        made_with=made_with,
    )
    return int(tx.execute(insert.returning(tokens.c.id)).scalar_one())


_TOKEN = (
    *tokens.c["id", "name", "hint"],
    actors.c.name,
    *tokens.c["permissions", "namespace", "model", "created_at"],
    *tokens.c["expires_at", "last_used_at", "revoked_at"],
)


def list_tokens(tx: Transaction, actor_id: int | None) -> list[Token]:
    """List the tokens of one actor, or of all (None), newest first and without revoked ones."""
    query = (
        sa.select(*_TOKEN)
        .join(actors, actors.c.id == tokens.c.actor_id)
        .where(tokens.c.revoked_at.is_(None))
        .order_by(tokens.c.id.desc())
    )
    if actor_id is not None:
        query = query.where(tokens.c.actor_id == actor_id)
    return [Token(r[0], r[1], r[2], r[3], _scope(r[4], r[5], r[6]), *r[7:]) for r in tx.rows(query)]


def find_token_owner(tx: Transaction, token_id: int) -> tuple[int, str] | None:
    """Return (actor id, actor name) of a token that is not revoked; None otherwise."""
    query = (
        sa.select(actors.c.id, actors.c.name)
        .join(tokens, tokens.c.actor_id == actors.c.id)
        .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    )
    row = tx.execute(query).first()
    return (row[0], row[1]) if row else None


def revoke_token(tx: Transaction, token_id: int) -> None:
    tx.execute(tokens.update().where(tokens.c.id == token_id).values(revoked_at=tx.now))


def list_made_with(tx: Transaction, token_id: int) -> list[tuple[int, str]]:
    """List (token, owner's name) of the tokens that were made with this one and are not revoked."""
    query = (
        sa.select(tokens.c.id, actors.c.name)
        .join(actors, actors.c.id == tokens.c.actor_id)
        .where(tokens.c.made_with == token_id, tokens.c.revoked_at.is_(None))
        .order_by(tokens.c.id)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]


def touch_tokens(tx: Transaction, token_ids: set[int]) -> None:
    """Record that the tokens were used."""
    tx.execute(tokens.update().where(tokens.c.id.in_(token_ids)).values(last_used_at=tx.now))


# --- sessions and links --------------------------------------------------------------------------

_FIND_SESSION = Statement(
    sa.select(*_ACTOR, sessions.c.expires_at)
    .join(actors, actors.c.id == sessions.c.actor_id)
    .where(sessions.c.hash == _p("hash"), actors.c.disabled_at.is_(None))
)


def find_by_session(tx: Transaction, session_hash: str) -> Credential | None:
    row = tx.one(_FIND_SESSION, hash=session_hash)
    return Credential(_actor(row, is_full_sign_in=True), row[6], None) if row else None


def insert_session(tx: Transaction, session_hash: str, actor_id: int, expires_at: int) -> None:
    tx.execute(
        sessions.insert().values(hash=session_hash, actor_id=actor_id, created_at=tx.now, expires_at=expires_at)
    )


def delete_session(tx: Transaction, session_hash: str) -> None:
    tx.execute(sessions.delete().where(sessions.c.hash == session_hash))


def delete_sessions_of(tx: Transaction, actor_id: int) -> None:
    tx.execute(sessions.delete().where(sessions.c.actor_id == actor_id))


def insert_link(tx: Transaction, link_hash: str, actor_id: int, expires_at: int) -> None:
    tx.execute(
        sign_in_links.insert().values(
            hash=link_hash, actor_id=actor_id, created_at=tx.now, expires_at=expires_at
        )
    )


def use_link(tx: Transaction, link_hash: str) -> int | None:
    """Use up a link and return its actor's id; None for an unknown, expired or used link."""
    update = (
        sign_in_links.update()
        .where(
            sign_in_links.c.hash == link_hash,
            sign_in_links.c.used_at.is_(None),
            sign_in_links.c.expires_at > tx.now,
        )
        .values(used_at=tx.now)
        .returning(sign_in_links.c.actor_id)
    )
    return tx.execute(update).scalar_one_or_none()
