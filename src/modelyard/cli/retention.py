"""What operators do with a running server."""

from __future__ import annotations

import click

from modelyard.cli.base import Session, command
from modelyard.cli.errors import FAILED


@command("scrub", example="modelyard scrub")
def scrub(session: Session) -> int:
    """Let the server read all stored bytes again. Exit code 1 when some are damaged."""
    import sys

    from modelyard.sdk.views import size_text

    last = None
    for progress in session.client.admin.scrub():
        last = progress
        if sys.stderr.isatty() and not session.as_json:
            done = f"{progress.checked} files, {size_text(progress.size_bytes)}"
            click.echo(f"\r{done}, {len(progress.damage)} damaged\033[K", nl=False, err=True)
    assert last is not None
    if sys.stderr.isatty() and not session.as_json:
        click.echo("\r\033[K", nl=False, err=True)
    if session.as_json:
        session.out.json(last)
    else:
        session.out.table(("problem", "digest"), [(d.problem, d.digest) for d in last.damage])
        session.out.note(
            f"Checked {last.checked} files, {size_text(last.size_bytes)}: {len(last.damage) or 'none'} damaged"
        )
    return FAILED if last.damage else 0


@command("gc", example="modelyard gc\nmodelyard gc --run")
@click.option("--run/--dry-run", "really", default=False, help="Delete; otherwise only say what would go.")
@click.option(
    "--grace-hours", type=click.FloatRange(0), help="Keep what is younger; else the server's setting."
)
def gc(session: Session, really: bool, grace_hours: float | None) -> None:
    """Delete the bytes that nothing needs. Without --run nothing is deleted."""
    from modelyard.sdk.views import size_text

    found = session.client.admin.collect_garbage(dry_run=not really, grace_hours=grace_hours)
    if session.as_json:
        session.out.json(found)
        return
    word = "Would delete" if found.dry_run else "Deleted"
    session.out.text(
        f"{word} {found.blobs} files that no version needs ({size_text(found.size_bytes)}), "
        f"{found.orphans} that the database does not know, {found.uploads} abandoned uploads"
        + (f", {found.withheld} that are withheld" if found.withheld else "")
    )
    if found.dry_run:
        session.out.note("Nothing was deleted; do it with: modelyard gc --run")
