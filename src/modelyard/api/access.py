"""Routes of accounts, tokens, groups and roles."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from modelyard.api import shapes
from modelyard.api.conversion import fields_of, optional_time, to_wire
from modelyard.db.transaction import Transaction
from modelyard.doors.browser import SESSION_COOKIE, set_session_cookie
from modelyard.doors.call import Call
from modelyard.doors.choices import parse_account_kind, parse_role
from modelyard.doors.paging import Paging
from modelyard.doors.signing_in import session_by_link, session_by_password
from modelyard.doors.table import RouteTable
from modelyard.registry.access import secrets
from modelyard.registry.access import usecases as access
from modelyard.registry.access.usecases import ActorEdit, Holding
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.idempotency import Answer
from modelyard.registry.redaction import leaving
from modelyard.wire import access as wire

table = RouteTable(__name__)


@table.route("GET", "/api/v1/whoami")
async def whoami(call: Call) -> wire.WhoAmI:
    """Return the account of the token or session, and its permissions."""
    actor = call.actor
    groups = await call.point(lambda tx: access.list_own_groups(tx, actor))
    held = actor.scope.permissions
    return to_wire(
        actor,
        wire.WhoAmI,
        groups=groups,
        token_permissions=None if held is None else sorted(p.value for p in held),
        token_namespace=actor.scope.namespace,
        token_model=actor.scope.model,
        server=call.services.release,
    )


# --- accounts --------------------------------------------------------------------------------------


@table.route("GET", "/api/v1/accounts")
async def list_accounts(call: Call, query: wire.AccountQuery) -> wire.AccountPage:
    """List users, service accounts and groups, by name."""
    paging = Paging.of(query, str)
    kind = parse_account_kind(query.kind) if query.kind else None
    accounts = await call.read(lambda tx: access.list_actors(tx, call.actor, kind, paging.start, paging.count))
    return paging.answer(wire.AccountPage, accounts, shapes.account, key=lambda row: (row.name,))


async def _password_hash(call: Call, password: str | None) -> str | None:
    if password is None:
        return None
    return await call.in_thread("passwords", secrets.hash_password, password)


@table.route("POST", "/api/v1/accounts", status=201)
async def create_account(call: Call, body: wire.CreateAccount) -> Answer[wire.Account]:
    """Create a user, a service account or a group."""
    access.check_create_actor(call.actor)
    password_hash = await _password_hash(call, body.password)
    return await call.commit(
        lambda tx: shapes.account(
            access.create_actor(
                tx,
                call.actor,
                kind=parse_account_kind(body.kind),
                password_hash=password_hash,
                **fields_of(body, "kind", "password"),
            )
        )
    )


@table.route("GET", "/api/v1/accounts/{account}")
async def show_account(call: Call) -> wire.Account:
    """Return an account."""
    return shapes.account(
        await call.point(partial(access.find_actor, actor=call.actor, name=call.path["account"]))
    )


@table.route("PATCH", "/api/v1/accounts/{account}")
async def edit_account(call: Call, body: wire.EditAccount) -> Answer[wire.Account]:
    """Change your own account, which needs a full sign-in; admins can change any account."""
    await call.point(lambda tx: access.check_edit_actor(tx, call.actor, call.path["account"]))
    password_hash = await _password_hash(call, body.password)
    edit = ActorEdit(password_hash=password_hash, **fields_of(body, "password"))
    return await call.commit(
        lambda tx: shapes.account(access.edit_actor(tx, call.actor, call.path["account"], edit))
    )


@table.route("DELETE", "/api/v1/accounts/{account}")
async def delete_account(call: Call) -> Answer[wire.Account]:
    """Delete your own account, or as an admin any person's: name, display name and e-mail address are taken away."""
    return await call.commit(
        lambda tx: shapes.account(leaving.delete_account(tx, call.actor, call.path["account"]))
    )


@table.route("POST", "/api/v1/accounts/{account}/sign-in-link", status=201, tells_secret=True)
async def create_sign_in_link(call: Call) -> wire.SignInLink:
    """Create a link that signs the account in with a browser, once, within ten minutes."""
    # No idempotency key: the answer holds a secret, and only its hash is ever stored.
    secret = await call.write(lambda tx: access.make_sign_in_link(tx, call.actor, call.path["account"]))
    return wire.SignInLink(url=f"{call.services.public_url}/login?link={secret}")


