"""Checks, evaluations, cards and attestations from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.base import LazyGroup, Session, command
from modelyard.cli.errors import FAILED
from modelyard.cli.output import key_values

_HERE = "modelyard.cli.reports"
_PATH = click.Path(dir_okay=False, path_type=Path)


# --- checks --------------------------------------------------------------------------------------------


@click.group(
    "check",
    cls=LazyGroup,
    lazy={
        "report": (f"{_HERE}:report_check", "Report a check of a version."),
        "junit": (f"{_HERE}:report_junit", "Report what a JUnit XML file says."),
        "ls": (f"{_HERE}:list_checks", "List the checks of a version."),
    },
)
def check() -> None:
    """Report and list checks: named results from CI, scanners or people."""


@command(
    "report", example="modelyard check report fraud/scorer:12 unit-tests pass --url https://ci.example.org/7"
)
@click.argument("ref")
@click.argument("name")
@click.argument("state", type=click.Choice(["pass", "fail", "error", "pending"]))
@click.option("--url", default="", help="Where the details are.")
@click.option("--summary", default="", help="A line of words.")
def report_check(session: Session, ref: str, name: str, state: str, url: str, summary: str) -> None:
    """Report a check of a version; the newest report of a name counts."""
    found = session.client.checks.report(ref, name, state, url=url, summary=summary)
    _say(session, found[0], f"{name}\t{state}")


@command("junit", example="modelyard check junit fraud/scorer:12 unit-tests report.xml")
@click.argument("ref")
@click.argument("name")
@click.argument("file", type=_PATH)
@click.option("--url", default="", help="Where the details are.")
def report_junit(session: Session, ref: str, name: str, file: Path, url: str) -> None:
    """Report what a JUnit XML file says: pass when tests ran and none failed, error when none ran."""
    found = session.client.checks.report_junit(ref, name, file, url=url)[0]
    _say(session, found, f"{found.name}\t{found.state}\t{found.summary}")


@command("ls", example="modelyard check ls fraud/scorer:12")
@click.argument("ref")
def list_checks(session: Session, ref: str) -> None:
    """List the checks of a version, newest first."""
    session.out.page(
        session.client.checks.list(ref),
        ("name", "state", "at", "by", "summary", "url"),
        lambda c: (c.name, c.state, c.at, c.by, c.summary, c.url),
        empty="Nothing was reported yet.",
    )


def _say(session: Session, value: object, words: str) -> None:
    session.out.json(value) if session.as_json else session.out.text(words)


# --- evaluations ---------------------------------------------------------------------------------------


@click.group(
    "evaluation",
    cls=LazyGroup,
    lazy={
        "report": (f"{_HERE}:report_evaluation", "Report metrics measured on a dataset split."),
        "ls": (f"{_HERE}:list_evaluations", "List the evaluations of a version."),
    },
)
def evaluation() -> None:
    """Report and list evaluations: metrics of a version measured after it was registered."""


@command("report", example="modelyard evaluation report fraud/scorer:12 f1=0.81 --split test --dataset holdout")
@click.argument("ref")
@click.argument("metrics", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--split", default="", help="Of which split of the dataset.")
@click.option("--dataset", default="", help="On which dataset.")
def report_evaluation(session: Session, ref: str, metrics: tuple[str, ...], split: str, dataset: str) -> None:
    """Report metrics of a version."""
    values: dict[str, float | str] = {}
    for name, text in key_values(metrics, "NAME=VALUE").items():
        try:
            values[name] = float(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is no number", param_hint="NAME=VALUE") from None
        if values[name] != values[name] or values[name] in (float("inf"), float("-inf")):
            values[name] = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(values[name])]
    found = session.client.evaluations.report(ref, values, split=split, dataset=dataset)
    _say(session, found, "\n".join(f"{m['name']}\t{m['value']}" for m in found.metrics))


@command("ls", example="modelyard evaluation ls fraud/scorer:12")
@click.argument("ref")
def list_evaluations(session: Session, ref: str) -> None:
    """List the evaluations of a version, newest first."""
    session.out.page(
        session.client.evaluations.list(ref),
        ("at", "by", "split", "dataset", "metrics"),
        lambda e: (e.at, e.by, e.split, e.dataset, ", ".join(f"{m['name']}={m['value']}" for m in e.metrics)),
        empty="Nothing was reported yet; metrics frozen at registration: modelyard show REF",
    )


# --- cards ---------------------------------------------------------------------------------------------


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
    _say(session, found, f"{found.reference}\tcard with {len(found.sections)} sections")


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
    _say(session, found, f"{found.reference}\tcard {found.number} with {len(found.sections)} sections")


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


# --- attestations --------------------------------------------------------------------------------------


@command("attest", example="modelyard attest fraud/scorer:12 --key release.pem")
@click.argument("ref")
@click.option("--key", "key_file", type=_PATH, required=True, help="File of your private key; it stays here.")
def attest(session: Session, ref: str, key_file: Path) -> None:
    """Sign the version's digests with your key. A policy says which keys count."""
    found = session.client.attestations.sign(ref, key_file)
    _say(session, found, found.signature)


@click.group("key", cls=LazyGroup, lazy={"create": (f"{_HERE}:create_signing_key", "Create a signing key.")})
def key() -> None:
    """Create signing keys."""


@command("create", example="modelyard key create release.pem", server=False)
@click.argument("file", type=_PATH)
def create_signing_key(session: Session, file: Path) -> None:
    """Write a private key to FILE and print its public half, as a policy's attestation rule takes it."""
    from modelyard.sdk.reports import create_key

    if file.exists():
        raise click.UsageError(f"{file} exists and is not overwritten.")
    public = create_key(file)
    _say(session, {"file": str(file), "public": public}, public)
