"""Retention rules of namespaces, and commands for operators of a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelyard.cli.base import Session, command, command_group, confirm
from modelyard.cli.errors import FAILED
from modelyard.domain.sizes import size_words

if TYPE_CHECKING:
    from modelyard.wire.retention import RetentionRule


@command_group("retention")
def retention() -> None:
    """Archive or delete the versions that a namespace no longer keeps.

    What something needs stays in any case: a version in a stage, with an alias, with descendants, with an open
    promotion, with a keep mark, or that a rollback would return to.
    """


def _rule_words(rule: RetentionRule) -> str:
    if rule.action is None:
        return f"{rule.namespace} has no retention rule"
    kept = [
        *([f"the last {rule.keep_versions} versions of each model"] if rule.keep_versions else ()),
        *([f"versions younger than {rule.keep_for}"] if rule.keep_for else ()),
    ]
    return f"{rule.namespace} keeps {' and '.join(kept)}; the others are {rule.action}d"


@command(
    "set",
    group=retention,
    example="modelyard retention set fraud --keep-versions 10 --keep-for 90d\n"
    "modelyard retention set fraud --keep-for 2w --action delete",
)
@click.argument("namespace")
@click.option(
    "--keep-versions",
    type=click.IntRange(1),
    metavar="N",
    help="Keep the newest N ready versions of each model. Default: no such condition.",
)
@click.option(
    "--keep-for",
    metavar="TIME",
    help="Keep every version for this long, for example 90d. Default: no such condition.",
)
@click.option(
    "--action",
    type=click.Choice(["archive", "delete"]),
    default="archive",
    show_default=True,
    help="What happens to versions that neither condition keeps.",
)
def set_retention(
    session: Session, namespace: str, keep_versions: int | None, keep_for: str | None, action: str
) -> None:
    """Set the retention rule of a namespace. The server carries it out once a day, first in an hour."""
    rule = session.client.retention.set(
        namespace, keep_versions=keep_versions, keep_for=keep_for, action=action
    )
    if session.answered(rule):
        return
    session.out.text(_rule_words(rule))
    session.out.note(f"See what it would do with: modelyard retention run {namespace} --dry-run")


@command("show", group=retention, example="modelyard retention show fraud")
@click.argument("namespace")
def show_retention(session: Session, namespace: str) -> None:
    """Show the retention rule of a namespace."""
    rule = session.client.retention.get(namespace)
    session.say(rule, _rule_words(rule))


@command("rm", group=retention, example="modelyard retention rm fraud")
@click.argument("namespace")
def remove_retention(session: Session, namespace: str) -> None:
    """Remove the retention rule of a namespace; every version stays."""
    session.client.retention.remove(namespace)
    session.say({"removed": namespace}, f"{namespace} has no retention rule")


@command(
    "run",
    group=retention,
    example="modelyard retention run fraud --dry-run\nmodelyard retention run fraud --yes",
)
@click.argument("namespace")
@click.option("--dry-run", is_flag=True, help="Only list each version, and why it stays or goes.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def run_retention(session: Session, namespace: str, dry_run: bool, yes: bool) -> None:
    """Carry out the retention rule of a namespace now. Bytes of deleted versions go at the next gc."""
    client = session.client.retention
    if dry_run:
        session.out.page(
            client.plan(namespace),
            ("version", "size", "", "why"),
            lambda v: (
                f"{v.model}:{v.version}",
                size_words(v.size_bytes),
                "stays" if v.stays else "goes",
                v.reason,
            ),
            empty=f"{namespace} has no versions.",
        )
        return
    rule = client.get(namespace)
    if rule.action is not None:
        confirm(session, f"{_rule_words(rule)}. Carry it out now?", yes)
    done = client.run(namespace)
    word = "Deleted" if done.action == "delete" else "Archived"
    session.say(
        done,
        f"{word} {done.versions} version{'' if done.versions == 1 else 's'} ({size_words(done.size_bytes)})",
    )


@command("scrub", example="modelyard scrub")
def scrub(session: Session) -> int:
    """Read all stored bytes again and check them. Exit code 1 when some are damaged."""
    import sys

    last = None
    for progress in session.client.admin.scrub():
        last = progress
        if sys.stderr.isatty() and not session.as_json:
            done = f"{progress.checked} files, {size_words(progress.size_bytes)}"
            click.echo(f"\r{done}, {len(progress.damage)} damaged\033[K", nl=False, err=True)
    assert last is not None
    if sys.stderr.isatty() and not session.as_json:
        click.echo("\r\033[K", nl=False, err=True)
    if not session.answered(last):
        session.out.table(("problem", "digest"), [(d.problem, d.digest) for d in last.damage])
        session.out.note(
            f"Checked {last.checked} files, {size_words(last.size_bytes)}: {len(last.damage) or 'none'} damaged"
        )
    return FAILED if last.damage else 0


@command("storage", example="modelyard storage")
def storage(session: Session) -> None:
    """Show how many bytes are stored, for admins."""
    used = session.client.admin.storage()
    damaged = f", {used.damaged} of them damaged" if used.damaged else ""
    session.say(used, f"{used.blobs} files, {size_words(used.size_bytes)}{damaged}")


@command("gc", example="modelyard gc\nmodelyard gc --run")
@click.option(
    "--run/--dry-run",
    "really",
    default=False,
    help="Delete them. Default: only list how much would be deleted.",
)
@click.option(
    "--grace-hours",
    type=click.FloatRange(0),
    help="Keep bytes younger than this many hours. Default: the server's setting.",
)
def gc(session: Session, really: bool, grace_hours: float | None) -> None:
    """Delete unused bytes. Without --run nothing is deleted."""
    collected = session.client.admin.collect_garbage(dry_run=not really, grace_hours=grace_hours)
    if session.answered(collected):
        return
    word = "Would delete" if collected.dry_run else "Deleted"
    session.out.text(
        f"{word} {collected.blobs} files that no version needs ({size_words(collected.size_bytes)}), "
        f"{collected.orphans} that the database does not know, {collected.uploads} abandoned uploads"
        + (f", {collected.withheld} that are withheld" if collected.withheld else "")
    )
    if collected.dry_run:
        session.out.note("Nothing was deleted. To delete: modelyard gc --run")
