"""SQL of actors, groups, tokens, sessions and roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    grants,
    group_members,
    models,
    namespaces,
    sessions,
    sign_in_links,
    tokens,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import (
    FULL_ORIGINS,
    Actor,
    ActorKind,
    Permission,
    Role,
    Scope,
    TokenOrigin,
    Visibility,
)
from modelyard.registry.access.nouns import Account, Credential, NamespacePlace, ReaderKind, Token

_p = sa.bindparam


def subject_is(actor_id: Any) -> sa.ColumnElement[bool]:
    """Grants held by the actor or by a group of theirs."""
    groups = sa.select(group_members.c.group_id).where(group_members.c.actor_id == actor_id)
    return sa.or_(grants.c.actor_id == actor_id, grants.c.actor_id.in_(groups))


def namespace_role(actor_id: Any, namespace_id: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """The role on the namespace itself, 0 for none."""
    held = (
        sa.select(sa.func.max(grants.c.role))
        .where(grants.c.namespace_id == namespace_id, grants.c.model_id == 0, subject_is(actor_id))
        .scalar_subquery()
    )
    return sa.func.coalesce(held, 0)


def model_role(actor_id: Any) -> sa.ColumnElement[int]:
    """The role on the row of `models` at hand: its own grant when there is one, else the namespace's."""
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
# The one place where a role, a visibility and a token's scope become a condition on rows; `rules.may` says the
# same of one place. Decision record: docs/decisions/0019-identity.md.

_LEAST = {
    Permission.MODEL_READ: Role.AUDITOR,
    Permission.MODEL_PULL: Role.READER,
    Permission.NAMESPACE_READ: Role.AUDITOR,
}


def visible_models(actor: Actor, permission: Permission = Permission.MODEL_READ) -> sa.ColumnElement[bool]:
    """Which rows of `models` the actor may read, inside the token's scope and permissions."""
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
    """namespace, model: of the token's scope, None for a token without; values or parameters."""
    conditions: list[sa.ColumnElement[bool]] = [models.c.deleted_at.is_(None)]
    if kind is ReaderKind.NOBODY:
        return sa.false()
    if kind is not ReaderKind.ALL:
        conditions.append(
            _open_or_held(kind, models.c.visibility, lambda: model_role(actor_id) >= _LEAST[permission].value)
        )
    if namespace is not None:
        conditions.append(in_namespace(namespace))
    if model is not None:
        conditions.append(models.c.name == model)
    return sa.and_(*conditions)


def in_namespace(name: Any) -> sa.ColumnElement[bool]:
    """Rows of `models` in the namespace of that name."""
    found = sa.select(namespaces.c.id).where(namespaces.c.name == name).scalar_subquery()
    return models.c.namespace_id == found


def readable_namespaces(
    actor: Actor, permission: Permission = Permission.NAMESPACE_READ
) -> sa.ColumnElement[bool]:
    """Which rows of `namespaces` the actor may read as such: a role on one model of it is no role on it."""
    kind = reader_kind(actor, permission)
    if kind is ReaderKind.NOBODY or actor.scope.model is not None:
        return sa.false()
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if kind is not ReaderKind.ALL:
        conditions.append(
            _open_or_held(
                kind,
                namespaces.c.visibility,
                lambda: namespace_role(actor.id, namespaces.c.id) >= _LEAST[permission].value,
            )
        )
    if actor.scope.namespace is not None:
        conditions.append(namespaces.c.name == actor.scope.namespace)
    return sa.and_(*conditions)


def known_namespaces(actor: Actor) -> sa.ColumnElement[bool]:
    """Which rows of `namespaces` the actor may know of: also those where it holds a role on one model only."""
    kind = reader_kind(actor, Permission.NAMESPACE_READ)
    if kind is ReaderKind.NOBODY:
        return sa.false()
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if kind is not ReaderKind.ALL:
        held = sa.select(grants.c.namespace_id).where(subject_is(actor.id), grants.c.role >= Role.AUDITOR.value)
        conditions.append(_open_or_held(kind, namespaces.c.visibility, lambda: namespaces.c.id.in_(held)))
    if actor.scope.namespace is not None:
        conditions.append(namespaces.c.name == actor.scope.namespace)
    return sa.and_(*conditions)


