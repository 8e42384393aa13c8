"""Users, service accounts and groups."""

from __future__ import annotations

import sys

import click

from modelyard.cli.base import LazyGroup, Session, command

_HERE = "modelyard.cli.accounts"


@click.group(
    "user",
    cls=LazyGroup,
    lazy={
        "create": (f"{_HERE}:create_user", "Make a user or a service account."),
        "ls": (f"{_HERE}:list_users", "List accounts."),
        "edit": (f"{_HERE}:edit_user", "Change an account."),
        "link": (f"{_HERE}:link_user", "Make a one-time sign-in link for the browser."),
    },
)
def user() -> None:
    """Create, list and edit accounts."""


@command(
    "create", example="modelyard user create ann --email ann@example.org\nmodelyard user create ci --service"
)
@click.argument("name")
@click.option("--service", is_flag=True, help="A service account, for a program.")
@click.option("--display-name", default="", help="Free-text name.")
@click.option("--email", help="Mail address.")
@click.option("--admin", is_flag=True, help="May do everything.")
@click.option("--auditor", is_flag=True, help="Sees everything and the whole log, and changes nothing.")
@click.option("--namespace", "default_namespace", help="Where names without a namespace live.")
@click.option("--password", "with_password", is_flag=True, help="Ask for a password, or read it from a pipe.")
def create_user(
    session: Session,
    name: str,
    service: bool,
    display_name: str,
    email: str | None,
    admin: bool,
    auditor: bool,
    default_namespace: str | None,
    with_password: bool,
) -> None:
    """Make a user or a service account. A user signs in by link, by password or by token."""
    found = session.client.accounts.create(
        name,
        kind="service" if service else "user",
        display_name=display_name,
        email=email,
        password=_ask_password(name) if with_password else None,
        is_admin=admin,
        is_auditor=auditor,
        default_namespace=default_namespace,
    )
    if session.as_json:
        session.out.json(found)
        return
    session.out.text(f"Made {found.kind} {found.name}")
    step = f"token create NAME --owner {found.name}" if service else f"user link {found.name}"
    session.out.note(f"Let them in with: modelyard {step}")


@command("ls", example="modelyard user ls --kind service")
@click.option("--kind", type=click.Choice(["user", "service", "group"]), help="Only this kind.")
def list_users(session: Session, kind: str | None) -> None:
    """List users, service accounts and groups."""
    session.out.page(
        session.client.accounts.list(kind),
        ("name", "kind", "on the server", "state", "e-mail", "display name"),
        lambda a: (
            a.name,
            a.kind,
            "admin" if a.is_admin else "auditor" if a.is_auditor else "",
            "disabled" if a.disabled else "",
            a.email or "",
            a.display_name,
        ),
        empty="No accounts.",
    )


@command("edit", example="modelyard user edit ann --admin\nmodelyard user edit bob --disable")
@click.argument("name")
@click.option("--display-name", help="Free-text name.")
@click.option("--email", help="Mail address.")
@click.option("--admin/--no-admin", "is_admin", default=None, help="Give or take the right to do everything.")
@click.option(
    "--auditor/--no-auditor",
    "is_auditor",
    default=None,
    help="Give or take the sight of everything and of the log.",
)
@click.option("--disable/--enable", "disabled", default=None, help="Shut the account out, or let it in again.")
@click.option("--namespace", "default_namespace", help="Where names without a namespace live.")
@click.option(
    "--password", "with_password", is_flag=True, help="Ask for a new password, or read it from a pipe."
)
def edit_user(
    session: Session,
    name: str,
    display_name: str | None,
    email: str | None,
    is_admin: bool | None,
    is_auditor: bool | None,
    disabled: bool | None,
    default_namespace: str | None,
    with_password: bool,
) -> None:
    """Change an account: one's own, or any by an admin."""
    given = (display_name, email, is_admin, is_auditor, disabled, default_namespace)
    if not with_password and all(value is None for value in given):
        raise click.UsageError("Say what to change, for example --email ADDRESS.")
    found = session.client.accounts.edit(
        name,
        display_name=display_name,
        email=email,
        password=_ask_password(name) if with_password else None,
        is_admin=is_admin,
        is_auditor=is_auditor,
        default_namespace=default_namespace,
        disabled=disabled,
    )
    session.out.json(found) if session.as_json else session.out.text(f"Changed {found.name}")


@command("link", example="modelyard user link ann")
@click.argument("name", required=False)
def link_user(session: Session, name: str | None) -> None:
    """Make a link that signs an account in on a browser, once, within ten minutes. Else one's own."""
    url = session.client.accounts.sign_in_link(name or session.client.whoami().name)
    session.out.json({"url": url}) if session.as_json else session.out.text(url)


def _ask_password(name: str) -> str:
    """Never an option: other users of this machine can see those."""
    if sys.stdin.isatty():
        asked: str = click.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    return sys.stdin.readline().rstrip("\n")


# --- groups ------------------------------------------------------------------------------------------


@click.group(
    "group",
    cls=LazyGroup,
    lazy={
        "create": (f"{_HERE}:create_group", "Make a group."),
        "add": (f"{_HERE}:add_to_group", "Put accounts into a group."),
        "remove": (f"{_HERE}:remove_from_group", "Take accounts out of a group."),
        "ls": (f"{_HERE}:list_groups", "List groups, or who is in one."),
    },
)
def group() -> None:
    """Create groups and change who is in them."""


@command("create", example="modelyard group create risk --display-name 'Risk office'")
@click.argument("name")
@click.option("--display-name", default="", help="Free-text name.")
def create_group(session: Session, name: str, display_name: str) -> None:
    """Make a group. It can hold roles, and votes where a policy asks for them."""
    found = session.client.accounts.create(name, kind="group", display_name=display_name)
    session.out.json(found) if session.as_json else session.out.text(f"Made group {found.name}")


@command("add", example="modelyard group add risk ann bob")
@click.argument("name")
@click.argument("accounts", nargs=-1, required=True, metavar="ACCOUNT...")
def add_to_group(session: Session, name: str, accounts: tuple[str, ...]) -> None:
    """Put accounts into a group."""
    for account in accounts:
        session.client.groups.add(name, account)
    _show_group(session, name)


@command("remove", example="modelyard group remove risk bob")
@click.argument("name")
@click.argument("accounts", nargs=-1, required=True, metavar="ACCOUNT...")
def remove_from_group(session: Session, name: str, accounts: tuple[str, ...]) -> None:
    """Take accounts out of a group."""
    for account in accounts:
        session.client.groups.remove(name, account)
    _show_group(session, name)


@command("ls", example="modelyard group ls\nmodelyard group ls risk")
@click.argument("name", required=False)
def list_groups(session: Session, name: str | None) -> None:
    """List groups, or who is in one."""
    if name:
        _show_group(session, name)
        return
    session.out.page(
        session.client.accounts.list("group"),
        ("group", "display name"),
        lambda g: (g.name, g.display_name),
        empty="No groups.",
    )


def _show_group(session: Session, name: str) -> None:
    members = session.client.groups.members(name)
    if session.as_json:
        session.out.json({"group": name, "members": members})
    else:
        session.out.table(("member",), [(member,) for member in members], empty="No one is in it.")
