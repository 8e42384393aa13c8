"""Sign in, and manage accounts, tokens, groups and roles."""

from __future__ import annotations

import secrets as stdlib_secrets
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import (
    ANONYMOUS,
    EVERYTHING,
    IDENTITY_PERMISSIONS,
    SYSTEM,
    Actor,
    ActorKind,
    Permission,
    Role,
    Scope,
    TokenOrigin,
)
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
    Unauthenticated,
)
from modelyard.domain.names import ModelName, fold, parse_actor_name, parse_namespace
from modelyard.domain.times import MICROSECONDS, to_datetime
from modelyard.registry.access import account_queries, queries, rules, secrets, token_queries
from modelyard.registry.access.nouns import Account, Credential, Token
from modelyard.registry.access.rules import SERVER

DAY = 86_400 * MICROSECONDS
DEFAULT_TOKEN_DAYS = 90
SESSION_LIFETIME = 14 * DAY
LINK_LIFETIME = 600 * MICROSECONDS


# --- signing in ----------------------------------------------------------------------------------


def authenticate(tx: Transaction, token: str) -> Credential:
    """Return the actor behind a token. Raises TokenInvalid or TokenExpired."""
    if not secrets.looks_like_token(token):
        raise TokenInvalid()
    credential = token_queries.find_by_token(tx, secrets.hash_secret(token))
    if credential is None:
        raise TokenInvalid()
    if credential.expires_at is not None and credential.expires_at <= tx.now:
        raise TokenExpired(expired_at=to_datetime(credential.expires_at).isoformat())
    return credential


def authenticate_session(tx: Transaction, session: str) -> Actor:
    """Return the actor behind a browser session; an anonymous one if the session has ended."""
    credential = token_queries.find_by_session(tx, secrets.hash_secret(session))
    if credential is None or (credential.expires_at is not None and credential.expires_at <= tx.now):
        return ANONYMOUS
    return credential.actor


def make_sign_in_link(tx: Transaction, actor: Actor, name: str) -> str:
    """Return a secret that signs `name` in once, within ten minutes. For one's own account, or by an admin."""
    target = _find_to_manage(tx, actor, name)
    if target.kind is ActorKind.GROUP:
        raise Invalid(reason="a group cannot sign in", fix="Make a link for one of its members")
    if target.id != actor.id:
        tx.append(events.SignInLinkMade(name=target.name), actor)
    secret = stdlib_secrets.token_urlsafe(32)
    token_queries.insert_link(tx, secrets.hash_secret(secret), target.id, tx.now + LINK_LIFETIME)
    return secret


def sign_in_by_link(tx: Transaction, secret: str) -> str:
    """Use up a link and return the secret of the new browser session. Raises SignInFailed."""
    actor_id = token_queries.use_link(tx, secrets.hash_secret(secret))
    if actor_id is None:
        raise SignInFailed()
    return open_session(tx, actor_id)


def find_for_password(tx: Transaction, name: str) -> tuple[int, str | None]:
    """Return (actor id, stored hash) to check a password against; (0, None) if no account has that name."""
    account = account_queries.find_actor(tx, fold(name))
    if account is None or account.disabled_at is not None:
        return 0, None
    return account.id, account_queries.find_password_hash(tx, account.id)


def sign_in_by_password(tx: Transaction, actor_id: int, matches: bool) -> str:
    """Open a session if the password matched (it is checked outside the transaction, because that is slow)."""
    if not matches or actor_id == 0:
        raise SignInFailed()
    return open_session(tx, actor_id)


def open_session(tx: Transaction, actor_id: int) -> str:
    """Return the secret of a new browser session, for callers that have proof of identity."""
    session = stdlib_secrets.token_urlsafe(32)
    token_queries.insert_session(tx, secrets.hash_secret(session), actor_id, tx.now + SESSION_LIFETIME)
    return session


def check_sees_metrics(actor: Actor) -> None:
    """Return if the actor may read the server's metrics: admins and auditors only."""
    if not rules.may(actor, Permission.SERVER_OPERATE, SERVER):
        rules.check(actor, Permission.LOG_READ, SERVER)


def note_failed_sign_ins(tx: Transaction, what: str, address: str, attempts: int, account: str | None) -> None:
    """Log that attempts are slowed down. account: as typed; kept only if an account of that name exists."""
    known = account_queries.find_actor(tx, fold(account)) if account else None
    tx.append(
        events.SignInFailed(
            what=what, address=address[:100], attempts=attempts, account=known.name if known else None
        ),
        ANONYMOUS,
    )


