"""Namespaces, and access to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.base import Session, command, command_group
from modelyard.domain.sizes import parse_size, size_words

if TYPE_CHECKING:
    from modelyard.wire.catalog import Namespace

_ROLES = ["auditor", "reader", "contributor", "maintainer", "owner"]
_NAMING_MODES = ["refuse", "warn"]
_VISIBILITIES = ["private", "signed-in", "public"]


@command_group("namespace")
def namespace() -> None:
    """Create namespaces, and manage access to them.

    WHERE is a namespace or a single model (namespace/name).
    """


@command(
    "create",
    group=namespace,
    example="modelyard namespace create fraud --description 'Card payments' --visibility signed-in",
)
@click.argument("name")
@click.option("--display-name", default="", help="Full name, as free text.")
@click.option("--description", default="", help="Purpose of the namespace.")
@click.option(
    "--visibility",
    type=click.Choice(_VISIBILITIES),
    default="private",
    show_default=True,
    help="Who can read it: members, all accounts, or everybody.",
)
@click.option("--naming-pattern", help="Regular expression that model names must match.")
@click.option(
    "--reserve",
    "reserved_names",
    multiple=True,
    metavar="NAME",
    help="Name that no model may have; may be repeated.",
)
@click.option(
    "--naming-mode",
    type=click.Choice(_NAMING_MODES),
    default="refuse",
    show_default=True,
    help="What happens to other names: refuse them, or accept them with a warning.",
)
def create_namespace(session: Session, name: str, **fields: Any) -> None:
    """Create a namespace; you become its owner."""
    created = session.client.namespaces.create(name, **fields)
    session.say(created, f"Created namespace {created.name}")


@command("ls", group=namespace, example="modelyard namespace ls")
def list_namespaces(session: Session) -> None:
    """List the namespaces you may see."""
    session.out.page(
        session.client.namespaces.list(),
        ("namespace", "visibility", "your role", "description"),
        lambda n: (n.name, n.visibility, n.role, n.description),
        empty="No namespaces yet. Create one with: modelyard namespace create NAME",
    )


@command("show", group=namespace, example="modelyard namespace show fraud")
@click.argument("name")
def show_namespace(session: Session, name: str) -> None:
    """Show a namespace."""
    shown = session.client.namespaces.get(name)
    if session.answered(shown):
        return
    rows = [
        ("namespace", shown.name),
        ("name", shown.display_name),
        ("description", shown.description),
        ("visibility", shown.visibility),
        ("your role", shown.role),
        ("names match", shown.naming_pattern or ""),
        ("reserved", ", ".join(shown.reserved_names)),
        ("other names", "warned about" if shown.naming_mode == "warn" else ""),
        ("versions use", use_words(shown)),
        ("created", shown.created_at),
    ]
    session.out.pairs([(label, value) for label, value in rows if value])


def use_words(shown: Namespace) -> str:
    """Return a text such as `2.5 GB of a quota of 10 GB (25%)`; empty if the caller has no role in the namespace."""
    if shown.used_bytes is None:
        return ""
    used = size_words(shown.used_bytes)
    if not shown.quota_bytes:
        return used
    return f"{used} of a quota of {size_words(shown.quota_bytes)} ({shown.used_bytes / shown.quota_bytes:.0%})"


@command(
    "edit",
    group=namespace,
    example="modelyard namespace edit fraud --visibility public\nmodelyard namespace edit fraud --quota 10GB",
)
@click.argument("name")
@click.option("--display-name", help="Full name, as free text.")
@click.option("--description", help="Purpose of the namespace.")
@click.option(
    "--visibility",
    type=click.Choice(_VISIBILITIES),
    help="Who can read it: members, all accounts, or everybody.",
)
@click.option("--naming-pattern", help="Regular expression that model names must match.")
@click.option(
    "--reserve",
    "reserved_names",
    multiple=True,
    metavar="NAME",
    help="Reserved name; may be repeated. The given names replace the old ones.",
)
@click.option(
    "--naming-mode",
    type=click.Choice(_NAMING_MODES),
    help="What happens to names that do not match or are reserved: refuse them, or accept them with a warning.",
)
@click.option(
    "--quota",
    metavar="SIZE",
    help="Most bytes that its versions, files of runs and profiles may have together, for example 10GB; none removes the quota. Only admins set it.",
)
@click.option(
    "--if-revision", "revision", type=int, metavar="N", help="Change it only if it is still at this revision."
)
def edit_namespace(
    session: Session, name: str, reserved_names: tuple[str, ...], quota: str | None, **fields: Any
) -> None:
    """Change a namespace; options that are not given stay unchanged."""
    if quota is not None:
        fields["quota_bytes"] = 0 if quota.lower() == "none" else parse_size(quota)
    edited = session.client.namespaces.edit(name, reserved_names=reserved_names or None, **fields)
    if session.answered(edited):
        return
    session.out.text(f"Changed {edited.name}")
    if edited.warning:
        session.out.note(edited.warning)


@command("delete", group=namespace, example="modelyard namespace delete typo")
@click.argument("name")
def delete_namespace(session: Session, name: str) -> None:
    """Delete a namespace that never held a model."""
    session.client.namespaces.delete(name)
    session.say({"deleted": name}, f"Deleted {name}")


@command(
    "grant",
    group=namespace,
    example="modelyard namespace grant fraud ann maintainer\nmodelyard namespace grant fraud/scorer bob reader",
)
@click.argument("where")
@click.argument("account")
@click.argument("role", type=click.Choice([*_ROLES, "none"]))
def grant_role(session: Session, where: str, account: str, role: str) -> None:
    """Give a user, service account or group a role. On a model, `none` hides it from them."""
    client = session.client
    (client.models if "/" in where else client.namespaces).grant(where, account, role)
    session.say({"where": where, "account": account, "role": role}, f"{account} is {role} of {where}")


@command("revoke", group=namespace, example="modelyard namespace revoke fraud ann")
@click.argument("where")
@click.argument("account")
def revoke_role(session: Session, where: str, account: str) -> None:
    """Remove an account's role. On a model, its role on the namespace counts again."""
    client = session.client
    (client.models if "/" in where else client.namespaces).revoke(where, account)
    session.say(
        {"where": where, "account": account, "role": None}, f"{account} has no role of its own on {where}"
    )


@command("members", group=namespace, example="modelyard namespace members fraud")
@click.argument("where")
def list_members(session: Session, where: str) -> None:
    """List the accounts with a role on a namespace or a model."""
    client = session.client
    session.out.page(
        (client.models if "/" in where else client.namespaces).members(where),
        ("account", "kind", "role"),
        lambda m: (m.name, m.kind, m.role),
        empty="No account has a role of its own here.",
    )
