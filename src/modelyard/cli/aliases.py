"""Aliases from the command line."""

from __future__ import annotations

import click

from modelyard.cli.base import LazyGroup, Session, command

_HERE = "modelyard.cli.aliases"


@click.group(
    "alias",
    cls=LazyGroup,
    lazy={
        "set": (f"{_HERE}:set_alias", "Point an alias at a version."),
        "remove": (f"{_HERE}:remove_alias", "Remove an alias; its history stays."),
        "ls": (f"{_HERE}:list_aliases", "List the aliases of a model."),
    },
)
def alias() -> None:
    """Set, remove and list aliases: movable names of versions."""


@command("set", example="modelyard alias set fraud/scorer:12 champion --reason 'best f1'")
@click.argument("ref")
@click.argument("name")
@click.option("--reason", help="Why; kept in the alias's history.")
@click.option("--seen", type=int, metavar="REVISION", help="Move it only from this revision; 0: only if unset.")
def set_alias(session: Session, ref: str, name: str, reason: str | None, seen: int | None) -> None:
    """Point an alias at a version."""
    found = session.client.aliases.set(ref, name.removeprefix("@"), seen_revision=seen, reason=reason)
    if session.as_json:
        session.out.json(found)
    else:
        session.out.text(
            f"{found.model}@{found.alias}\t{found.model}:{found.version}\trevision {found.revision}"
        )


@command("remove", example="modelyard alias remove fraud/scorer canary")
@click.argument("model")
@click.argument("name")
@click.option("--reason", help="Why; kept in the alias's history.")
@click.option("--seen", type=int, metavar="REVISION", help="Remove it only while at this revision.")
def remove_alias(session: Session, model: str, name: str, reason: str | None, seen: int | None) -> None:
    """Remove an alias; its history stays."""
    name = name.removeprefix("@")
    session.client.aliases.remove(model, name, seen_revision=seen, reason=reason)
    if session.as_json:
        session.out.json({"model": str(session.client.model_name(model)), "alias": name, "version": None})
    else:
        session.out.text(f"Removed {session.client.model_name(model)}@{name}")


@command("ls", example="modelyard alias ls fraud/scorer")
@click.argument("model")
def list_aliases(session: Session, model: str) -> None:
    """List the aliases of a model."""
    session.out.page(
        session.client.aliases.list(model),
        ("alias", "version", "revision", "moved", "by"),
        lambda a: (a.alias, a.version, a.revision, a.updated_at, a.updated_by),
        empty="No aliases yet. Set one with: modelyard alias set REF NAME",
    )
