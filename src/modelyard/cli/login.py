"""Sign in, sign out, and show the account."""

from __future__ import annotations

import sys

import click

from modelyard.cli.base import Session, command
from modelyard.domain.errors import NotSignedIn


@command(
    "login",
    example="modelyard login https://registry.example.org\n"
    "modelyard login https://registry.example.org --user ann\nmodelyard login URL < token.txt",
)
@click.argument("url", required=False)
@click.option("--user", help="Sign in with the password of this account, and store a new token.")
@click.option("--no-default", is_flag=True, help="Keep the current default server.")
@click.option("--insecure", is_flag=True, help="Allow http:// to another machine; others may read the token.")
def login(session: Session, url: str | None, user: str | None, no_default: bool, insecure: bool) -> None:
    """Store a token for a server.

    On a terminal you are asked for a token or a sign-in link; otherwise it is read from standard input or
    MODELYARD_TOKEN. It is not an option, because other users of this machine can see options. A link, or a password
    with --user, creates a token for a full sign-in: it lasts 90 days and can also manage the account itself.
    """
    import os

    from modelyard.sdk import credentials
    from modelyard.sdk.http import refuse_clear_text
    from modelyard.sdk.shortcuts import login as sign_in
    from modelyard.sdk.signing_in import make_own_token, split_link
    from modelyard.wire.access import SignIn

    address = credentials.choose(url or session.server, None)[0]
    insecure = insecure or credentials.is_insecure(address)
    if not insecure:
        # Check the address before asking for anything.
        refuse_clear_text(address)
    if user is not None:
        proof = SignIn(name=user, password=_ask(f"Password of {user} at {address}"))
        token = make_own_token(address, proof, insecure=insecure)
    else:
        token = os.environ.get("MODELYARD_TOKEN", "").strip() or _ask(f"Token or sign-in link for {address}")
        if (link := split_link(token)) is not None:
            address = link[0]
            token = make_own_token(address, SignIn(link=link[1]), insecure=insecure)
    who = sign_in(address, token, make_default=not no_default, insecure=insecure)
    session.say({"url": address, "account": who.name}, f"Signed in at {address} as {who.name}")


def _ask(words: str) -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt(words, hide_input=True, err=True)
        return asked
    return sys.stdin.readline().rstrip("\n")


@command("logout", example="modelyard logout https://registry.example.org")
@click.argument("url", required=False)
@click.option("--revoke", is_flag=True, help="Also revoke the token on the server.")
def logout(session: Session, url: str | None, revoke: bool) -> None:
    """Forget the stored token of a server."""
    from modelyard.sdk import credentials
    from modelyard.sdk.client import Client

    address = credentials.choose(url or session.server, None)[0]
    entry = credentials.load().servers.get(address)
    if entry is None:
        raise NotSignedIn(url=address)
    revoked = False
    if revoke:
        with Client(address, entry.token) as client:
            token_id = client.whoami().token_id
            if token_id is not None:
                client.tokens.revoke(token_id)
                revoked = True
    credentials.forget(address)
    session.say(
        {"url": address, "revoked": revoked},
        f"Signed out of {address}{' and revoked the token' if revoked else ''}",
    )


@command("whoami", example="modelyard whoami")
def whoami(session: Session) -> None:
    """Show which account you are signed in as, and its permissions."""
    who = session.client.whoami()
    if session.answered(who):
        return
    scope = "/".join(part for part in (who.token_namespace, who.token_model) if part)
    rows = [
        ("account", who.name),
        ("kind", who.kind + (", admin" if who.is_admin else ", auditor" if who.is_auditor else "")),
        ("server", session.client.url),
        ("release", who.server),
        ("namespace", who.default_namespace or ""),
        ("groups", ", ".join(who.groups)),
        ("token for", scope),
        (
            "token may",
            "everything the account may" if who.token_permissions is None else ", ".join(who.token_permissions),
        ),
        ("full sign-in", "yes" if who.is_full_sign_in else "no: it cannot manage accounts, links or tokens"),
    ]
    session.out.pairs([(name, value) for name, value in rows if value])
