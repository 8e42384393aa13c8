"""Signing in, accounts, tokens, groups and roles."""

from __future__ import annotations

import secrets as stdlib_secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelyard.db.transaction import MICROSECONDS, Transaction, dump_json, to_datetime
from modelyard.domain import events
from modelyard.domain.actor import ANONYMOUS, Actor, ActorKind, Permission, Role
from modelyard.domain.errors import (
    ActorNotFound,
    AlreadyExists,
    Conflict,
    Denied,
    Invalid,
    InvalidRequest,
    SignInFailed,
    TokenExpired,
    TokenInvalid,
    TokenNotFound,
)
from modelyard.domain.names import parse_actor_name, parse_namespace
from modelyard.registry.access import queries, rules, secrets
from modelyard.registry.access.queries import ActorRow, Credential, TokenRow
from modelyard.registry.access.rules import SERVER

DAY = 86_400 * MICROSECONDS
DEFAULT_TOKEN_DAYS = 90
SESSION_LIFETIME = 14 * DAY
LINK_LIFETIME = 600 * MICROSECONDS


# --- who asks ------------------------------------------------------------------------------------


def authenticate(tx: Transaction, token: str) -> Credential:
    """The actor behind a token. Raises TokenInvalid or TokenExpired."""
    if not secrets.looks_like_token(token):
        raise TokenInvalid()
    found = queries.find_by_token(tx, secrets.hash_secret(token))
    if found is None:
        raise TokenInvalid()
    if found.expires_at is not None and found.expires_at <= tx.now:
        raise TokenExpired(expired_at=to_datetime(found.expires_at).isoformat())
    return found


def authenticate_session(tx: Transaction, session: str) -> Actor:
    """The actor behind a browser session; anonymous when it has ended."""
    found = queries.find_by_session(tx, secrets.hash_secret(session))
    if found is None or (found.expires_at is not None and found.expires_at <= tx.now):
        return ANONYMOUS
    return found.actor


def make_sign_in_link(tx: Transaction, actor: Actor, name: str) -> str:
    """A secret that signs `name` in once, within ten minutes. For oneself, or by an admin."""
    target = _find_actor(tx, name)
    if target.id != actor.id:
        rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    secret = stdlib_secrets.token_urlsafe(32)
    queries.insert_link(tx, secrets.hash_secret(secret), target.id, tx.now + LINK_LIFETIME)
    return secret


def sign_in_by_link(tx: Transaction, secret: str) -> str:
    """Use up a link; returns the secret of the new browser session. Raises SignInFailed."""
    actor_id = queries.use_link(tx, secrets.hash_secret(secret))
    if actor_id is None:
        raise SignInFailed()
    return open_session(tx, actor_id)


def find_for_password(tx: Transaction, name: str) -> tuple[int, str | None]:
    """(actor id, stored hash) to check a password against; (0, None) for nobody."""
    found = queries.find_actor(tx, name.lower())
    if found is None or found.disabled_at is not None:
        return 0, None
    return found.id, queries.find_password_hash(tx, found.id)


def sign_in_by_password(tx: Transaction, actor_id: int, matches: bool) -> str:
    """Open a session when the password matched (checked outside of the transaction: it is slow)."""
    if not matches or actor_id == 0:
        raise SignInFailed()
    return open_session(tx, actor_id)


def open_session(tx: Transaction, actor_id: int) -> str:
    """The secret of a new browser session, for callers that have proof of who it is."""
    session = stdlib_secrets.token_urlsafe(32)
    queries.insert_session(tx, secrets.hash_secret(session), actor_id, tx.now + SESSION_LIFETIME)
    return session


def sign_out(tx: Transaction, session: str) -> None:
    queries.delete_session(tx, secrets.hash_secret(session))


# --- accounts ------------------------------------------------------------------------------------


