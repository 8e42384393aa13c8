"""Settings of accounts, groups, service accounts, roles and your own password."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ActorKind, Permission
from modelyard.domain.errors import Invalid, ModelyardError
from modelyard.doors.browser import set_session_cookie
from modelyard.doors.choices import parse_role
from modelyard.registry.access import secrets
from modelyard.registry.access import usecases as access
from modelyard.registry.access.usecases import ActorEdit
from modelyard.web.frame import PageTable, Visit
from modelyard.web.places import chosen_place, find_holding, list_places, may

table = PageTable()
_ROWS = 100
_MANY = 1000
_ROLES = ("none", "auditor", "reader", "contributor", "maintainer", "owner")


# --- members and roles -------------------------------------------------------------------------------


async def _members(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        places = list_places(tx, visit)
        of = chosen_place(visit) or (places[0] if places else "")
        if not of:
            return {"places": [], "of": "", "members": [], "may_manage": False, "model_id": 0}
        holding = find_holding(tx, visit, of)
        return {
            "places": places,
            "of": of,
            "members": access.list_members(tx, visit.actor, holding),
            "may_manage": may(visit, Permission.MEMBERS_MANAGE, holding.place),
            "model_id": holding.model_id,
        }

    found = await visit.look(read)
    kind = "models" if found["model_id"] else "namespaces"
    return await visit.show(
        "settings_members.html",
        problem,
        **found,
        roles=_ROLES if found["model_id"] else _ROLES[1:],
        twin=f"/api/v1/{kind}/{found['of']}/members" if found["of"] else None,
    )


@table.get("/settings/members")
async def members(visit: Visit) -> Response:
    return await _members(visit)


async def _grant(visit: Visit) -> Response:
    of, account = chosen_place(visit), visit.given("account")

    def work(tx: Transaction) -> None:
        role = parse_role(visit.given("role"))
        access.grant_role(tx, visit.actor, find_holding(tx, visit, of), account, role)

    done = f"{account} is now {visit.given('role')} of {of}."
    return await visit.attempt(f"/settings/members?of={of}", done, work, _members)


async def _revoke(visit: Visit) -> Response:
    of, account = chosen_place(visit), visit.given("account")
    return await visit.attempt(
        f"/settings/members?of={of}",
        f"{account} has no role of its own on {of} any more.",
        lambda tx: access.revoke_role(tx, visit.actor, find_holding(tx, visit, of), account),
        _members,
    )


@table.post("/settings/members/grant", operation="grant_namespace_role", command="namespace grant")
async def grant_namespace(visit: Visit) -> Response:
    return await _grant(visit)


@table.post("/settings/members/grant-on-model", operation="grant_model_role", command="namespace grant")
async def grant_model(visit: Visit) -> Response:
    return await _grant(visit)


@table.post("/settings/members/revoke", operation="revoke_namespace_role", command="namespace revoke")
async def revoke_namespace(visit: Visit) -> Response:
    return await _revoke(visit)


@table.post("/settings/members/revoke-on-model", operation="revoke_model_role", command="namespace revoke")
async def revoke_model(visit: Visit) -> Response:
    return await _revoke(visit)


# --- lists of accounts -------------------------------------------------------------------------------

_LISTS = {
    ActorKind.USER: "/settings/accounts",
    ActorKind.GROUP: "/settings/groups",
    ActorKind.SERVICE: "/settings/services",
}
_HEADINGS = {ActorKind.USER: "Accounts", ActorKind.GROUP: "Groups", ActorKind.SERVICE: "Service accounts"}


async def _list(visit: Visit, kind: ActorKind, problem: ModelyardError | None = None) -> Response:
    after = visit.chosen("after") or None

    def read(tx: Transaction) -> dict[str, Any]:
        rows = access.list_actors(tx, visit.actor, kind, after, _ROWS + 1)
        return {"rows": rows}

    rows = (await visit.look(read))["rows"]
    shown = rows[:_ROWS]
    return await visit.show(
        "settings_accounts.html",
        problem,
        rows=shown,
        kind=kind.value,
        list_path=_LISTS[kind],
        heading=_HEADINGS[kind],
        is_first=after is None,
        may_manage=may(visit, Permission.ACTORS_MANAGE),
        more=f"{_LISTS[kind]}?after={shown[-1].name}" if len(rows) > _ROWS else None,
        twin=f"/api/v1/accounts?kind={kind.value}",
    )


@table.get("/settings/accounts")
async def accounts(visit: Visit) -> Response:
    return await _list(visit, ActorKind.USER)


@table.get("/settings/groups")
async def groups(visit: Visit) -> Response:
    return await _list(visit, ActorKind.GROUP)


@table.get("/settings/services")
async def services(visit: Visit) -> Response:
    return await _list(visit, ActorKind.SERVICE)


async def _create(visit: Visit, kind: ActorKind) -> Response:
    name = visit.given("name")

    async def again(visit: Visit, problem: ModelyardError) -> Response:
        return await _list(visit, kind, problem)

    def work(tx: Transaction) -> None:
        access.create_actor(
            tx,
            visit.actor,
            name=name,
            kind=kind,
            display_name=visit.given("display_name"),
            email=visit.given("email") or None,
            is_admin=bool(visit.given("is_admin")),
            is_auditor=bool(visit.given("is_auditor")),
        )

    return await visit.attempt(f"/settings/accounts/{name.lower()}", f"{name} was created.", work, again)


@table.post("/settings/accounts", operation="create_account", command="user create")
async def create_user(visit: Visit) -> Response:
    return await _create(visit, ActorKind.USER)


@table.post("/settings/groups", operation="create_account", command="group create")
async def create_group(visit: Visit) -> Response:
    return await _create(visit, ActorKind.GROUP)


@table.post("/settings/services", operation="create_account", command="user create")
async def create_service(visit: Visit) -> Response:
    return await _create(visit, ActorKind.SERVICE)


# --- one account -------------------------------------------------------------------------------------


async def _account(
    visit: Visit, problem: ModelyardError | None = None, *, secret: str = "", told: str = ""
) -> Response:
    name = visit.path["account"]

    def read(tx: Transaction) -> dict[str, Any]:
        account = access.find_actor(tx, visit.actor, name)
        is_group = account.kind is ActorKind.GROUP
        return {
            "account": account,
            "members": access.list_group_members(tx, visit.actor, name) if is_group else [],
        }

    found = await visit.look(read)
    kind = found["account"].kind
    return await visit.show(
        "settings_account.html",
        problem,
        **found,
        list_path=_LISTS[kind],
        heading=_HEADINGS[kind],
        may_manage=may(visit, Permission.ACTORS_MANAGE),
        secret=secret,
        told=told,
        twin=f"/api/v1/accounts/{found['account'].name}",
    )


@table.get("/settings/accounts/{account}")
async def account(visit: Visit) -> Response:
    return await _account(visit)


@table.post("/settings/accounts/{account}/edit", operation="edit_account", command="user edit")
async def edit_account(visit: Visit) -> Response:
    name = visit.path["account"]
    edit = ActorEdit(
        display_name=visit.given("display_name"),
        email=visit.given("email"),
        is_admin=bool(visit.given("is_admin")),
        is_auditor=bool(visit.given("is_auditor")),
    )
    return await visit.attempt(
        f"/settings/accounts/{name}",
        f"{name} was changed.",
        lambda tx: access.edit_actor(tx, visit.actor, name, edit),
        _account,
    )


@table.post("/settings/accounts/{account}/disable", operation="edit_account", command="user edit")
async def disable_account(visit: Visit) -> Response:
    name, is_disabled = visit.path["account"], visit.given("disabled") == "1"
    words = "was disabled. Its sessions have ended" if is_disabled else "is enabled again"
    return await visit.attempt(
        f"/settings/accounts/{name}",
        f"{name} {words}.",
        lambda tx: access.edit_actor(tx, visit.actor, name, ActorEdit(disabled=is_disabled)),
        _account,
    )


@table.post("/settings/accounts/{account}/link", operation="create_sign_in_link", command="user link")
async def make_link(visit: Visit) -> Response:
    """Only the answering page shows the link."""
    name = visit.path["account"]
    try:
        made = await visit.write(lambda tx: access.make_sign_in_link(tx, visit.actor, name))
    except ModelyardError as error:
        return await _account(visit, error)
    words = "The link signs the account in once, within ten minutes. It is shown only here."
    return await _account(visit, secret=f"{visit.services.public_url}/login?link={made}", told=words)


@table.post("/settings/accounts/{account}/token", operation="create_token", command="token create")
async def make_token(visit: Visit) -> Response:
    """Create a token of another account. Only the answering page shows the secret."""
    name, days = visit.path["account"], visit.given("days")
    try:
        made = await visit.write(
            lambda tx: access.create_token(
                tx, visit.actor, name=visit.given("name"), owner=name, expires_in_days=days_of(days)
            )
        )
    except ModelyardError as error:
        return await _account(visit, error)
    return await _account(visit, secret=made.secret, told="The token was created. It is shown only once.")


@table.post("/settings/accounts/{account}/members/add", operation="add_group_member", command="group add")
async def add_member(visit: Visit) -> Response:
    group, name = visit.path["account"], visit.given("member")
    return await visit.attempt(
        f"/settings/accounts/{group}",
        f"{name} is now in {group}.",
        lambda tx: access.add_group_member(tx, visit.actor, group, name),
        _account,
    )


@table.post(
    "/settings/accounts/{account}/members/remove", operation="remove_group_member", command="group remove"
)
async def remove_member(visit: Visit) -> Response:
    group, name = visit.path["account"], visit.given("member")
    return await visit.attempt(
        f"/settings/accounts/{group}",
        f"{name} is not in {group} any more.",
        lambda tx: access.remove_group_member(tx, visit.actor, group, name),
        _account,
    )


# --- your own account --------------------------------------------------------------------------------


def days_of(text: str) -> float:
    """Raises Invalid."""
    if not (text.isascii() and text.isdigit()):
        raise Invalid(reason="the number of days is not a whole number", fix="Write for example 90")
    return float(text)


async def show_own(visit: Visit, problem: ModelyardError | None = None, *, made: str | None = None) -> Response:
    """Show the settings of the visitor's own account. made: the secret of a new token."""

    def read(tx: Transaction) -> dict[str, Any]:
        return {
            "tokens": access.list_tokens(tx, visit.actor),
            "account": access.find_actor(tx, visit.actor, visit.actor.name),
            "groups": access.list_own_groups(tx, visit.actor),
        }

    found = await visit.look(read)
    return await visit.show("settings.html", problem, **found, made=made, public_url=visit.services.public_url)