def sign_out(tx: Transaction, session: str) -> None:
    token_queries.delete_session(tx, secrets.hash_secret(session))


def list_own_groups(tx: Transaction, actor: Actor) -> list[str]:
    """List the names of the actor's groups. Raises Unauthenticated for a caller without an account."""
    if actor.is_anonymous:
        raise Unauthenticated()
    return account_queries.list_groups_of(tx, actor.id)


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
    is_auditor: bool = False,
) -> Account:
    """Create a user, service account or group. Raises AlreadyExists, InvalidFact."""
    check_create_actor(actor)
    name = rules.check_not_pseudonym(parse_actor_name(name))
    if default_namespace is not None:
        default_namespace = parse_namespace(default_namespace)
    new_id = account_queries.insert_actor(
        tx,
        name=name,
        kind=kind,
        display_name=rules.check_display_name(display_name),
        email=None if email is None else rules.check_email(email),
        password_hash=password_hash,
        is_admin=is_admin,
        default_namespace=default_namespace,
        made_by=actor.id,
        is_auditor=is_auditor,
    )
    if new_id is None:
        if account_queries.was_deleted(tx, name):
            raise Conflict(
                reason=f"an account {name!r} was deleted, and policies and the log may still name it",
                fix="Choose another name",
            )
        raise AlreadyExists(what=f"an account {name!r}")
    tx.append(
        events.ActorCreated(name=name, actor_kind=kind.value, is_admin=is_admin, is_auditor=is_auditor or None),
        actor,
    )
    return _find_actor(tx, name)


def check_create_actor(actor: Actor) -> None:
    """Return if the actor may create accounts. Also called before a password is hashed, which is slow."""
    rules.check(actor, Permission.ACTORS_MANAGE, SERVER)


def find_actor(tx: Transaction, actor: Actor, name: str) -> Account:
    """Find an account, for any signed-in actor; only it and admins see its address. Raises ActorNotFound."""
    rules.check(actor, Permission.NAMESPACE_READ, SERVER)
    return _without_address(actor, _find_actor(tx, name))


def _without_address(actor: Actor, row: Account) -> Account:
    """Return the row as the actor may see it."""
    may_see = row.id == actor.id or rules.holds(actor, Permission.ACTORS_MANAGE, SERVER)
    return row if may_see else replace(row, email=None)


def list_actors(
    tx: Transaction, actor: Actor, kind: ActorKind | None, after: str | None, limit: int
) -> list[Account]:
    rules.check(actor, Permission.NAMESPACE_READ, SERVER)
    return [_without_address(actor, row) for row in account_queries.list_actors(tx, actor, kind, after, limit)]


def find_actors(tx: Transaction, actor: Actor, text: str, limit: int) -> list[Account]:
    """Find the accounts that are not disabled and whose name begins so, for any signed-in actor."""
    rules.check(actor, Permission.NAMESPACE_READ, SERVER)
    return [
        _without_address(actor, row) for row in account_queries.list_beginning(tx, actor, fold(text), limit)
    ]


class ActorEdit(msgspec.Struct, frozen=True):
    """Changes to an account. Fields that are None stay unchanged."""

    display_name: str | None = None
    email: str | None = None
    password_hash: str | None = None
    is_admin: bool | None = None
    default_namespace: str | None = None
    disabled: bool | None = None
    is_auditor: bool | None = None

    @property
    def is_for_admins(self) -> bool:
        return any(value is not None for value in (self.is_admin, self.is_auditor, self.disabled))


def check_edit_actor(tx: Transaction, actor: Actor, name: str) -> None:
    """Return if the actor may change the account. Also called before a password is hashed, which is slow."""
    _find_to_manage(tx, actor, name)


