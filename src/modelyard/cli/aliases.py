"""Aliases from the command line."""

from __future__ import annotations

import click

from modelyard.cli.arguments import ALIAS, MODEL, REF
from modelyard.cli.base import Session, command, command_group


@command_group("alias")
def alias() -> None:
    """Set, remove and list aliases: movable names of versions."""


@command("set", group=alias, example="modelyard alias set fraud/scorer:12 champion --reason 'best f1'")
@click.argument("ref", type=REF)
@click.argument("name", type=ALIAS)
@click.option("--reason", help="Reason, kept in the alias's history.")
@click.option(
    "--if-revision",
    "seen",
    type=int,
    metavar="N",
    help="Move it only if it is at this revision; 0: only if it is not set.",
)
def set_alias(session: Session, ref: str, name: str, reason: str | None, seen: int | None) -> None:
    """Point an alias at a version."""
    moved = session.client.aliases.set(ref, name.removeprefix("@"), seen_revision=seen, reason=reason)
    session.say(moved, f"{moved.model}@{moved.alias}\t{moved.model}:{moved.version}\trevision {moved.revision}")


@command("remove", group=alias, example="modelyard alias remove fraud/scorer canary")
@click.argument("model", type=MODEL)
@click.argument("name", type=ALIAS)
@click.option("--reason", help="Reason, kept in the alias's history.")
@click.option("--if-revision", "seen", type=int, metavar="N", help="Remove it only if it is at this revision.")
def remove_alias(session: Session, model: str, name: str, reason: str | None, seen: int | None) -> None:
    """Remove an alias; its history stays."""
    name = name.removeprefix("@")
    session.client.aliases.remove(model, name, seen_revision=seen, reason=reason)
    session.say(
        {"model": str(session.client.model_name(model)), "alias": name, "version": None},
        f"Removed {session.client.model_name(model)}@{name}",
    )


@command("ls", group=alias, example="modelyard alias ls fraud/scorer")
@click.argument("model", type=MODEL)
def list_aliases(session: Session, model: str) -> None:
    """List the aliases of a model."""
    session.out.page(
        session.client.aliases.list(model),
        ("alias", "version", "revision", "moved", "by"),
        lambda a: (a.alias, a.version, a.revision, a.updated_at, a.updated_by),
        empty="No aliases yet. Set one with: modelyard alias set REF NAME",
    )
