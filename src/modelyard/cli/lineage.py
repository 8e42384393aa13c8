"""Lineage and recalls from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelyard.cli.base import Session, command

if TYPE_CHECKING:
    from modelyard.wire.lineage import Lineage, Node


@command(
    "lineage",
    example="modelyard lineage fraud/scorer@production --up\n"
    "modelyard lineage fraud/transactions@sha256:1f0c… --down",
)
@click.argument("ref")
@click.option("--up", "direction", flag_value="up", help="Only what it came from.")
@click.option("--down", "direction", flag_value="down", help="Only what came of it.")
@click.option("--depth", type=click.IntRange(1, 1000), help="At most so many steps; else to the end.")
@click.option("--dataset", "is_dataset", is_flag=True, help="REF names a dataset, not a model.")
@click.option(
    "--format", "form", type=click.Choice(["text", "openlineage"]), default="text", help="How to print it."
)
def lineage(
    session: Session, ref: str, direction: str | None, depth: int | None, is_dataset: bool, form: str
) -> None:
    """Show what a version or dataset came from, and what came of it: datasets, runs, versions, deployments.

    REF is a reference to a version, a dataset as name@sha256:…, or run:ID. With --down it answers "this data is bad:
    which versions, where do they stand, who owns them?"
    """
    client, kind = session.client.lineage, "dataset" if is_dataset else None
    if form == "openlineage":
        session.out.lines(client.openlineage(ref, direction=direction or "both", kind=kind))
        return
    found = client.trace(ref, direction=direction or "both", depth=depth, kind=kind)
    if session.as_json:
        session.out.json(found)
        return
    session.out.table(
        ("step", "kind", "name", "related", "stands at", "owners", "note"),
        [_row(found, node) for node in found.nodes],
    )
    if found.hidden:
        session.out.note(f"{found.hidden} of them are hidden from you.")
    if found.truncated:
        session.out.note("There is more; narrow it with --depth.")


def _row(found: Lineage, node: Node) -> tuple[object, ...]:
    notes = [node.state] if node.state not in (None, "ready") else []
    if node.recalled:
        notes.append(f"recalled ({node.recalled['mode']}): {node.recalled['reason']}")
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
    "modelyard recall fraud/scorer:3 --lift",
)
@click.argument("ref")
@click.option("--reason", help="The reason, shown to everyone who pulls it.")
@click.option(
    "--refuse", "mode", flag_value="refuse", help="Refuse pulls, aliases and promotions (the default)."
)
@click.option("--warn", "mode", flag_value="warn", help="Only warn.")
@click.option("--lift", is_flag=True, help="It may be used again.")
def recall(session: Session, ref: str, reason: str | None, mode: str | None, lift: bool) -> None:
    """Say that a version is not to be used; everyone who depends on it is told by an event.

    What came from it is shown by: modelyard lineage REF --down
    """
    if lift:
        found = session.client.lineage.lift_recall(ref)
    elif not reason:
        raise click.UsageError('A recall needs a reason: --reason "…"')
    else:
        found = session.client.lineage.recall(ref, reason, mode=mode or "refuse")
    if session.as_json:
        session.out.json(found)
    else:
        session.out.text(f"{found.reference}\t{'in use again' if lift else (mode or 'refuse')}")