def edit_actor(tx: Transaction, actor: Actor, name: str, edit: ActorEdit) -> Account:
    """Change an account: its owner may edit display name, e-mail, password and default namespace, an admin everything.

    Raises InvalidFact; Conflict when it would leave the server without an admin.
    """
    target = _find_to_manage(tx, actor, name)
    if edit.is_for_admins:
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
    if edit.is_auditor is not None:
        values["is_auditor"] = int(edit.is_auditor)
    if edit.disabled is not None:
        values["disabled_at"] = tx.now if edit.disabled else None
    changes = dict(values)
    if edit.password_hash is not None:
        values["password_hash"] = edit.password_hash
        changes["password_changed"] = True
    if not values:
        return target
    account_queries.update_actor(tx, target.id, values)
    if edit.disabled or edit.password_hash is not None:
        token_queries.delete_sessions_of(tx, target.id)
    if account_queries.count_admins(tx) == 0:
        raise Conflict(
            reason="the server would have no admin left",
            fix="Make somebody else an admin first: modelyard user edit NAME --admin",
        )
    tx.append(events.ActorEdited(name=target.name, changes=changes), actor)
    return _find_actor(tx, name)


def _find_actor(tx: Transaction, name: str) -> Account:
    account = account_queries.find_actor(tx, fold(name))
    if account is None:
        raise ActorNotFound(name=name[:100])
    return account


def find_to_delete(tx: Transaction, actor: Actor, name: str) -> Account:
    """Return the account of a person that the actor may delete: its own, or any one for an admin.

    Raises ActorNotFound, Denied, FullSignInNeeded; Invalid for a service account or a group; Conflict for the last
    admin and for the last owner of a namespace.
    """
    target = _find_to_manage(tx, actor, name)
    if target.kind is not ActorKind.USER:
        raise Invalid(
            reason=f"{target.name} is a {target.kind.value}, and only accounts of people are deleted",
            fix=f"Block a service account with: modelyard user edit {target.name} --disable",
        )
    if target.is_admin and account_queries.list_admins(tx) == [target.name]:
        raise Conflict(
            reason="the server would have no admin left",
            fix="Make somebody else an admin first: modelyard user edit NAME --admin",
        )
    alone = queries.list_owned_alone(tx, target.id)
    if alone:
        raise Conflict(
            reason=f"{target.name} is the last owner of {', '.join(alone[:10])}",
            fix=f"Make somebody else an owner first: modelyard namespace grant {alone[0]} NAME owner",
        )
    return target


def _find_to_manage(tx: Transaction, actor: Actor, name: str) -> Account:
    """Return the account whose proof of identity the actor may change: its own, or any account for an admin.

    Raises ActorNotFound, Denied, FullSignInNeeded for a token that does not stand for a full sign-in; Conflict for a
    deleted account.
    """
    rules.check(actor, Permission.ACCOUNT_MANAGE, SERVER)
    target = _find_actor(tx, name)
    if target.id != actor.id:
        rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    if target.deleted_at is not None:
        raise Conflict(
            reason=f"the account {target.name} was deleted",
            fix="Create a new one with: modelyard user create NAME",
        )
    return target


def find_same_people(tx: Transaction, names: Iterable[str]) -> dict[str, list[str]]:
    """Map each account to those of the others that count as the same person because one made the other."""
    return rules.same_people(account_queries.list_makers(tx, set(names)))


# --- groups --------------------------------------------------------------------------------------


def add_group_member(tx: Transaction, actor: Actor, group: str, name: str) -> None:
    rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    found, member = _find_group(tx, group), _find_actor(tx, name)
    if member.kind is ActorKind.GROUP:
        raise Invalid(reason="a group cannot be in a group", fix="Add its members one by one")
    if account_queries.insert_member(tx, found.id, member.id):
        tx.append(events.GroupMemberAdded(group=found.name, name=member.name), actor)


def remove_group_member(tx: Transaction, actor: Actor, group: str, name: str) -> None:
    rules.check(actor, Permission.ACTORS_MANAGE, SERVER)
    found, member = _find_group(tx, group), _find_actor(tx, name)
    if account_queries.delete_member(tx, found.id, member.id):
        tx.append(events.GroupMemberRemoved(group=found.name, name=member.name), actor)


def list_group_members(tx: Transaction, actor: Actor, group: str) -> list[str]:
    rules.check(actor, Permission.NAMESPACE_READ, SERVER)
    return account_queries.list_group_members(tx, _find_group(tx, group).id)


def _find_group(tx: Transaction, name: str) -> Account:
    account = _find_actor(tx, name)
    if account.kind is not ActorKind.GROUP:
        raise ActorNotFound(name=name[:100])
    return account


# --- tokens --------------------------------------------------------------------------------------


