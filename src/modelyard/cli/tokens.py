"""Tokens."""

from __future__ import annotations

import click

from modelyard.cli.base import LazyGroup, Session, command

_HERE = "modelyard.cli.tokens"


@click.group(
    "token",
    cls=LazyGroup,
    lazy={
        "create": (f"{_HERE}:create_token", "Make a token; it is shown once."),
        "ls": (f"{_HERE}:list_tokens", "List tokens, without their secrets."),
        "revoke": (f"{_HERE}:revoke_token", "Revoke a token at once."),
    },
)
def token() -> None:
    """Create, list and revoke tokens."""


@command(
    "create",
    example="modelyard token create ci --namespace fraud --may version.register --may alias.move --days 30",
)
@click.argument("name")
@click.option("--owner", help="For this account instead of one's own; for admins.")
@click.option(
    "--may", "permissions", multiple=True, metavar="VERB", help="Only this verb; else all of the owner's."
)
@click.option("--namespace", help="Only in this namespace.")
@click.option("--model", help="Only for this model of the namespace.")
@click.option("--days", type=float, default=90, show_default=True, help="Days until it expires.")
@click.option("--never-expires", is_flag=True, help="For admins: no end.")
@click.option(
    "--form",
    type=click.Choice(["modelyard", "hf"]),
    default="modelyard",
    show_default=True,
    help="hf: for clients that demand that prefix.",
)
def create_token(
    session: Session,
    name: str,
    owner: str | None,
    permissions: tuple[str, ...],
    namespace: str | None,
    model: str | None,
    days: float,
    never_expires: bool,
    form: str,
) -> None:
    """Make a token; it is shown this once. In a pipe only the token is printed."""
    made = session.client.tokens.create(
        name,
        owner=owner,
        permissions=list(permissions) or None,
        namespace=namespace,
        model=model,
        expires_in_days=None if never_expires else days,
        form=form,
    )
    if session.as_json:
        session.out.json(made)
        return
    session.out.text(made.token)
    ends = f"expires {made.expires_at}" if made.expires_at else "never expires"
    session.out.note(f"Token {made.id} {ends}. It is shown this once; keep it like a password.")


@command("ls", example="modelyard token ls")
@click.option("--everybody", is_flag=True, help="Those of all accounts, for admins.")
def list_tokens(session: Session, everybody: bool) -> None:
    """List one's tokens, newest first, without their secrets."""
    session.out.page(
        session.client.tokens.list(everybody=everybody),
        ("id", "name", "owner", "token", "where", "may", "expires", "last used"),
        lambda t: (
            t.id,
            t.name,
            t.owner,
            t.hint,
            "/".join(part for part in (t.namespace, t.model) if part) or "everywhere",
            "all" if t.permissions is None else ",".join(t.permissions),
            t.expires_at or "never",
            t.last_used_at or "never",
        ),
        empty="No tokens.",
    )


@command("revoke", example="modelyard token revoke 7")
@click.argument("ids", nargs=-1, required=True, type=int, metavar="ID...")
def revoke_token(session: Session, ids: tuple[int, ...]) -> None:
    """Revoke tokens at once."""
    for each in ids:
        session.client.tokens.revoke(each)
    session.out.json({"revoked": ids}) if session.as_json else session.out.text(
        f"Revoked {', '.join(map(str, ids))}"
    )
