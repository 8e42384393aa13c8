"""Model cards from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.base import LazyGroup, Session, command, say
from modelyard.cli.errors import FAILED

_HERE = "modelyard.cli.cards"


_PATH = click.Path(dir_okay=False, path_type=Path)


@click.group(
    "card",
    cls=LazyGroup,
    lazy={
        "show": (f"{_HERE}:show_card", "Print the card of a version."),
        "set": (f"{_HERE}:set_card", "Set the card of a version."),
        "edit": (f"{_HERE}:edit_card", "Write the card of a version in your editor."),
        "template": (f"{_HERE}:card_template", "Print a card to begin with, filled with what is known."),
        "check": (f"{_HERE}:check_card", "Name the sections that are missing or empty."),
        "diff": (f"{_HERE}:diff_cards", "Show what changed in a card."),
        "history": (f"{_HERE}:list_cards", "List the cards that were set."),
    },
)
def card() -> None:
    """Write, show, check and compare the cards of versions."""


@command("show", example="modelyard card show fraud/scorer:12")
@click.argument("ref")
@click.option("--sections", is_flag=True, help="Only its sections and how many words each has.")
@click.option("--number", type=int, help="An earlier one, as card history numbers them; 0 is the file.")
@click.option("--html", is_flag=True, help="As sanitised HTML.")
def show_card(session: Session, ref: str, sections: bool, number: int | None, html: bool) -> None:
    """Print the card of a version."""
    if html:
        text = session.client.cards.html(ref)
        session.out.json({"html": text}) if session.as_json else session.out.text(text.rstrip("\n"))
        return
    found = session.client.cards.get(ref, number=number)
    if session.as_json:
        session.out.json(found)
    elif sections:
        session.out.table(("section", "words"), list(found.sections.items()))
    else:
        session.out.text(found.text.rstrip("\n"))


@command("set", example="modelyard card set fraud/scorer:12 README.md")
@click.argument("ref")
@click.argument("file", type=_PATH)
def set_card(session: Session, ref: str, file: Path) -> None:
    """Set the card of a version; its files stay as they are."""
    found = session.client.cards.set(ref, file.read_text(encoding="utf-8"))
    say(session, found, f"{found.reference}\tcard with {len(found.sections)} sections")


@command("template", example="modelyard card template fraud/scorer:12 > README.md")
@click.argument("ref")
def card_template(session: Session, ref: str) -> None:
    """Print a card to begin with: standard front matter and sections, filled with what is known."""
    text = session.client.cards.template(ref)
    session.out.json({"text": text}) if session.as_json else session.out.text(text.rstrip("\n"))


@command("edit", example="modelyard card edit fraud/scorer:12")
@click.argument("ref")
def edit_card(session: Session, ref: str) -> None:
    """Write the card of a version in your editor ($EDITOR); a version without one begins with the template."""
    from modelyard.domain.errors import FileNotFound

    cards = session.client.cards
    try:
        before = cards.get(ref).text
    except FileNotFound:
        before = cards.template(ref)
    written = click.edit(before, extension=".md", require_save=True)
    if written is None:
        session.out.note("Nothing was saved, so nothing changed.")
        return
    found = cards.set(ref, written)
    say(session, found, f"{found.reference}\tcard {found.number} with {len(found.sections)} sections")


@command("check", example="modelyard card check fraud/scorer:12")
@click.argument("ref")
def check_card(session: Session, ref: str) -> int:
    """Name the sections that are missing or empty, and faults of the front matter. Exit code 1 for any."""
    found = session.client.cards.problems(ref)
    session.out.page(found, ("where", "problem"), lambda p: (p.where, p.what), empty="Nothing is missing.")
    return FAILED if found else 0


@command(
    "diff", example="modelyard card diff fraud/scorer:12\nmodelyard card diff fraud/scorer:12 fraud/scorer:11"
)
@click.argument("ref")
@click.argument("other", required=False)
def diff_cards(session: Session, ref: str, other: str | None) -> None:
    """Show what changed in a card since it was set before, or since another version's."""
    text = session.client.cards.diff(ref, other)
    if session.as_json:
        session.out.json({"diff": text})
    elif text:
        session.out.text(text)
    else:
        session.out.note("They are equal.")


@command("history", example="modelyard card history fraud/scorer:12")
@click.argument("ref")
def list_cards(session: Session, ref: str) -> None:
    """List the cards that were set, newest first."""
    session.out.page(
        session.client.cards.history(ref),
        ("number", "at", "by", "words"),
        lambda c: (c.number, c.at, c.by, c.words),
        empty="No card was set; the README.md among the files counts, if there is one.",
    )
