"""The event log from the command line; `verify` needs neither server nor account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelyard.cli.base import LazyGroup, Session, command
from modelyard.cli.errors import FAILED
from modelyard.cli.history import details
from modelyard.cli.times import moment

if TYPE_CHECKING:
    from modelyard.domain.bundle import Report

_HERE = "modelyard.cli.audit"


@click.group(
    "audit",
    cls=LazyGroup,
    lazy={
        "log": (f"{_HERE}:log", "List events, newest first."),
        "checkpoint": (f"{_HERE}:checkpoint", "Print the log's signed checkpoint."),
        "export": (f"{_HERE}:export", "Write the log with its proof to a file."),
        "proof": (f"{_HERE}:proof", "Write one event with its proof to a file."),
        "verify": (f"{_HERE}:verify", "Verify such a file, without any server."),
        "check": (f"{_HERE}:check", "Let the server compare its events with the tree."),
    },
)
def audit() -> None:
    """Show, export and verify the event log."""


def _filters(made: click.Command) -> click.Command:
    words = {
        "actor": ("NAME", "Only what this account did."),
        "model": ("MODEL", "Only the events of this model; its readers may see them."),
        "namespace": ("NAME", "Only the events of this namespace; its auditors may see them."),
        "since": ("TIME", "From this time on: 2026-03-03, 2026-03-03T14:00:00Z, or 90d for the last 90 days."),
        "until": ("TIME", "Before this time."),
    }
    kinds = click.Option(
        ["--kind", "kinds"], multiple=True, help="Only events of this kind; * stands for any text."
    )
    made.params[:0] = [
        *(click.Option([f"--{name}"], metavar=metavar, help=text) for name, (metavar, text) in words.items()),
        kinds,
    ]
    return made


@_filters
@command("log", example="modelyard audit log --since 2026-03-01T00:00:00Z --kind alias.moved")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
def log(
    session: Session,
    actor: str | None,
    model: str | None,
    namespace: str | None,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """List events, newest first: of the whole registry, of one namespace or of one model."""
    from modelyard.wire.versions import LogQuery

    query = LogQuery(
        actor=actor,
        model=str(session.client.model_name(model)) if model else None,
        namespace=namespace,
        kind=[*kinds],
        since=moment(since),
        until=moment(until),
    )
    found = [*session.client.audit.events(query, limit)]
    session.out.page(
        found,
        ("event", "at", "what", "where", "by", "details"),
        lambda e: (
            e.seq,
            e.at,
            e.kind,
            (e.model or e.namespace or "") + (f":{e.version}" if e.version else ""),
            e.actor,
            details(e.data),
        ),
    )
    if not found:
        # An auditor must not take a silent answer for proof that nothing happened.
        looked_at = session.client.audit.looked_at(query)
        session.out.note(f"None of {looked_at} events is as asked for.")


@command("checkpoint", example="modelyard audit checkpoint > checkpoint.txt\nmodelyard audit checkpoint --key")
@click.option("--key", "key_only", is_flag=True, help="Print the log's public key instead.")
def checkpoint(session: Session, key_only: bool) -> None:
    """Print the log's signed checkpoint.

    Keep it away from the server: whatever is changed in the log's past later, `audit verify --against` with
    this checkpoint finds it.
    """
    found = session.client.audit.checkpoint()
    if session.as_json:
        session.out.json(found)
    else:
        session.out.text(found.key if key_only else found.note.rstrip("\n"))


@_filters
@command(
    "export",
    example="modelyard audit export --out log.jsonl\n"
    "modelyard audit export --model fraud/scorer --out scorer.jsonl",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option(
    "--against", type=click.Path(exists=True, path_type=Path), help="Prove to continue this checkpoint."
)
def export(
    session: Session,
    out: Path,
    actor: str | None,
    model: str | None,
    namespace: str | None,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    against: Path | None,
) -> None:
    """Write the event log, or chosen events of it, with checkpoint and proofs to a file.

    `modelyard audit verify` checks the file anywhere, without this server.
    """
    from modelyard.sdk.audit import read_checkpoint
    from modelyard.wire.audit import ExportQuery

    query = ExportQuery(
        model=str(session.client.model_name(model)) if model else None,
        namespace=namespace,
        actor=actor,
        kind=[*kinds],
        since=moment(since),
        until=moment(until),
        since_size=read_checkpoint(against).checkpoint.size if against else None,
    )
    written = session.client.audit.export(out, query)
    if session.as_json:
        session.out.json({"file": str(written), "size_bytes": written.stat().st_size})
    else:
        session.out.text(f"Wrote {written}")
        session.out.note(f"Verify it anywhere with: modelyard audit verify {written}")


@command("proof", example="modelyard audit proof 1042 --out promotion.jsonl")
@click.argument("event", type=click.IntRange(0))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
def proof(session: Session, event: int, out: Path) -> None:
    """Write one event and the proof that the log holds it to a file."""
    written = session.client.audit.prove(event, out)
    if session.as_json:
        session.out.json({"file": str(written), "event": event})
    else:
        session.out.text(f"Wrote {written}")
        session.out.note(f"Verify it anywhere with: modelyard audit verify {written}")


@command(
    "verify",
    server=False,
    example="modelyard audit verify log.jsonl --key log.key\n"
    "modelyard audit verify log.jsonl --against checkpoint.txt",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", metavar="KEY", help="The log's public key, or a file with it.")
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An older checkpoint or export that this one must continue.",
)
@click.option("--signature/--no-signature", default=True, help="Check hashes and signature, or hashes alone.")
@click.option(
    "--allow-partial", is_flag=True, help="Exit with 0 for an export of chosen events that is as it was logged."
)
def verify(
    session: Session, file: Path, key: str | None, against: Path | None, signature: bool, allow_partial: bool
) -> int:
    """Verify an export without any server or account; exit code 1 when something was changed.

    Every event must be in the signed log, unchanged and in its place; what was edited, removed, reordered or
    cut off is named. An export of chosen events cannot show that none was left out: that too is exit code 1,
    unless --allow-partial is given.
    """
    from modelyard.sdk.audit import verify_log

    report = verify_log(file, key=key, against=against, signatures=signature)
    if session.as_json:
        session.out.json(
            {
                "ok": report.ok,
                "complete": report.is_complete,
                "origin": report.origin,
                "key": report.key,
                "size": report.size,
                "whole": report.whole,
                "checked": report.checked,
                "signed": report.signed,
                "since": report.since,
                "redacted": report.redacted,
                "problems": [{"kind": p.kind, "event": p.seq, "text": p.text} for p in report.problems],
            }
        )
        return _exit_code(report, allow_partial)
    for problem in report.problems:
        session.out.text(f"{problem.kind}\t{problem.text}")
    if not report.ok:
        session.out.note("This is not what was logged.")
        return FAILED
    what = "the whole log" if report.whole else "one event" if report.is_complete else "chosen events"
    word = "ok" if report.is_complete else "partial"
    session.out.text(f"{word}\t{what} of {report.origin}: {report.checked} events proved, log of {report.size}")
    if report.redacted:
        session.out.text(f"ok\t{report.redacted} events show less than was logged; later events redacted them")
    if report.since is not None:
        session.out.text(f"ok\tcontinues the older checkpoint of {report.since} events")
    if report.signed is None:
        session.out.note("The signature was not checked.")
    elif key is None:
        session.out.note(f"Signed by {report.key}; compare that with the key the operator published.")
    if not report.is_complete:
        session.out.note(
            "Completeness not shown: events may have been left out of this file. "
            "Only an export of the whole log shows that none is missing; accept this one with --allow-partial."
        )
    return _exit_code(report, allow_partial)


def _exit_code(report: Report, allow_partial: bool) -> int:
    return 0 if report.is_complete or (report.ok and allow_partial) else FAILED


@command("check", example="modelyard audit check")
def check(session: Session) -> int:
    """Let the server compare its events with the tree, and versions and aliases with the events.

    Exit code 1 when something was changed outside of the server.
    """
    last = None
    for progress in session.client.audit.check():
        last = progress
    assert last is not None
    if session.as_json:
        session.out.json(last)
    else:
        session.out.table(
            ("event", "problem"), [("" if d.seq is None else d.seq, d.problem) for d in last.damage]
        )
        session.out.note(f"Checked {last.checked} of {last.size} events: {len(last.damage) or 'none'} changed")
    return FAILED if last.damage else 0