def _open_or_held(
    kind: ReaderKind, visibility: sa.ColumnElement[str], held: Callable[[], sa.ColumnElement[bool]]
) -> sa.ColumnElement[bool]:
    if kind is ReaderKind.ANONYMOUS:
        return visibility.in_([sa.literal(Visibility.PUBLIC.value)])
    open_to = [sa.literal(word.value) for word in (Visibility.PUBLIC, Visibility.SIGNED_IN)]
    return sa.or_(visibility.in_(open_to), held())


_makers = actors.alias("makers")
_ACTOR = (
    actors.c.id,
    actors.c.name,
    actors.c.kind,
    actors.c.display_name,
    actors.c.email,
    actors.c.is_admin,
    actors.c.default_namespace,
    actors.c.created_at,
    actors.c.disabled_at,
    actors.c.is_auditor,
    sa.select(_makers.c.name).where(_makers.c.id == actors.c.made_by).scalar_subquery(),
)


def _actor_row(row: tuple[Any, ...]) -> Account:
    return Account(
        row[0],
        row[1],
        ActorKind(row[2]),
        row[3],
        row[4],
        bool(row[5]),
        row[6],
        row[7],
        row[8],
        bool(row[9]),
        row[10],
    )


_FIND_ACTOR = Statement(sa.select(*_ACTOR).where(actors.c.name == _p("name")))


def find_actor(tx: Transaction, name: str) -> Account | None:
    row = tx.one(_FIND_ACTOR, name=name)
    return _actor_row(row) if row else None


def find_actor_by_id(tx: Transaction, actor_id: int) -> Account | None:
    rows = tx.rows(sa.select(*_ACTOR).where(actors.c.id == actor_id))
    return _actor_row(rows[0]) if rows else None


def find_password_hash(tx: Transaction, actor_id: int) -> str | None:
    return tx.execute(sa.select(actors.c.password_hash).where(actors.c.id == actor_id)).scalar_one()  # type: ignore[no-any-return]


def list_actors(tx: Transaction, kind: ActorKind | None, after: str | None, limit: int) -> list[Account]:
    """By name, after the name `after`."""
    query = sa.select(*_ACTOR).order_by(actors.c.name).limit(limit)
    if kind is not None:
        query = query.where(actors.c.kind == kind.value)
    if after is not None:
        query = query.where(actors.c.name > after)
    return [_actor_row(tuple(row)) for row in tx.rows(query)]


def list_admins(tx: Transaction) -> list[str]:
    """Names of those who are not disabled, at most twenty."""
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
    display_name: str,
    email: str | None,
    password_hash: str | None,
    is_admin: bool,
    default_namespace: str | None,
    made_by: int | None,
    is_auditor: bool = False,
) -> int | None:
    """The new id; None when the name is taken. made_by: the account that made it; None: no one here did."""
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


def update_actor(tx: Transaction, actor_id: int, values: dict[str, Any]) -> None:
    tx.execute(actors.update().where(actors.c.id == actor_id).values(**values))


def count_admins(tx: Transaction) -> int:
    query = sa.select(sa.func.count()).where(actors.c.is_admin == 1, actors.c.disabled_at.is_(None))
    return int(tx.execute(query).scalar_one())


def list_makers(tx: Transaction, names: Iterable[str]) -> dict[str, tuple[ActorKind, list[str]]]:
    """Account → (its kind, who made it, who made them, and so on)."""
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
    """False when they were a member already."""
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
    query = (
        sa.select(actors.c.name)
        .join(group_members, group_members.c.actor_id == actors.c.id)
        .where(group_members.c.group_id == group_id)
        .order_by(actors.c.name)
    )
    return [row[0] for row in tx.rows(query)]


def list_groups_of(tx: Transaction, actor_id: int) -> list[str]:
    query = (
        sa.select(actors.c.name)
        .join(group_members, group_members.c.group_id == actors.c.id)
        .where(group_members.c.actor_id == actor_id)
        .order_by(actors.c.name)
    )
    return [row[0] for row in tx.rows(query)]


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
    """(name, kind, role) of all grants on a namespace (model_id 0) or on one model."""
    query = (
        sa.select(actors.c.name, actors.c.kind, grants.c.role)
        .join(actors, actors.c.id == grants.c.actor_id)
        .where(grants.c.namespace_id == namespace_id, grants.c.model_id == model_id)
        .order_by(actors.c.name)
    )
    return [(row[0], ActorKind(row[1]), Role(row[2])) for row in tx.rows(query)]