@table.route("POST", "/api/v1/session", status=204, public=True)
async def sign_in(call: Call, body: wire.SignIn) -> Response:
    """Open a browser session with a name and password, or with the secret of a sign-in link."""
    request, services = call.request, call.services
    session = await (
        session_by_link(request, services, body.link)
        if body.link
        else session_by_password(request, services, body.name, body.password)
    )
    response = Response(status_code=204, headers={"cache-control": "no-store"})
    set_session_cookie(response, session, secure=services.public_url.startswith("https:"))
    return response


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
    """List the members of a group."""
    members = await call.point(lambda tx: access.list_group_members(tx, call.actor, call.path["group"]))
    return wire.NameList(items=members)


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


@table.route("GET", "/api/v1/tokens")
async def list_tokens(call: Call, query: wire.TokenQuery) -> wire.TokenList:
    """List your tokens, newest first, without their secrets."""
    tokens = await call.read(lambda tx: access.list_tokens(tx, call.actor, everybody=query.everybody))
    return wire.TokenList(items=[shapes.token(row) for row in tokens])


@table.route("POST", "/api/v1/tokens", status=201, tells_secret=True)
async def create_token(call: Call, body: wire.CreateToken) -> wire.CreatedToken:
    """Create a token, which needs a full sign-in. It is shown only once, and expires no later than the token used."""
    # No idempotency key: the answer holds a secret, and only its hash is ever stored.
    made = await call.write(lambda tx: access.create_token(tx, call.actor, **fields_of(body)))
    return wire.CreatedToken(id=made.id, token=made.secret, expires_at=optional_time(made.expires_at))


@table.route("DELETE", "/api/v1/tokens/{token:number}", status=204)
async def revoke_token(call: Call) -> Answer[None]:
    """Revoke a token at once, with all tokens that were created with it."""
    return await call.commit(lambda tx: access.revoke_token(tx, call.actor, call.number("token")))


# --- roles -----------------------------------------------------------------------------------------


def _holding(call: Call, tx: Transaction) -> Holding:
    if "name" in call.path:
        return catalog.model_holding(tx, call.actor, call.model)
    return catalog.namespace_holding(tx, call.actor, call.path["namespace"])


async def _list_members(call: Call) -> wire.MemberList:
    members = await call.point(lambda tx: access.list_members(tx, call.actor, _holding(call, tx)))
    return wire.MemberList(items=[wire.Member(name=n, kind=k.value, role=r.word) for n, k, r in members])


async def _grant(call: Call, word: str) -> Answer[None]:
    role = parse_role(word)
    return await call.commit(
        lambda tx: access.grant_role(tx, call.actor, _holding(call, tx), call.path["account"], role)
    )


async def _revoke(call: Call) -> Answer[None]:
    return await call.commit(
        lambda tx: access.revoke_role(tx, call.actor, _holding(call, tx), call.path["account"])
    )


@table.route("GET", "/api/v1/namespaces/{namespace}/members")
async def list_namespace_members(call: Call) -> wire.MemberList:
    """List the accounts with a role on the namespace."""
    return await _list_members(call)


@table.route("PUT", "/api/v1/namespaces/{namespace}/members/{account}", status=204)
async def grant_namespace_role(call: Call, body: wire.GrantRole) -> Answer[None]:
    """Give an account or a group a role on the namespace."""
    return await _grant(call, body.role)


@table.route("DELETE", "/api/v1/namespaces/{namespace}/members/{account}", status=204)
async def revoke_namespace_role(call: Call) -> Answer[None]:
    """Remove a role on the namespace."""
    return await _revoke(call)


@table.route("GET", "/api/v1/models/{namespace}/{name}/members")
async def list_model_members(call: Call) -> wire.MemberList:
    """List the accounts with a role on the model itself, which replaces their role on the namespace."""
    return await _list_members(call)


@table.route("PUT", "/api/v1/models/{namespace}/{name}/members/{account}", status=204)
async def grant_model_role(call: Call, body: wire.GrantRole) -> Answer[None]:
    """Give an account or a group a role on this model only; `none` hides the model from them."""
    return await _grant(call, body.role)


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/members/{account}", status=204)
async def revoke_model_role(call: Call) -> Answer[None]:
    """Remove a role on the model, so that the role on its namespace counts again."""
    return await _revoke(call)
