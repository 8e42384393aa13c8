"""Lineage and recalls from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command

if TYPE_CHECKING:
    from modelyard.wire.lineage import Lineage, Node


@command(
    "lineage",
    example="modelyard lineage fraud/scorer@production --up\n"
    "modelyard lineage fraud/transactions@sha256:1f0c… --down",
)
@click.argument("ref", type=REF)
@click.option("--up", "direction", flag_value="up", help="Show only its origins.")
@click.option("--down", "direction", flag_value="down", help="Show only its descendants.")
@click.option("--depth", type=click.IntRange(1, 1000), help="Follow at most this many steps. Default: all.")
@click.option("--dataset", "is_dataset", is_flag=True, help="REF names a dataset, not a model.")
@click.option(
    "--format", "form", type=click.Choice(["text", "openlineage"]), default="text", help="Output format."
)
def lineage(
    session: Session, ref: str, direction: str | None, depth: int | None, is_dataset: bool, form: str
) -> None:
    """Show the origins and descendants of a version or dataset: datasets, runs, versions, deployments.

    REF is a reference to a version, a dataset as name@sha256:…, or run:ID. With --down you see everything that bad
    data affects: the versions, their stages and their owners.
    """
    client, kind = session.client.lineage, "dataset" if is_dataset else None
    if form == "openlineage":
        session.out.lines(client.openlineage(ref, direction=direction or "both", kind=kind))
        return
    graph = client.trace(ref, direction=direction or "both", depth=depth, kind=kind)
    if session.answered(graph):
        return
    session.out.table(
        ("step", "kind", "name", "related", "stages", "owners", "note"),
        [_row(graph, node) for node in graph.nodes],
    )
    if graph.hidden:
        session.out.note(f"{graph.hidden} of these are hidden from you.")
    if graph.truncated:
        session.out.note("The graph is larger than shown; narrow it with --depth.")


def _row(found: Lineage, node: Node) -> tuple[object, ...]:
    notes = [node.state] if node.state not in (None, "ready") else []
    if node.recalled:
        notes.append(f"recalled ({node.recalled.mode}): {node.recalled.reason}")
    if node.deprecated:
        notes.append("deprecated")
    related = dict.fromkeys(e.relation for e in found.edges if e.target == node.key or e.source == node.key)
    return (
        node.depth,
        node.kind,
        "hidden" if node.hidden else f"{node.name} {node.title}".strip(),
        ", ".join(related),
        " ".join(f"@{alias}" for alias in node.aliases),
        ", ".join(node.owners),
        "; ".join(str(note) for note in notes),
    )


@command(
    "recall",
    example='modelyard recall fraud/scorer:3 --reason "trained on leaked labels"\n'
    "modelyard recall fraud/scorer:3 --undo",
)
@click.argument("ref", type=REF)
@click.option("--reason", help="Reason, shown to everyone who pulls it.")
@click.option(
    "--refuse", "mode", flag_value="refuse", help="Refuse pulls, aliases and promotions (the default)."
)
@click.option("--warn", "mode", flag_value="warn", help="Only warn.")
@click.option("--undo", "lift", is_flag=True, help="Lift the recall.")
def recall(session: Session, ref: str, reason: str | None, mode: str | None, lift: bool) -> None:
    """Recall a version, so that it is no longer used; an event notifies everyone who depends on it.

    To see its descendants: modelyard lineage REF --down
    """
    if lift:
        version = session.client.lineage.lift_recall(ref)
    elif not reason:
        raise click.UsageError('A recall needs a reason: --reason "…"')
    else:
        version = session.client.lineage.recall(ref, reason, mode=mode or "refuse")
    session.say(version, f"{version.reference}\t{'in use again' if lift else (mode or 'refuse')}")
