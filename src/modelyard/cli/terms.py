"""Terms of use from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelyard.cli.arguments import MODEL
from modelyard.cli.base import Session, command, command_group

if TYPE_CHECKING:
    from modelyard.wire.terms import Terms


@command_group("terms")
def terms() -> None:
    """Set, read and accept the terms of use of models."""


@command("show", group=terms, example="modelyard terms show fraud/scorer")
@click.argument("model", type=MODEL)
def show_terms(session: Session, model: str) -> None:
    """Print the terms of use of a model, and whether you have accepted them."""
    found = session.client.terms.get(model)
    if session.answered(found):
        return
    if found.digest is None:
        session.out.note(f"{found.model} has no terms of use.")
        return
    session.out.text(found.text)
    if found.accepted_at:
        session.out.note(f"You accepted them at {found.accepted_at}.")
    else:
        session.out.note(f"You have not accepted them. Accept them with: modelyard terms accept {found.model}")


@command(
    "set",
    group=terms,
    example="modelyard terms set fraud/scorer TERMS.md\nmodelyard terms set fraud/scorer --remove",
)
@click.argument("model", type=MODEL)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--remove", is_flag=True, help="Remove the terms: pulls need no acceptance any more.")
def set_terms(session: Session, model: str, file: Path | None, remove: bool) -> None:
    """Set the terms of use of a model, in Markdown. Every account has to accept them before its next pull."""
    if (file is None) != remove:
        raise click.UsageError("Name a file with the terms, or give --remove.")
    text = "" if file is None else file.read_text(encoding="utf-8")
    found = session.client.terms.set(model, text)
    session.say(found, f"{found.model}\t{found.digest or 'no terms of use'}")


@command(
    "accept",
    group=terms,
    example="modelyard terms accept fraud/scorer\nmodelyard terms accept fraud/scorer --yes",
)
@click.argument("model", type=MODEL)
@click.option("--digest", help="Accept only if the terms have this digest. Default: the present terms.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; you have read the terms.")
def accept_terms(session: Session, model: str, digest: str | None, yes: bool) -> None:
    """Print the terms of use of a model, and accept them for your account."""
    found = session.client.terms.get(model)
    wanted = digest or found.digest or ""
    if found.digest == wanted and not found.accepted_at and not yes:
        if not is_asked(session):
            raise click.UsageError(
                f"This is not a terminal, so nothing can be asked. Read them with: modelyard terms show {model}; "
                f"then accept them with: modelyard terms accept {model} --digest {found.digest} --yes"
            )
        _ask(session, found)
    accepted = session.client.terms.accept(model, wanted)
    session.say(accepted, f"Accepted the terms of use of {accepted.model} ({accepted.digest})")


@command("ls", group=terms, example="modelyard terms ls fraud/scorer")
@click.argument("model", type=MODEL)
@click.option("--limit", type=click.IntRange(1), help="Show at most this many.")
def list_acceptances(session: Session, model: str, limit: int | None) -> None:
    """List the accounts that accepted terms of use of a model, newest first."""
    session.out.page(
        session.client.terms.acceptances(model, limit),
        ("account", "at", "terms"),
        lambda a: (a.account, a.at, a.digest),
        empty=f"No account has accepted terms of use of {model}.",
    )


def is_asked(session: Session) -> bool:
    """Return whether there is a person at a terminal to ask."""
    return not session.as_json and sys.stdin.isatty() and sys.stderr.isatty()


def ask_and_accept(session: Session, model: str) -> None:
    """Print the terms of use and accept them if the person says so; end the command otherwise."""
    found = session.client.terms.get(model)
    if found.digest is not None and not found.accepted_at:
        _ask(session, found)
        session.client.terms.accept(model, found.digest)


def _ask(session: Session, found: Terms) -> None:
    session.out.note(found.text)
    click.confirm(f"Do you accept these terms of use of {found.model}?", abort=True, err=True)