@table.post("/settings/profile", operation="edit_account", command="user edit")
async def edit_profile(visit: Visit) -> Response:
    edit = ActorEdit(
        display_name=visit.given("display_name"),
        email=visit.given("email"),
        default_namespace=visit.given("default_namespace") or None,
    )
    return await visit.attempt(
        "/settings",
        "Your account was changed.",
        lambda tx: access.edit_actor(tx, visit.actor, visit.actor.name, edit),
        show_own,
    )


@table.post("/settings/password", operation="edit_account", command="user edit")
async def change_password(visit: Visit) -> Response:
    """Change the password. All sessions end, and this browser gets a new one."""
    password = visit.form.get("password", [""])[0]
    if password != visit.form.get("again", [""])[0]:
        reason = "the two passwords differ"
        return await show_own(visit, Invalid(reason=reason, fix="Type the new password twice"))
    name = visit.actor.name

    def change(tx: Transaction) -> str:
        access.edit_actor(tx, visit.actor, name, ActorEdit(password_hash=hashed))
        return access.open_session(tx, visit.actor.id)

    try:
        await visit.point(lambda tx: access.check_edit_actor(tx, visit.actor, name))
        hashed = await visit.in_thread("passwords", secrets.hash_password, password)
        session = await visit.write(change)
    except ModelyardError as error:
        return await show_own(visit, error)
    response = visit.go("/settings", "Your password was changed. Your other browsers are signed out.")
    set_session_cookie(response, session, secure=visit.services.public_url.startswith("https:"))
    return response