def create_actor(
    tx: Transaction,
    actor: Actor,
    *,
    name: str,
    kind: ActorKind = ActorKind.USER,
    display_name: str = "",
    email: str | None = None,
    password_hash: str | None = None,
    is_admin: bool = False,
    default_namespace: str | None = None,
) -> ActorRow:
    """A new user, service account or group. Raises AlreadyExists, InvalidFact."""
    rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    name = parse_actor_name(name)
    if default_namespace is not None:
        default_namespace = parse_namespace(default_namespace)
    new_id = queries.insert_actor(
        tx,
        name=name,
        kind=kind,
        display_name=rules.check_display_name(display_name),
        email=None if email is None else rules.check_email(email),
        password_hash=password_hash,
        is_admin=is_admin,
        default_namespace=default_namespace,
    )
    if new_id is None:
        raise AlreadyExists(what=f"an account {name!r}")
    tx.append(events.ActorCreated(name=name, actor_kind=kind.value, is_admin=is_admin), actor)
    return _find_actor(tx, name)


def find_actor(tx: Transaction, actor: Actor, name: str) -> ActorRow:
    """Anybody signed in may look an account up. Raises ActorNotFound."""
    rules.check(actor, Permission.NAMESPACE_READ, SERVER)
    return _find_actor(tx, name)


def list_actors(
    tx: Transaction, actor: Actor, kind: ActorKind | None, after: str | None, limit: int
) -> list[ActorRow]:
    rules.check(actor, Permission.NAMESPACE_READ, SERVER)
    return queries.list_actors(tx, kind, after, limit)


@dataclass(frozen=True, slots=True)
class ActorEdit:
    """Fields that are None stay as they are."""

    display_name: str | None = None
    email: str | None = None
    password_hash: str | None = None
    is_admin: bool | None = None
    default_namespace: str | None = None
    disabled: bool | None = None


def edit_actor(tx: Transaction, actor: Actor, name: str, edit: ActorEdit) -> ActorRow:
    """Own display name, e-mail, password and default namespace; all else by an admin.

    Raises InvalidFact; Conflict when it would leave the server without an admin.
    """
    target = _find_actor(tx, name)
    if target.id != actor.id or edit.is_admin is not None or edit.disabled is not None:
        rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    values: dict[str, object] = {}
    if edit.display_name is not None:
        values["display_name"] = rules.check_display_name(edit.display_name)
    if edit.email is not None:
        values["email"] = rules.check_email(edit.email) or None
    if edit.default_namespace is not None:
        values["default_namespace"] = parse_namespace(edit.default_namespace)
    if edit.is_admin is not None:
        values["is_admin"] = int(edit.is_admin)
    if edit.disabled is not None:
        values["disabled_at"] = tx.now if edit.disabled else None
    changes = dict(values)
    if edit.password_hash is not None:
        values["password_hash"] = edit.password_hash
        changes["password_changed"] = True
    if not values:
        return target
    queries.update_actor(tx, target.id, values)
    if edit.disabled or edit.password_hash is not None:
        queries.delete_sessions_of(tx, target.id)
    if queries.count_admins(tx) == 0:
        raise Conflict(
            reason="the server would have no admin left",
            fix="Make somebody else an admin first: modelyard user edit NAME --admin",
        )
    tx.append(events.ActorEdited(name=target.name, changes=changes), actor)
    return _find_actor(tx, name)


def _find_actor(tx: Transaction, name: str) -> ActorRow:
    found = queries.find_actor(tx, name.lower())
    if found is None:
        raise ActorNotFound(name=name[:100])
    return found


# --- groups --------------------------------------------------------------------------------------


def add_group_member(tx: Transaction, actor: Actor, group: str, name: str) -> None:
    rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    found, member = _find_group(tx, group), _find_actor(tx, name)
    if member.kind is ActorKind.GROUP:
        raise Invalid(reason="a group cannot be in a group", fix="Add its members one by one")
    if queries.insert_member(tx, found.id, member.id):
        tx.append(events.GroupMemberAdded(group=found.name, name=member.name), actor)


def remove_group_member(tx: Transaction, actor: Actor, group: str, name: str) -> None:
    rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    found, member = _find_group(tx, group), _find_actor(tx, name)
    if queries.delete_member(tx, found.id, member.id):
        tx.append(events.GroupMemberRemoved(group=found.name, name=member.name), actor)


def list_group_members(tx: Transaction, actor: Actor, group: str) -> list[str]:
    rules.check(actor, Permission.NAMESPACE_READ, SERVER)
    return queries.list_group_members(tx, _find_group(tx, group).id)


def _find_group(tx: Transaction, name: str) -> ActorRow:
    found = _find_actor(tx, name)
    if found.kind is not ActorKind.GROUP:
        raise ActorNotFound(name=name[:100])
    return found


