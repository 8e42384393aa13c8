"""Tokens."""

from __future__ import annotations

from typing import Any

import click

from modelyard.cli.base import Session, command, command_group


@command_group("token")
def token() -> None:
    """Create, list and revoke tokens."""


@command(
    "create",
    group=token,
    example="modelyard token create ci --namespace fraud --may version.register --may alias.move --days 30",
)
@click.argument("name")
@click.option("--owner", help="Account that the token acts for, for admins. Default: your own.")
@click.option(
    "--may",
    "permissions",
    multiple=True,
    metavar="VERB",
    help="Allow only this permission; may be repeated. Default: all of the owner's.",
)
@click.option("--namespace", help="Valid only in this namespace.")
@click.option("--model", help="Valid only for this model of the namespace.")
@click.option("--days", type=float, default=90, show_default=True, help="Days until it expires.")
@click.option("--never-expires", is_flag=True, help="Never let the token expire, for admins.")
@click.option(
    "--form",
    type=click.Choice(["modelyard", "hf"]),
    default="modelyard",
    show_default=True,
    help="Prefix of the token; hf for Hugging Face clients that require it.",
)
def create_token(
    session: Session, name: str, permissions: tuple[str, ...], days: float, never_expires: bool, **options: Any
) -> None:
    """Create a token; it is shown only once. In a pipe only the token is printed."""
    made = session.client.tokens.create(
        name, permissions=list(permissions) or None, expires_in_days=None if never_expires else days, **options
    )
    if session.answered(made):
        return
    session.out.text(made.token)
    ends = f"expires {made.expires_at}" if made.expires_at else "never expires"
    session.out.note(f"Token {made.id} {ends}. It is shown only once; keep it like a password.")


@command("ls", group=token, example="modelyard token ls")
@click.option("--everybody", is_flag=True, help="List the tokens of all accounts, for admins.")
def list_tokens(session: Session, everybody: bool) -> None:
    """List your tokens, newest first, without their secrets."""
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


@command("revoke", group=token, example="modelyard token revoke 7")
@click.argument("ids", nargs=-1, required=True, type=int, metavar="ID...")
def revoke_token(session: Session, ids: tuple[int, ...]) -> None:
    """Revoke tokens, effective at once."""
    for each in ids:
        session.client.tokens.revoke(each)
    session.say({"revoked": ids}, f"Revoked {', '.join(map(str, ids))}")
