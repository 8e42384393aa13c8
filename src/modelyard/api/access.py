"""Routes of accounts, tokens, groups and roles."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from modelyard.api import shapes
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ActorKind, Role
from modelyard.domain.errors import Invalid, SignInFailed
from modelyard.doors.browser import SESSION_COOKIE, set_session_cookie
from modelyard.doors.call import Call
from modelyard.doors.guarding import begin_password, hold_back, password_was_right
from modelyard.doors.paging import cut, decode_cursor, page_limit
from modelyard.doors.table import RouteTable
from modelyard.registry.access import secrets
from modelyard.registry.access import usecases as access
from modelyard.registry.access.usecases import ActorEdit, Holding
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.idempotency import Answer
from modelyard.wire import access as wire
from modelyard.wire.base import PageQuery

table = RouteTable("access")


@table.route("GET", "/api/v1/whoami")
async def whoami(call: Call) -> wire.WhoAmI:
    """Who the token or session belongs to, and what it may."""
    actor = call.actor
    groups = await call.point(lambda tx: access.list_own_groups(tx, actor))
    held = actor.scope.permissions
    return wire.WhoAmI(
        name=actor.name,
        kind=actor.kind.value,
        is_admin=actor.is_admin,
        default_namespace=actor.default_namespace,
        groups=groups,
        token_permissions=None if held is None else sorted(p.value for p in held),
        token_namespace=actor.scope.namespace,
        token_model=actor.scope.model,
        token_id=actor.token_id,
        is_auditor=actor.is_auditor,
        is_full_sign_in=actor.is_full_sign_in,
        server=call.services.release,
    )


# --- accounts --------------------------------------------------------------------------------------


class AccountQuery(PageQuery, kw_only=True):
    """kind: user, service or group."""

    kind: str | None = None


def _kind(word: str) -> ActorKind:
    try:
        return ActorKind(word)
    except ValueError:
        raise Invalid(reason=f"{word[:40]!r} is no kind of account", fix="Use user, service or group") from None


@table.route("GET", "/api/v1/accounts")
async def list_accounts(call: Call, query: AccountQuery) -> wire.AccountPage:
    """Users, service accounts and groups, by name."""
    limit = page_limit(query)
    after = decode_cursor(query.cursor, str)
    kind = _kind(query.kind) if query.kind else None
    found = await call.read(
        lambda tx: access.list_actors(tx, call.actor, kind, after[0] if after else None, limit + 1)
    )
    page, cursor = cut(found, limit, lambda row: (row.name,))
    return wire.AccountPage(items=[shapes.account(row) for row in page], next_cursor=cursor)


async def _password_hash(call: Call, password: str | None) -> str | None:
    if password is None:
        return None
    return await call.in_thread("passwords", secrets.hash_password, password)


@table.route("POST", "/api/v1/accounts", status=201)
async def create_account(call: Call, body: wire.CreateAccount) -> Answer[wire.Account]:
    """Make a user, a service account or a group."""
    access.check_create_actor(call.actor)
    password_hash = await _password_hash(call, body.password)
    return await call.commit(
        lambda tx: shapes.account(
            access.create_actor(
                tx,
                call.actor,
                name=body.name,
                kind=_kind(body.kind),
                display_name=body.display_name,
                email=body.email,
                password_hash=password_hash,
                is_admin=body.is_admin,
                default_namespace=body.default_namespace,
                is_auditor=body.is_auditor,
            )
        )
    )


@table.route("GET", "/api/v1/accounts/{account}")
async def show_account(call: Call) -> wire.Account:
    """One account."""
    return shapes.account(
        await call.point(partial(access.find_actor, actor=call.actor, name=call.path["account"]))
    )


@table.route("PATCH", "/api/v1/accounts/{account}")
async def edit_account(call: Call, body: wire.EditAccount) -> Answer[wire.Account]:
    """Change an account; one's own in a full sign-in, or any by an admin."""
    await call.point(lambda tx: access.check_edit_actor(tx, call.actor, call.path["account"]))
    edit = ActorEdit(
        display_name=body.display_name,
        email=body.email,
        password_hash=await _password_hash(call, body.password),
        is_admin=body.is_admin,
        default_namespace=body.default_namespace,
        disabled=body.disabled,
        is_auditor=body.is_auditor,
    )
    return await call.commit(
        lambda tx: shapes.account(access.edit_actor(tx, call.actor, call.path["account"], edit))
    )


