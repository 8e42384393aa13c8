"""Users, service accounts and groups."""

from __future__ import annotations

import sys
from typing import Any

import click

from modelyard.cli.base import Session, command, command_group, confirm


@command_group("user")
def user() -> None:
    """Create, list and edit accounts."""


@command(
    "create",
    group=user,
    example="modelyard user create ann --email ann@example.org\nmodelyard user create ci --service",
)
@click.argument("name")
@click.option("--service", is_flag=True, help="Create a service account, for a program.")
@click.option("--display-name", default="", help="Full name, as free text.")
@click.option("--email", help="E-mail address.")
@click.option("--admin", "is_admin", is_flag=True, help="Make the account an admin, with every right.")
@click.option(
    "--auditor",
    "is_auditor",
    is_flag=True,
    help="Allow it to read everything, including the whole log, but to change nothing.",
)
@click.option("--namespace", "default_namespace", help="Default namespace, for names given without one.")
@click.option("--password", "with_password", is_flag=True, help="Ask for a password, or read it from a pipe.")
def create_user(session: Session, name: str, service: bool, with_password: bool, **fields: Any) -> None:
    """Create a user or a service account. A user signs in with a link, a password or a token."""
    account = session.client.accounts.create(
        name,
        kind="service" if service else "user",
        password=_ask_password(name) if with_password else None,
        **fields,
    )
    if session.answered(account):
        return
    session.out.text(f"Created {account.kind} {account.name}")
    if with_password:
        url = session.client.url
        session.out.note(
            f"{account.name} signs in with the password at {url}/login, or with: modelyard login {url} --user {account.name}"
        )
        return
    step = f"token create NAME --owner {account.name}" if service else f"user link {account.name}"
    session.out.note(f"Next: modelyard {step}")


@command("ls", group=user, example="modelyard user ls --kind service")
@click.option(
    "--kind", type=click.Choice(["user", "service", "group"]), help="List only accounts of this kind."
)
def list_users(session: Session, kind: str | None) -> None:
    """List users, service accounts and groups."""
    session.out.page(
        session.client.accounts.list(kind),
        ("name", "kind", "on the server", "state", "e-mail", "display name"),
        lambda a: (
            a.name,
            a.kind,
            "admin" if a.is_admin else "auditor" if a.is_auditor else "",
            "deleted" if a.deleted_at else "disabled" if a.disabled else "",
            a.email or "",
            a.display_name,
        ),
        empty="No accounts.",
    )


@command("edit", group=user, example="modelyard user edit ann --admin\nmodelyard user edit bob --disable")
@click.argument("name")
@click.option("--display-name", help="Full name, as free text.")
@click.option("--email", help="E-mail address.")
@click.option("--admin/--no-admin", "is_admin", default=None, help="Make the account an admin, or end that.")
@click.option(
    "--auditor/--no-auditor",
    "is_auditor",
    default=None,
    help="Allow it to read everything, including the whole log, or end that.",
)
@click.option("--disable/--enable", "disabled", default=None, help="Block the account, or unblock it.")
@click.option("--namespace", "default_namespace", help="Default namespace, for names given without one.")
@click.option(
    "--password", "with_password", is_flag=True, help="Ask for a new password, or read it from a pipe."
)
def edit_user(session: Session, name: str, with_password: bool, **fields: Any) -> None:
    """Change your own account; admins can change any."""
    if not with_password and all(value is None for value in fields.values()):
        raise click.UsageError("Name a change, for example --email ADDRESS.")
    account = session.client.accounts.edit(
        name, password=_ask_password(name) if with_password else None, **fields
    )
    session.say(account, f"Changed {account.name}")


@command("delete", group=user, example="modelyard user delete ann\nmodelyard user delete ann --yes")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete_user(session: Session, name: str, yes: bool) -> None:
    """Delete your own account; admins can delete any person's. This cannot be undone.

    Name, display name and e-mail address are taken away; tokens, roles, memberships and subscriptions end. What the
    account did stays, under a pseudonym; the event log keeps the name under which it acted.
    """
    confirm(session, f"Delete the account {name} for good?", yes)
    deleted = session.client.accounts.delete(name)
    session.say(deleted, f"Deleted {name}; what it did is shown as done by {deleted.name}")


@command("link", group=user, example="modelyard user link ann")
@click.argument("name", required=False)
def link_user(session: Session, name: str | None) -> None:
    """Create a sign-in link for a browser: it works once, within ten minutes. Default: for yourself."""
    url = session.client.accounts.sign_in_link(name or session.client.whoami().name)
    session.say({"url": url}, url)


def _ask_password(name: str) -> str:
    """Ask for a password. It is never an option, because other users of this machine can see options."""
    if sys.stdin.isatty():
        asked: str = click.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    return sys.stdin.readline().rstrip("\n")


# --- groups ------------------------------------------------------------------------------------------


@command_group("group")
def group() -> None:
    """Create groups and change their members."""


@command("create", group=group, example="modelyard group create risk --display-name 'Risk office'")
@click.argument("name")
@click.option("--display-name", default="", help="Full name, as free text.")
def create_group(session: Session, name: str, display_name: str) -> None:
    """Create a group. It can hold roles, and its members vote where a policy asks for them."""
    created = session.client.accounts.create(name, kind="group", display_name=display_name)
    session.say(created, f"Created group {created.name}")


@command("add", group=group, example="modelyard group add risk ann bob")
@click.argument("name")
@click.argument("accounts", nargs=-1, required=True, metavar="ACCOUNT...")
def add_to_group(session: Session, name: str, accounts: tuple[str, ...]) -> None:
    """Put accounts into a group."""
    for account in accounts:
        session.client.groups.add(name, account)
    _show_group(session, name)


@command("remove", group=group, example="modelyard group remove risk bob")
@click.argument("name")
@click.argument("accounts", nargs=-1, required=True, metavar="ACCOUNT...")
def remove_from_group(session: Session, name: str, accounts: tuple[str, ...]) -> None:
    """Take accounts out of a group."""
    for account in accounts:
        session.client.groups.remove(name, account)
    _show_group(session, name)


@command("ls", group=group, example="modelyard group ls\nmodelyard group ls risk")
@click.argument("name", required=False)
def list_groups(session: Session, name: str | None) -> None:
    """List groups, or the members of one."""
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
    if not session.answered({"group": name, "members": members}):
        session.out.table(("member",), [(member,) for member in members], empty="The group has no members.")