# --- tokens --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewToken:
    id: int
    secret: str
    """Shown once; only its hash is stored."""
    expires_at: int | None


def create_token(
    tx: Transaction,
    actor: Actor,
    *,
    name: str,
    owner: str | None = None,
    permissions: Iterable[str] | None = None,
    namespace: str | None = None,
    model: str | None = None,
    expires_in_days: float | None = DEFAULT_TOKEN_DAYS,
    form: str = "modelyard",
) -> NewToken:
    """For oneself, or by an admin for another account. A token never makes a wider one than itself.

    expires_in_days: None means never, which only an admin may ask for.
    """
    target = _find_actor(tx, owner) if owner else None
    if target is not None and target.id != actor.id:
        rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    elif actor.is_anonymous:
        rules.check(actor, Permission.NAMESPACE_READ, SERVER)
    if target is not None and target.kind is ActorKind.GROUP:
        raise Invalid(reason="a group cannot hold a token", fix="Make a service account for it")
    if expires_in_days is None:
        if not actor.is_admin:
            raise Denied(
                actor=actor.name,
                permission="make a token that never expires",
                where="this server",
                who="an admin",
                role="admin",
            )
    elif not 0 < expires_in_days <= 3650:
        raise Invalid(reason="a token lasts more than 0 and at most 3650 days", fix="Choose fewer days")
    wanted = _permissions(permissions)
    _refuse_widening(actor, wanted, namespace, model)
    if model is not None and namespace is None:
        raise Invalid(reason="a token for a model needs its namespace too", fix="Give the namespace")
    kind = "service" if target is not None and target.kind is ActorKind.SERVICE else "user"
    secret = secrets.new_token(kind, form)
    expires_at = None if expires_in_days is None else tx.now + round(expires_in_days * DAY)
    token_id = queries.insert_token(
        tx,
        token_hash=secrets.hash_secret(secret),
        actor_id=target.id if target else actor.id,
        name=rules.check_token_name(name),
        hint=secrets.hint(secret),
        permissions=None if wanted is None else dump_json(sorted(wanted)),
        namespace=parse_namespace(namespace) if namespace else None,
        model=model,
        expires_at=expires_at,
    )
    tx.append(
        events.TokenCreated(token=token_id, owner=target.name if target else actor.name, name=name), actor
    )
    return NewToken(token_id, secret, expires_at)


def _permissions(words: Iterable[str] | None) -> frozenset[Permission] | None:
    if words is None:
        return None
    try:
        return frozenset(Permission(word) for word in words)
    except ValueError as exc:
        known = ", ".join(p.value for p in Permission)
        raise InvalidRequest(reason=f"{exc}", fix=f"The permissions are: {known}") from None


def _refuse_widening(
    actor: Actor, wanted: frozenset[Permission] | None, namespace: str | None, model: str | None
) -> None:
    scope = actor.scope
    inside = (
        (scope.permissions is None or (wanted is not None and wanted <= scope.permissions))
        and (scope.namespace is None or scope.namespace == namespace)
        and (scope.model is None or scope.model == model)
    )
    if not inside:
        raise Denied(
            actor=actor.name,
            permission="make a token with a wider scope than the one in use",
            where="this server",
            who="the owner of the account",
            role="owner of the account",
        )


def list_tokens(tx: Transaction, actor: Actor, *, everybody: bool = False) -> list[TokenRow]:
    if everybody or actor.is_anonymous:
        rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    return queries.list_tokens(tx, None if everybody else actor.id)


def revoke_token(tx: Transaction, actor: Actor, token_id: int) -> None:
    """One's own, or any by an admin. Raises TokenNotFound."""
    owner = queries.find_token_owner(tx, token_id)
    if owner is None or (owner[0] != actor.id and not rules.may(actor, Permission.ACTORS_MANAGE, SERVER)):
        raise TokenNotFound(token=token_id)
    queries.revoke_token(tx, token_id)
    tx.append(events.TokenRevoked(token=token_id, owner=owner[1]), actor)


def note_token_use(tx: Transaction, token_ids: set[int]) -> None:
    queries.touch_tokens(tx, token_ids)


# --- roles ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holding:
    """Where a role is held: a namespace, or (model_id not 0) one model in it."""

    place: rules.Place
    namespace_id: int
    model_id: int = 0