@table.route("POST", "/api/v1/accounts/{account}/sign-in-link", status=201, tells_secret=True)
async def create_sign_in_link(call: Call) -> wire.SignInLink:
    """A link that signs the account in on a browser, once, within ten minutes."""
    # Not kept under an idempotency key: the answer holds a secret, and only its hash is ever stored.
    secret = await call.write(lambda tx: access.make_sign_in_link(tx, call.actor, call.path["account"]))
    return wire.SignInLink(url=f"{call.services.public_url}/login?link={secret}")


@table.route("POST", "/api/v1/session", status=204, public=True)
async def sign_in(call: Call, body: wire.SignIn) -> Response:
    """Open a browser session with name and password, or with the secret of a sign-in link."""
    session = await (
        _session_by_link(call, body.link) if body.link else _session_by_password(call, body.name, body.password)
    )
    response = Response(status_code=204, headers={"cache-control": "no-store"})
    set_session_cookie(response, session, secure=call.services.public_url.startswith("https:"))
    return response


async def _session_by_link(call: Call, link: str) -> str:
    try:
        return await call.write(lambda tx: access.sign_in_by_link(tx, link))
    except SignInFailed:
        await hold_back(call.request, call.services, "link")
        raise


async def _session_by_password(call: Call, name: str, password: str) -> str:
    await begin_password(call.request, call.services, name)
    actor_id, stored = await call.point(lambda tx: access.find_for_password(tx, name))
    matches = await call.in_thread("passwords", secrets.password_matches, stored, password)
    session = await call.write(lambda tx: access.sign_in_by_password(tx, actor_id, matches))
    password_was_right(call.request, call.services, name)
    return session


@table.route("DELETE", "/api/v1/session", status=204)
async def sign_out(call: Call) -> Response:
    """End the browser session."""
    session = call.request.cookies.get(SESSION_COOKIE)
    if session is not None:
        await call.write(lambda tx: access.sign_out(tx, session))
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE)
    return response


# --- groups ----------------------------------------------------------------------------------------


@table.route("GET", "/api/v1/groups/{group}/members")
async def list_group_members(call: Call) -> wire.NameList:
    """Who is in a group."""
    found = await call.point(lambda tx: access.list_group_members(tx, call.actor, call.path["group"]))
    return wire.NameList(items=found)


@table.route("PUT", "/api/v1/groups/{group}/members/{account}", status=204)
async def add_group_member(call: Call) -> Answer[None]:
    """Put an account into a group."""
    return await call.commit(
        lambda tx: access.add_group_member(tx, call.actor, call.path["group"], call.path["account"])
    )


@table.route("DELETE", "/api/v1/groups/{group}/members/{account}", status=204)
async def remove_group_member(call: Call) -> Answer[None]:
    """Take an account out of a group."""
    return await call.commit(
        lambda tx: access.remove_group_member(tx, call.actor, call.path["group"], call.path["account"])
    )


# --- tokens ----------------------------------------------------------------------------------------


class TokenQuery(PageQuery, kw_only=True):
    everybody: bool = False
    """Those of all accounts, for admins."""


@table.route("GET", "/api/v1/tokens")
async def list_tokens(call: Call, query: TokenQuery) -> wire.TokenList:
    """One's own tokens, newest first, without their secrets."""
    found = await call.read(lambda tx: access.list_tokens(tx, call.actor, everybody=query.everybody))
    return wire.TokenList(items=[shapes.token(row) for row in found])


