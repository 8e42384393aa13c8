"""Removal of leaked data: texts of a namespace, and the bytes of files."""

from __future__ import annotations

import sys

import click

from modelyard.cli.base import Session, command
from modelyard.wire.redaction import Redaction, Withheld


@command(
    "redact",
    example="modelyard redact fraud --reason 'key pasted into a comment' < leaked-key.txt\n"
    "modelyard redact fraud/scorer:3 --file config/settings.env --reason 'it holds a key'\n"
    "modelyard redact run:1f0a9c3e7d52 --file notebook.ipynb --reason 'it holds a key'",
)
@click.argument("target")
@click.option("--file", "path", help="Withhold the bytes of this file of the version, run or dataset.")
@click.option("--reason", help="Reason, kept in the event log. Required unless --list is given.")
@click.option(
    "--list", "list_only", is_flag=True, help="List the redacted texts and withheld files of the namespace."
)
def redact(session: Session, target: str, path: str | None, reason: str | None, list_only: bool) -> None:
    """Remove a text from a namespace, or withhold a file of a version, for good.

    For a text, TARGET is a namespace: the text is removed from all records, logs, cards, comments and events. You are
    asked for it on a terminal; otherwise it is read from standard input, so it stays out of the shell's history.

    With --file, TARGET is a version, run:ID, or dataset:NAME@DIGEST (with --file profile). The bytes of that file are
    deleted, no longer served in any file, and refused when pushed again.

    Published digests stay valid; `audit check` and `audit verify` account for redactions. Earlier backups still hold
    the removed data.
    """
    if list_only:
        _list(session, target)
    elif reason is None:
        raise click.UsageError("Give a reason with --reason.")
    elif path is not None:
        _withhold(session, target, path, reason)
    else:
        _redact_text(session, target, reason)


def _list(session: Session, namespace: str) -> None:
    redactions = session.client.redactions
    removals = [*redactions.list(namespace), *redactions.list_withheld(namespace)]
    session.out.page(
        sorted(removals, key=lambda each: -1 if each.event is None else each.event, reverse=True),
        ("what", "event", "at", "by", "places", "reason"),
        _row,
        empty=f"Nothing has been redacted in {namespace}.",
    )


def _row(found: Redaction | Withheld) -> tuple[object, ...]:
    if isinstance(found, Redaction):
        what, places = f"text {found.id}", sum(found.places.values()) + len(found.events)
        return what, found.event, found.at, found.by, places, found.reason
    return f"file {found.path}", found.event, found.at, found.by, found.holder, found.reason


def _withhold(session: Session, target: str, path: str, reason: str) -> None:
    done = session.client.redactions.withhold(target, path, reason=reason)
    if session.answered(done):
        return
    session.out.text(f"Withheld {done.path} of {done.holder} ({done.digest})")
    if done.also:
        session.out.note(f"{len(done.also)} other files have the same bytes and are withheld too:")
    for place in done.also:
        session.out.text(f"also\t{place}")


def _redact_text(session: Session, namespace: str, reason: str) -> None:
    text = click.prompt("Text to redact", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    done = session.client.redactions.redact(namespace, text.strip("\r\n"), reason=reason)
    if session.answered(done):
        return
    session.out.text(f"Redacted {sum(done.places.values())} places and {len(done.events)} events ({done.id})")
    session.out.table(("where", "rows"), sorted(done.places.items()))