def grant_role(tx: Transaction, actor: Actor, at: Holding, name: str, role: Role) -> None:
    """Raises Conflict when the namespace would lose its last owner."""
    rules.check(actor, Permission.MEMBERS_MANAGE, at.place)
    if role is Role.ADMIN:
        raise Invalid(reason="admin is a role on the server", fix="Use: modelyard user edit NAME --admin")
    target = _find_actor(tx, name)
    had_owner = at.model_id == 0 and queries.count_owners(tx, at.namespace_id) > 0
    queries.set_grant(tx, target.id, at.namespace_id, at.model_id, role)
    _keep_an_owner(tx, at, had_owner)
    tx.append(
        events.RoleGranted(
            namespace=at.place.namespace, model=_model_of(at.place), to=target.name, role=role.word
        ),
        actor,
        at.model_id,
    )


def revoke_role(tx: Transaction, actor: Actor, at: Holding, name: str) -> None:
    """Nothing happens when there was no role. Raises Conflict when it is the last owner's."""
    rules.check(actor, Permission.MEMBERS_MANAGE, at.place)
    target = _find_actor(tx, name)
    had_owner = at.model_id == 0 and queries.count_owners(tx, at.namespace_id) > 0
    if queries.delete_grant(tx, target.id, at.namespace_id, at.model_id):
        _keep_an_owner(tx, at, had_owner)
        tx.append(
            events.RoleRevoked(namespace=at.place.namespace, model=_model_of(at.place), to=target.name),
            actor,
            at.model_id,
        )


def _model_of(place: rules.Place) -> str | None:
    return f"{place.namespace}/{place.model}" if place.model else None


def _keep_an_owner(tx: Transaction, at: Holding, had_owner: bool) -> None:
    if had_owner and queries.count_owners(tx, at.namespace_id) == 0:
        raise Conflict(
            reason=f"namespace {at.place.namespace} would have no owner left",
            fix="Make somebody else an owner first: modelyard namespace grant NAMESPACE NAME owner",
        )


def list_members(tx: Transaction, actor: Actor, at: Holding) -> Sequence[tuple[str, ActorKind, Role]]:
    permission = Permission.MODEL_READ if at.place.model else Permission.NAMESPACE_READ
    rules.check(actor, permission, at.place)
    return queries.list_grants(tx, at.namespace_id, at.model_id)


# --- first start ---------------------------------------------------------------------------------


def create_first_owner(tx: Transaction, name: str, release: str) -> NewToken | None:
    """The admin of a new registry and a token for the local client; None when there is one already."""
    if queries.count_admins(tx) > 0:
        return None
    name = parse_actor_name(name)
    actor_id = queries.insert_actor(
        tx,
        name=name,
        kind=ActorKind.USER,
        display_name="",
        email=None,
        password_hash=None,
        is_admin=True,
        default_namespace=None,
    )
    if actor_id is None:
        raise AlreadyExists(what=f"an account {name!r}")
    owner = Actor(actor_id, name, is_admin=True)
    tx.append(events.ServerInitialised(owner=name, release=release), owner)
    tx.append(events.ActorCreated(name=name, actor_kind="user", is_admin=True), owner)
    return create_token(tx, owner, name="local client", expires_in_days=None)


def issue_local_token(tx: Transaction, name: str) -> NewToken | None:
    """Another token for the local client of the first owner, when theirs was lost; None without such an
    account. For the process that holds the data folder, which is all the proof there is."""
    found = queries.find_actor(tx, name)
    if found is None or not found.is_admin:
        return None
    return create_token(tx, found.to_actor(), name="local client", expires_in_days=None)


def issue_rescue_token(tx: Transaction, name: str) -> NewToken:
    """A token of one day for an admin, when none has one any more. For a process that can write the database
    by itself, which is all the proof there is. Raises ActorNotFound, and Conflict for who is no admin."""
    found = _find_actor(tx, name)
    if not found.is_admin or found.disabled_at is not None:
        admins = ", ".join(queries.list_admins(tx))
        raise Conflict(reason=f"{found.name} is no admin who may sign in", fix=f"Name one of: {admins}")
    return create_token(tx, found.to_actor(), name="rescue", expires_in_days=1)
