"""Taking leaked texts out of what a namespace keeps."""

from __future__ import annotations

import sys

import click

from modelyard.cli.base import Session, command


@command("redact", example="modelyard redact fraud --reason 'key pasted into a comment' < leaked-key.txt")
@click.argument("namespace")
@click.option("--reason", help="Why; kept in the event log. Needed unless --list is given.")
@click.option("--list", "list_only", is_flag=True, help="List what was redacted in the namespace.")
def redact(session: Session, namespace: str, reason: str | None, list_only: bool) -> None:
    """Take a text out of all records, logs, cards, comments and events of a namespace, for good.

    The text is asked for on a terminal, else read from standard input, so that it stays out of the shell's history.
    Digests that were given out stay valid; `audit check` and `audit verify` know of the redaction. The bytes of
    files are not changed: delete the version whose files hold the text. Backups made before still hold it.
    """
    if list_only:
        session.out.page(
            session.client.redactions.list(namespace),
            ("redaction", "event", "at", "by", "places", "events", "reason"),
            lambda r: (r.id, r.event, r.at, r.by, sum(r.places.values()), len(r.events), r.reason),
            empty=f"Nothing was redacted in {namespace}.",
        )
        return
    if reason is None:
        raise click.UsageError("Give a reason with --reason.")
    text = click.prompt("Text to redact", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    done = session.client.redactions.redact(namespace, text.strip("\r\n"), reason=reason)
    if session.as_json:
        session.out.json(done)
        return
    session.out.text(f"Redacted {sum(done.places.values())} places and {len(done.events)} events ({done.id})")
    session.out.table(("where", "rows"), sorted(done.places.items()))
