"""Model cards from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command, command_group
from modelyard.cli.errors import FAILED, OK

_PATH = click.Path(dir_okay=False, path_type=Path)


@command_group("card")
def card() -> None:
    """Write, show, check and compare the cards of versions."""


@command("show", group=card, example="modelyard card show fraud/scorer:12")
@click.argument("ref", type=REF)
@click.option("--sections", is_flag=True, help="List only its sections, with the number of words in each.")
@click.option("--number", type=int, help="Show an earlier card, by its number in card history; 0 is the file.")
@click.option("--html", is_flag=True, help="Print it as sanitised HTML.")
def show_card(session: Session, ref: str, sections: bool, number: int | None, html: bool) -> None:
    """Print the card of a version."""
    if html:
        text = session.client.cards.html(ref)
        session.say({"html": text}, text.rstrip("\n"))
        return
    shown_card = session.client.cards.get(ref, number=number)
    if session.as_json:
        session.out.json(shown_card)
    elif sections:
        session.out.table(("section", "words"), list(shown_card.sections.items()))
    else:
        session.out.text(shown_card.text.rstrip("\n"))


@command("set", group=card, example="modelyard card set fraud/scorer:12 README.md")
@click.argument("ref", type=REF)
@click.argument("file", type=_PATH)
@click.option(
    "--if-revision",
    "seen",
    type=int,
    metavar="N",
    help="Set it only if this card is still the newest, by its number in card history; 0: only if none was set.",
)
def set_card(session: Session, ref: str, file: Path, seen: int | None) -> None:
    """Set the card of a version; its files stay as they are."""
    written = session.client.cards.set(ref, file.read_text(encoding="utf-8"), seen=seen)
    session.say(written, f"{written.reference}\tcard with {len(written.sections)} sections")


@command("template", group=card, example="modelyard card template fraud/scorer:12 > README.md")
@click.argument("ref", type=REF)
def card_template(session: Session, ref: str) -> None:
    """Print a first draft of a card: standard front matter and sections, filled with known facts."""
    text = session.client.cards.template(ref)
    session.say({"text": text}, text.rstrip("\n"))


@command("edit", group=card, example="modelyard card edit fraud/scorer:12")
@click.argument("ref", type=REF)
def edit_card(session: Session, ref: str) -> None:
    """Write the card of a version in your editor ($EDITOR), starting from the template if it has none."""
    from modelyard.domain.errors import FileNotFound

    cards = session.client.cards
    try:
        present = cards.get(ref)
        before, seen = present.text, present.number
    except FileNotFound:
        before, seen = cards.template(ref), 0
    written = click.edit(before, extension=".md", require_save=True)
    if written is None:
        session.out.note("Nothing was saved, so nothing changed.")
        return
    found = cards.set(ref, written, seen=seen)
    session.say(found, f"{found.reference}\tcard {found.number} with {len(found.sections)} sections")


@command("check", group=card, example="modelyard card check fraud/scorer:12")
@click.argument("ref", type=REF)
def check_card(session: Session, ref: str) -> int:
    """List missing and empty sections, and faults in the front matter. Exit code 1 if there are any."""
    problems = session.client.cards.problems(ref)
    session.out.page(problems, ("where", "problem"), lambda p: (p.where, p.what), empty="Nothing is missing.")
    return FAILED if problems else 0


@command(
    "diff",
    group=card,
    example="modelyard card diff fraud/scorer:12\nmodelyard card diff fraud/scorer:12 fraud/scorer:11",
)
@click.argument("ref", type=REF)
@click.argument("other", required=False)
def diff_cards(session: Session, ref: str, other: str | None) -> None:
    """Show what changed in a card since it was last set, or compared with another version's card."""
    text = session.client.cards.diff(ref, other)
    if session.as_json:
        session.out.json({"diff": text})
    elif text:
        session.out.text(text)
    else:
        session.out.note("The cards are equal.")


@command("history", group=card, example="modelyard card history fraud/scorer:12")
@click.argument("ref", type=REF)
def list_cards(session: Session, ref: str) -> None:
    """List the cards that were set, newest first."""
    session.out.page(
        session.client.cards.history(ref),
        ("number", "at", "by", "words"),
        lambda c: (c.number, c.at, c.by, c.words),
        empty="No card was set. The README.md among the files is the card, if there is one.",
    )


@command(
    "cite", example="modelyard cite fraud/scorer:12\nmodelyard cite fraud/scorer:12 --bibtex >> models.bib"
)
@click.argument("ref", type=REF)
@click.option("--bibtex", is_flag=True, help="Print only the BibTeX entry. Default: text, BibTeX and licence.")
def cite(session: Session, ref: str, bibtex: bool) -> int:
    """Print how to cite a version: from its card, or generated from what is known of it."""
    found = session.client.cards.citation(ref)
    if session.answered(found):
        return OK
    if bibtex and not found.bibtex:
        session.out.note(
            f"The card of {found.reference} has a citation, but no BibTeX entry. Add one with: "
            f"modelyard card edit {found.reference}"
        )
        return FAILED
    parts = [found.bibtex] if bibtex else [found.text, found.bibtex]
    session.out.text("\n\n".join(part for part in parts if part))
    if not bibtex:
        session.out.note(f"Licence: {found.licence or 'not known'}")
    if found.source == "generated":
        session.out.note(
            "The card has no section Citation, so this was generated. Add one with: "
            f"modelyard card edit {found.reference}"
        )
    return OK