class NewToken(msgspec.Struct, frozen=True):
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
    """Create a token for one's own account, or for another one by an admin, in a full sign-in.

    expires_in_days: None means never, which only an admin may request. A token that was made with another token ends
    with it, and only a token that its owner made in their own sign-in stands for a full sign-in.
    """
    if form not in secrets.FORMS:
        raise Invalid(reason=f"{form[:40]!r} is not a valid token form", fix="Use modelyard or hf")
    target = _find_to_manage(tx, actor, owner or actor.name)
    if target.kind is ActorKind.GROUP:
        raise Invalid(reason="a group cannot hold a token", fix="Create a service account and a token for that")
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
        raise Invalid(reason="a token must last more than 0 and at most 3650 days", fix="Choose fewer days")
    if model is not None and namespace is None:
        raise Invalid(reason="a token for a model needs its namespace too", fix="Give the namespace")
    is_own_sign_in = actor.token_id is None and target.id == actor.id
    scope = Scope(
        _permissions(permissions),
        parse_namespace(namespace) if namespace else None,
        None if model is None else ModelName.parse(f"{namespace}/{model}").name,
    )
    return _issue_token(
        tx,
        actor,
        target,
        name=name,
        scope=scope,
        expires_in_days=expires_in_days,
        origin=TokenOrigin.SIGN_IN if is_own_sign_in else TokenOrigin.TOKEN,
        form=form,
    )


def _issue_token(
    tx: Transaction,
    actor: Actor,
    owner: Account,
    *,
    name: str,
    scope: Scope = EVERYTHING,
    expires_in_days: float | None,
    origin: TokenOrigin,
    form: str = "modelyard",
) -> NewToken:
    """Create a token, for callers that hold proof of identity. It ends no later than the token that the actor used."""
    secret = secrets.new_token("service" if owner.kind is ActorKind.SERVICE else "user", form)
    ends = [] if expires_in_days is None else [tx.now + round(expires_in_days * DAY)]
    if actor.proof_expires_at is not None:
        ends.append(actor.proof_expires_at)
    expires_at = min(ends, default=None)
    token_id = token_queries.insert_token(
        tx,
        token_hash=secrets.hash_secret(secret),
        actor_id=owner.id,
        name=rules.check_token_name(name),
        hint=secrets.hint(secret),
        permissions=None if scope.permissions is None else sorted(scope.permissions),
        namespace=scope.namespace,
        model=scope.model,
        expires_at=expires_at,
        origin=origin,
        made_with=actor.token_id,
    )
    tx.append(events.TokenCreated(token=token_id, owner=owner.name, name=name), actor)
    return NewToken(token_id, secret, expires_at)


def find_account(tx: Transaction, actor_id: int) -> Account | None:
    """Return an account by its id, for the server's own work on its behalf; None if it is gone, deleted or disabled."""
    account = account_queries.find_actor_by_id(tx, actor_id)
    return None if account is None or account.disabled_at is not None else account


def issue_program_token(
    tx: Transaction, owner: Account, *, name: str, scope: Scope, expires_in_days: float
) -> NewToken:
    """Create a token for a program that the server starts: the agent of an attempt, or the scorer of a deployment. It acts in
    the name of the account that asked for it. The server revokes it when the program ends; it is not bound to the token that
    asked."""
    return _issue_token(
        tx,
        owner.to_actor(),
        owner,
        name=name,
        scope=scope,
        expires_in_days=expires_in_days,
        origin=TokenOrigin.TOKEN,
    )


def revoke_program_token(tx: Transaction, token_id: int) -> None:
    """Revoke the token of a program; do nothing if it is revoked already."""
    owner = token_queries.find_token_owner(tx, token_id)
    if owner is not None:
        token_queries.revoke_token(tx, token_id)
        tx.append(events.TokenRevoked(token=token_id, owner=owner[1]), SYSTEM)


def _permissions(words: Iterable[str] | None) -> frozenset[Permission] | None:
    if words is None:
        return None
    try:
        wanted = frozenset(Permission(word) for word in words)
    except ValueError as exc:
        raise InvalidRequest(reason=f"{exc}", fix=f"The permissions are: {_GRANTABLE}") from None
    if wanted & IDENTITY_PERMISSIONS:
        named = ", ".join(sorted(permission.value for permission in wanted & IDENTITY_PERMISSIONS))
        raise InvalidRequest(
            reason=f"a token cannot include {named}: that needs a full sign-in",
            fix=f"The permissions are: {_GRANTABLE}",
        )
    return wanted