def count_owners(tx: Transaction, namespace_id: int) -> int:
    query = sa.select(sa.func.count()).where(
        grants.c.namespace_id == namespace_id, grants.c.model_id == 0, grants.c.role == Role.OWNER.value
    )
    return int(tx.execute(query).scalar_one())


# --- tokens --------------------------------------------------------------------------------------


def _scope(permissions: str | None, namespace: str | None, model: str | None) -> Scope:
    words = load_json(permissions)
    held = None if words is None else frozenset(Permission(w) for w in words)
    return Scope(held, namespace, model)


_FIND_BY_TOKEN = Statement(
    sa.select(
        actors.c.id,
        actors.c.name,
        actors.c.kind,
        actors.c.is_admin,
        actors.c.default_namespace,
        tokens.c.id,
        tokens.c.permissions,
        tokens.c.namespace,
        tokens.c.model,
        tokens.c.expires_at,
        tokens.c.last_used_at,
        tokens.c.origin,
        actors.c.is_auditor,
    )
    .join(actors, actors.c.id == tokens.c.actor_id)
    .where(tokens.c.hash == _p("hash"), tokens.c.revoked_at.is_(None), actors.c.disabled_at.is_(None))
)


def find_by_token(tx: Transaction, token_hash: str) -> Credential | None:
    row = tx.one(_FIND_BY_TOKEN, hash=token_hash)
    if row is None:
        return None
    scope = _scope(row[6], row[7], row[8])
    actor = Actor(
        row[0],
        row[1],
        ActorKind(row[2]),
        bool(row[3]),
        row[4],
        row[5],
        scope,
        is_auditor=bool(row[12]),
        is_full_sign_in=scope.is_everything and row[11] in FULL_ORIGINS,
        proof_expires_at=row[9],
    )
    return Credential(actor, row[9], row[10])


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
    """made_with: the token that it was made with, and with which it ends."""
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
    tokens.c.id,
    tokens.c.name,
    tokens.c.hint,
    actors.c.name,
    tokens.c.permissions,
    tokens.c.namespace,
    tokens.c.model,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.last_used_at,
    tokens.c.revoked_at,
)


def list_tokens(tx: Transaction, actor_id: int | None) -> list[Token]:
    """Those of one actor, or (None) of all; newest first, revoked ones left out."""
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
    """(actor id, actor name) of a token that is not revoked."""
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
    """(token, owner's name) of those that were made with the token and are not revoked."""
    query = (
        sa.select(tokens.c.id, actors.c.name)
        .join(actors, actors.c.id == tokens.c.actor_id)
        .where(tokens.c.made_with == token_id, tokens.c.revoked_at.is_(None))
        .order_by(tokens.c.id)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]


def touch_tokens(tx: Transaction, token_ids: set[int]) -> None:
    """Note that the tokens were used."""
    tx.execute(tokens.update().where(tokens.c.id.in_(token_ids)).values(last_used_at=tx.now))


# --- sessions and links --------------------------------------------------------------------------

_FIND_SESSION = Statement(
    sa.select(
        actors.c.id,
        actors.c.name,
        actors.c.kind,
        actors.c.is_admin,
        actors.c.default_namespace,
        sessions.c.expires_at,
        actors.c.is_auditor,
    )
    .join(actors, actors.c.id == sessions.c.actor_id)
    .where(sessions.c.hash == _p("hash"), actors.c.disabled_at.is_(None))
)


def find_by_session(tx: Transaction, session_hash: str) -> Credential | None:
    row = tx.one(_FIND_SESSION, hash=session_hash)
    if row is None:
        return None
    actor = Actor(
        row[0],
        row[1],
        ActorKind(row[2]),
        bool(row[3]),
        row[4],
        is_auditor=bool(row[6]),
        is_full_sign_in=True,
    )
    return Credential(actor, row[5], None)


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
    """The actor's id, once; None for an unknown, expired or used link."""
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


# --- namespaces as places ------------------------------------------------------------------------


_FIND_PLACE = Statement(
    sa.select(
        namespaces.c.id,
        namespaces.c.name,
        namespaces.c.visibility,
        namespace_role(_p("actor_id"), namespaces.c.id),
    ).where(namespaces.c.name == _p("name"))
)


def find_namespace_place(tx: Transaction, actor_id: int, name: str) -> NamespacePlace | None:
    row = tx.one(_FIND_PLACE, actor_id=actor_id, name=name)
    return NamespacePlace(row[0], row[1], row[2], Role(row[3])) if row else None
