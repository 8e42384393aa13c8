"""The event log from the command line; `verify` needs neither server nor account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modelyard.cli.base import Session, command, command_group
from modelyard.cli.errors import FAILED
from modelyard.cli.history import details
from modelyard.cli.times import moment

if TYPE_CHECKING:
    from modelyard.domain.bundle import Report
    from modelyard.wire.audit import LogCheck

Q = TypeVar("Q")


@command_group("audit")
def audit() -> None:
    """Show, export and verify the event log."""


def _filters(made: click.Command) -> click.Command:
    words = {
        "actor": ("NAME", "Only events caused by this account."),
        "model": ("MODEL", "Only events of this model; its readers may see them."),
        "namespace": ("NAME", "Only events of this namespace; its auditors may see them."),
        "since": ("TIME", "From this time on: 2026-03-03, 2026-03-03T14:00:00Z, or 90d for the last 90 days."),
        "until": ("TIME", "Before this time."),
    }
    kinds = click.Option(
        ["--kind", "kinds"], multiple=True, help="Only events of this kind; * stands for any text."
    )
    number = click.Option(
        ["--version"], type=int, metavar="N", help="Only events of this version of the model."
    )
    made.params[:0] = [
        number,
        *(click.Option([f"--{name}"], metavar=metavar, help=text) for name, (metavar, text) in words.items()),
        kinds,
    ]
    return made


def _query(
    session: Session, shape: Callable[..., Q], *, model: str | None, kinds: Sequence[str], **more: Any
) -> Q:
    more["since"], more["until"] = moment(more["since"]), moment(more["until"])
    return shape(model=str(session.client.model_name(model)) if model else None, kind=[*kinds], **more)


@_filters
@command("log", group=audit, example="modelyard audit log --since 2026-03-01T00:00:00Z --kind alias.moved")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many.")
def log(session: Session, limit: int, **filters: Any) -> None:
    """List events, newest first: of the whole registry, of one namespace or of one model."""
    from modelyard.wire.versions import LogQuery

    query = _query(session, LogQuery, **filters)
    events = [*session.client.audit.events(query, limit)]
    session.out.page(
        events,
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
    if not events:
        # An auditor must not take an empty answer as proof that nothing happened.
        looked_at = session.client.audit.looked_at(query)
        session.out.note(f"None of {looked_at} events matches.")


@command(
    "checkpoint",
    group=audit,
    example="modelyard audit checkpoint > checkpoint.txt\nmodelyard audit checkpoint --public-key",
)
@click.option("--public-key", "key_only", is_flag=True, help="Print the log's public key instead.")
def checkpoint(session: Session, key_only: bool) -> None:
    """Print the log's signed checkpoint.

    Keep it away from the server: `audit verify --against` with this checkpoint finds every later change to the
    log's past.
    """
    signed = session.client.audit.checkpoint()
    session.say(signed, signed.key if key_only else signed.note.rstrip("\n"))


@_filters
@command(
    "export",
    group=audit,
    example="modelyard audit export --out log.jsonl\n"
    "modelyard audit export --model fraud/scorer --out scorer.jsonl",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option(
    "--against",
    type=click.Path(exists=True, path_type=Path),
    help="Add a proof that the log continues this checkpoint.",
)
def export(session: Session, out: Path, against: Path | None, **filters: Any) -> None:
    """Write the event log, or selected events, to a file, with checkpoint and proofs.

    `modelyard audit verify` checks the file anywhere, without this server.
    """
    from modelyard.sdk.audit import read_checkpoint
    from modelyard.wire.audit import ExportQuery

    since_size = read_checkpoint(against).checkpoint.size if against else None
    query = _query(session, ExportQuery, since_size=since_size, **filters)
    written = session.client.audit.export(out, query)
    if not session.answered({"file": str(written), "size_bytes": written.stat().st_size}):
        session.out.text(f"Wrote {written}")
        session.out.note(f"Verify it anywhere with: modelyard audit verify {written}")


@command("proof", group=audit, example="modelyard audit proof 1042 --out promotion.jsonl")
@click.argument("event", type=click.IntRange(0))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
def proof(session: Session, event: int, out: Path) -> None:
    """Write one event to a file, with the proof that the log holds it."""
    written = session.client.audit.prove(event, out)
    if not session.answered({"file": str(written), "event": event}):
        session.out.text(f"Wrote {written}")
        session.out.note(f"Verify it anywhere with: modelyard audit verify {written}")


@command(
    "verify",
    group=audit,
    server=False,
    example="modelyard audit verify log.jsonl --key log.key\n"
    "modelyard audit verify log.jsonl --against checkpoint.txt",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", metavar="KEY", help="The log's public key, or a file with it.")
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Older checkpoint or export that this one must continue.",
)
@click.option(
    "--signature/--no-signature", default=True, help="Check the hashes and the signature, or the hashes alone."
)
@click.option(
    "--allow-partial", is_flag=True, help="Exit with 0 for an export of selected events when each is unchanged."
)
def verify(
    session: Session, file: Path, key: str | None, against: Path | None, signature: bool, allow_partial: bool
) -> int:
    """Verify an export without a server or an account. Exit code 1 when something was changed.

    Every event must be in the signed log, unchanged and in its place; edited, removed, reordered and cut-off events
    are listed. An export of selected events cannot show that none was left out: that is exit code 1 too, unless
    --allow-partial is given.
    """
    from modelyard.sdk.audit import verify_log

    report = verify_log(file, key=key, against=against, signatures=signature)
    if session.answered(
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
    ):
        return _exit_code(report, allow_partial)
    for problem in report.problems:
        session.out.text(f"{problem.kind}\t{problem.text}")
    if not report.ok:
        session.out.note("The export differs from the log.")
        return FAILED
    what = "the whole log" if report.whole else "one event" if report.is_complete else "selected events"
    word = "ok" if report.is_complete else "partial"
    session.out.text(f"{word}\t{what} of {report.origin}: {report.checked} events proved, log of {report.size}")
    if report.redacted:
        session.out.text(f"ok\t{report.redacted} events were redacted after they were logged")
    if report.since is not None:
        session.out.text(f"ok\tcontinues the older checkpoint of {report.since} events")
    if report.signed is None:
        session.out.note("The signature was not checked.")
    elif key is None:
        session.out.note(f"Signed by {report.key}; compare it with the key that the operator published.")
    if not report.is_complete:
        session.out.note(
            "Completeness not shown: events may have been left out of this file. "
            "Only an export of the whole log shows that none is missing; accept this one with --allow-partial."
        )
    return _exit_code(report, allow_partial)


def _exit_code(report: Report, allow_partial: bool) -> int:
    return 0 if report.is_complete or (report.ok and allow_partial) else FAILED


@command("check", group=audit, example="modelyard audit check\nmodelyard audit check --background")
@click.option("--background", is_flag=True, help="Start it on the server, and do not wait.")
@click.option("--last", "is_last", is_flag=True, help="Show the newest check that was started on the server.")
def check(session: Session, background: bool, is_last: bool) -> int:
    """Compare the server's events with its hash tree, and its versions and aliases with the events.

    Exit code 1 when something was changed outside the server.
    """
    if background and is_last:
        raise click.UsageError("Give --background or --last.")
    if background or is_last:
        return _show_check(session, session.client.audit.start_check() if background else None)
    last = None
    for progress in session.client.audit.check():
        last = progress
    assert last is not None
    if not session.answered(last):
        session.out.table(
            ("event", "problem"), [("" if d.seq is None else d.seq, d.problem) for d in last.damage]
        )
        session.out.note(f"Checked {last.checked} of {last.size} events: {len(last.damage) or 'none'} changed")
    return FAILED if last.damage else 0


def _show_check(session: Session, started: LogCheck | None) -> int:
    """started: a check that was just asked for; None: show the newest."""
    found = session.client.audit.last_check() if started is None else started
    if session.answered(found):
        return FAILED if found is not None and found.damage else 0
    if found is None:
        session.out.note("No check was started lately. Start one with: modelyard audit check --background")
        return 0
    session.out.text(f"{found.state}\t{found.checked} of {found.size} events\tasked for by {found.by}")
    session.out.table(("event", "problem"), [("" if d.seq is None else d.seq, d.problem) for d in found.damage])
    if found.failure:
        session.out.note(found.failure)
    if found.state in ("waiting", "running"):
        session.out.note("See how far it is with: modelyard audit check --last")
    return FAILED if found.damage else 0