_GRANTABLE = ", ".join(p.value for p in Permission if p not in IDENTITY_PERMISSIONS)


def list_tokens(tx: Transaction, actor: Actor, *, everybody: bool = False) -> list[Token]:
    rules.check(actor, Permission.ACTORS_MANAGE if everybody else Permission.ACCOUNT_MANAGE, SERVER)
    return token_queries.list_tokens(tx, None if everybody else actor.id)


def revoke_token(tx: Transaction, actor: Actor, token_id: int) -> None:
    """Revoke the token in use; in a full sign-in also one's other tokens, or any token for an admin.

    Tokens that were made with it end too.

    Raises TokenNotFound.
    """
    if actor.token_id is None or token_id != actor.token_id:
        rules.check(actor, Permission.ACCOUNT_MANAGE, SERVER)
    owner = token_queries.find_token_owner(tx, token_id)
    if owner is None or (owner[0] != actor.id and not rules.may(actor, Permission.ACTORS_MANAGE, SERVER)):
        raise TokenNotFound(token=token_id)
    waiting = [(token_id, owner[1])]
    while waiting:
        each, name = waiting.pop()
        token_queries.revoke_token(tx, each)
        tx.append(events.TokenRevoked(token=each, owner=name), actor)
        waiting += token_queries.list_made_with(tx, each)


def note_token_use(tx: Transaction, token_ids: set[int]) -> None:
    token_queries.touch_tokens(tx, token_ids)


# --- roles ---------------------------------------------------------------------------------------


class Holding(msgspec.Struct, frozen=True):
    """The object of a role: a namespace, or (model_id not 0) one model in it."""

    place: rules.Place
    namespace_id: int
    model_id: int = 0


def grant_role(tx: Transaction, actor: Actor, at: Holding, name: str, role: Role) -> None:
    """Grant a role. Raises Conflict if the namespace would lose its last owner."""
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
    """Revoke a role; do nothing if there was none. Raises Conflict for the role of the last owner."""
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
    rules.refuse_strangers(actor)
    return queries.list_grants(tx, at.namespace_id, at.model_id)


# --- first start ---------------------------------------------------------------------------------


def create_first_owner(tx: Transaction, name: str, release: str) -> NewToken | None:
    """Create the admin of a new registry and a token for the local client; None if there is an admin already."""
    if account_queries.count_admins(tx) > 0:
        return None
    name = parse_actor_name(name)
    actor_id = account_queries.insert_actor(tx, name=name, kind=ActorKind.USER, is_admin=True, made_by=None)
    if actor_id is None:
        raise AlreadyExists(what=f"an account {name!r}")
    owner = Actor(actor_id, name, is_admin=True)
    tx.append(events.ServerInitialised(owner=name, release=release), owner)
    tx.append(events.ActorCreated(name=name, actor_kind="user", is_admin=True), owner)
    return _issue_local(tx, _find_actor(tx, name), "local client", None)


def _issue_local(tx: Transaction, owner: Account, name: str, expires_in_days: float | None) -> NewToken:
    return _issue_token(
        tx, owner.to_actor(), owner, name=name, expires_in_days=expires_in_days, origin=TokenOrigin.LOCAL
    )


def issue_local_token(tx: Transaction, name: str) -> NewToken | None:
    """Create another token for the local client of the first owner, after the first one was lost; None without such an
    account. Only for the process that holds the data folder, which is the proof."""
    account = account_queries.find_actor(tx, name)
    if account is None or not account.is_admin or account.disabled_at is not None:
        return None
    return _issue_local(tx, account, "local client", None)


def issue_rescue_token(tx: Transaction, name: str) -> NewToken:
    """Create a one-day token for an admin when no admin has one. Only for a process that can write the database
    directly, which is the proof. Raises ActorNotFound; Conflict for an account that is not an admin."""
    account = _find_actor(tx, name)
    if not account.is_admin or account.disabled_at is not None:
        admins = ", ".join(account_queries.list_admins(tx))
        raise Conflict(reason=f"{account.name} is not an admin who may sign in", fix=f"Name one of: {admins}")
    return _issue_local(tx, account, "rescue", 1)