@table.route("POST", "/api/v1/tokens", status=201, tells_secret=True)
async def create_token(call: Call, body: wire.CreateToken) -> wire.CreatedToken:
    """Make a token, in a full sign-in; it is shown this once, and ends no later than the one it was made with."""

    def work(tx: Transaction) -> access.NewToken:
        return access.create_token(
            tx,
            call.actor,
            name=body.name,
            owner=body.owner,
            permissions=body.permissions,
            namespace=body.namespace,
            model=body.model,
            expires_in_days=body.expires_in_days,
            form=body.form,
        )

    # Not kept under an idempotency key: the answer holds a secret, and only its hash is ever stored.
    made = await call.write(work)
    return wire.CreatedToken(id=made.id, token=made.secret, expires_at=shapes.optional_time(made.expires_at))


@table.route("DELETE", "/api/v1/tokens/{token:number}", status=204)
async def revoke_token(call: Call) -> Answer[None]:
    """Revoke a token at once, and what was made with it."""
    token_id = int(call.request.path_params["token"])
    return await call.commit(lambda tx: access.revoke_token(tx, call.actor, token_id))


# --- roles -----------------------------------------------------------------------------------------


def _role(word: str) -> Role:
    try:
        return Role.from_word(word)
    except KeyError:
        words = "none, auditor, reader, contributor, maintainer or owner"
        raise Invalid(reason=f"{word[:40]!r} is no role", fix=f"Use {words}") from None


def _holding(call: Call, tx: Transaction) -> Holding:
    if "name" in call.path:
        return catalog.model_holding(tx, call.actor, call.model)
    return catalog.namespace_holding(tx, call.actor, call.path["namespace"])


async def _list_members(call: Call) -> wire.MemberList:
    found = await call.point(lambda tx: access.list_members(tx, call.actor, _holding(call, tx)))
    return wire.MemberList(items=[wire.Member(name=n, kind=k.value, role=r.word) for n, k, r in found])


async def _grant(call: Call, word: str) -> Answer[None]:
    role = _role(word)
    return await call.commit(
        lambda tx: access.grant_role(tx, call.actor, _holding(call, tx), call.path["account"], role)
    )


async def _revoke(call: Call) -> Answer[None]:
    return await call.commit(
        lambda tx: access.revoke_role(tx, call.actor, _holding(call, tx), call.path["account"])
    )


@table.route("GET", "/api/v1/namespaces/{namespace}/members")
async def list_namespace_members(call: Call) -> wire.MemberList:
    """Who holds a role on the namespace."""
    return await _list_members(call)


@table.route("PUT", "/api/v1/namespaces/{namespace}/members/{account}", status=204)
async def grant_namespace_role(call: Call, body: wire.GrantRole) -> Answer[None]:
    """Give an account or a group a role on the namespace."""
    return await _grant(call, body.role)


@table.route("DELETE", "/api/v1/namespaces/{namespace}/members/{account}", status=204)
async def revoke_namespace_role(call: Call) -> Answer[None]:
    """Take a role on the namespace away."""
    return await _revoke(call)


@table.route("GET", "/api/v1/models/{namespace}/{name}/members")
async def list_model_members(call: Call) -> wire.MemberList:
    """Who holds a role on the model itself, in place of the one on its namespace."""
    return await _list_members(call)


@table.route("PUT", "/api/v1/models/{namespace}/{name}/members/{account}", status=204)
async def grant_model_role(call: Call, body: wire.GrantRole) -> Answer[None]:
    """Give an account or a group a role on this model alone; `none` hides it from them."""
    return await _grant(call, body.role)


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/members/{account}", status=204)
async def revoke_model_role(call: Call) -> Answer[None]:
    """Take a role on the model away, so that the one on its namespace counts again."""
    return await _revoke(call)
