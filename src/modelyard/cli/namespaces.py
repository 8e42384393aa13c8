"""Namespaces and who may use them."""

from __future__ import annotations

import click

from modelyard.cli.base import LazyGroup, Session, command

_HERE = "modelyard.cli.namespaces"
_ROLES = ["auditor", "reader", "contributor", "maintainer", "owner"]
_VISIBILITIES = ["private", "signed-in", "public"]


@click.group(
    "namespace",
    cls=LazyGroup,
    lazy={
        "create": (f"{_HERE}:create_namespace", "Make a namespace."),
        "ls": (f"{_HERE}:list_namespaces", "List namespaces."),
        "show": (f"{_HERE}:show_namespace", "Show a namespace."),
        "edit": (f"{_HERE}:edit_namespace", "Change a namespace."),
        "delete": (f"{_HERE}:delete_namespace", "Delete a namespace that never held a model."),
        "grant": (f"{_HERE}:grant_role", "Give an account a role."),
        "revoke": (f"{_HERE}:revoke_role", "Take an account's role away."),
        "members": (f"{_HERE}:list_members", "List who holds a role."),
    },
)
def namespace() -> None:
    """Create namespaces and decide who may use them.

    Where WHERE stands, a namespace or a single model (namespace/name) may be named.
    """


@command(
    "create", example="modelyard namespace create fraud --description 'Card payments' --visibility signed-in"
)
@click.argument("name")
@click.option("--display-name", default="", help="Free-text name.")
@click.option("--description", default="", help="What it is for.")
@click.option(
    "--visibility", type=click.Choice(_VISIBILITIES), default="private", show_default=True, help="Who may read."
)
@click.option("--naming-pattern", help="Regular expression that names of models must match.")
@click.option("--reserve", "reserved", multiple=True, metavar="NAME", help="A name that no model may have.")
def create_namespace(
    session: Session,
    name: str,
    display_name: str,
    description: str,
    visibility: str,
    naming_pattern: str | None,
    reserved: tuple[str, ...],
) -> None:
    """Make a namespace; the person who makes it owns it."""
    found = session.client.namespaces.create(
        name,
        display_name=display_name,
        description=description,
        visibility=visibility,
        naming_pattern=naming_pattern,
        reserved_names=reserved,
    )
    session.out.json(found) if session.as_json else session.out.text(f"Made namespace {found.name}")


@command("ls", example="modelyard namespace ls")
def list_namespaces(session: Session) -> None:
    """List the namespaces you may see."""
    session.out.page(
        session.client.namespaces.list(),
        ("namespace", "visibility", "your role", "description"),
        lambda n: (n.name, n.visibility, n.role, n.description),
        empty="No namespaces yet. Make one with: modelyard namespace create NAME",
    )


@command("show", example="modelyard namespace show fraud")
@click.argument("name")
def show_namespace(session: Session, name: str) -> None:
    """Show a namespace."""
    found = session.client.namespaces.get(name)
    if session.as_json:
        session.out.json(found)
        return
    rows = [
        ("namespace", found.name),
        ("name", found.display_name),
        ("description", found.description),
        ("visibility", found.visibility),
        ("your role", found.role),
        ("names match", found.naming_pattern or ""),
        ("reserved", ", ".join(found.reserved_names)),
        ("created", found.created_at),
    ]
    session.out.pairs([(label, value) for label, value in rows if value])


@command("edit", example="modelyard namespace edit fraud --visibility public")
@click.argument("name")
@click.option("--display-name", help="Free-text name.")
@click.option("--description", help="What it is for.")
@click.option("--visibility", type=click.Choice(_VISIBILITIES), help="Who may read.")
@click.option("--naming-pattern", help="Regular expression that names of models must match.")
@click.option(
    "--reserve", "reserved", multiple=True, metavar="NAME", help="All reserved names; replaces the old."
)
@click.option("--seen", type=int, metavar="REVISION", help="Only if it is still at this revision.")
def edit_namespace(
    session: Session,
    name: str,
    display_name: str | None,
    description: str | None,
    visibility: str | None,
    naming_pattern: str | None,
    reserved: tuple[str, ...],
    seen: int | None,
) -> None:
    """Change a namespace; what is not given stays."""
    found = session.client.namespaces.edit(
        name,
        display_name=display_name,
        description=description,
        visibility=visibility,
        naming_pattern=naming_pattern,
        reserved_names=reserved or None,
        revision=seen,
    )
    if session.as_json:
        session.out.json(found)
        return
    session.out.text(f"Changed {found.name}")
    if found.warning:
        session.out.note(found.warning)


@command("delete", example="modelyard namespace delete typo")
@click.argument("name")
def delete_namespace(session: Session, name: str) -> None:
    """Delete a namespace that never held a model."""
    session.client.namespaces.delete(name)
    session.out.json({"deleted": name}) if session.as_json else session.out.text(f"Deleted {name}")


@command(
    "grant",
    example="modelyard namespace grant fraud ann maintainer\nmodelyard namespace grant fraud/scorer bob reader",
)
@click.argument("where")
@click.argument("account")
@click.argument("role", type=click.Choice([*_ROLES, "none"]))
def grant_role(session: Session, where: str, account: str, role: str) -> None:
    """Give a user, service account or group a role. On a model, `none` hides it from them."""
    client = session.client
    (client.models if "/" in where else client.namespaces).grant(where, account, role)
    if session.as_json:
        session.out.json({"where": where, "account": account, "role": role})
    else:
        session.out.text(f"{account} is {role} of {where}")


@command("revoke", example="modelyard namespace revoke fraud ann")
@click.argument("where")
@click.argument("account")
def revoke_role(session: Session, where: str, account: str) -> None:
    """Take an account's role away; on a model, the one on its namespace counts again."""
    client = session.client
    (client.models if "/" in where else client.namespaces).revoke(where, account)
    if session.as_json:
        session.out.json({"where": where, "account": account, "role": None})
    else:
        session.out.text(f"{account} holds no role of its own on {where}")


@command("members", example="modelyard namespace members fraud")
@click.argument("where")
def list_members(session: Session, where: str) -> None:
    """List who holds a role on a namespace or a model."""
    client = session.client
    session.out.page(
        (client.models if "/" in where else client.namespaces).members(where),
        ("account", "kind", "role"),
        lambda m: (m.name, m.kind, m.role),
        empty="No one holds a role of their own here.",
    )
