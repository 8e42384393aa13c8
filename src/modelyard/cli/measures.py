"""Measures of how models get into a stage, from the command line."""

from __future__ import annotations

import click

from modelyard.cli.base import Session, command
from modelyard.domain.sizes import size_words


@command("measures", example="modelyard measures\nmodelyard measures --namespace fraud --since 2026-03")
@click.option("--since", metavar="MONTH", help="The first month, for example 2026-03; the default is a year.")
@click.option("--namespace", help="Only models of this namespace.")
@click.option("--stage", default="production", show_default=True, help="The stage that models get into.")
def measures(session: Session, since: str | None, namespace: str | None, stage: str) -> None:
    """Show lead times, promotions, rollbacks, completeness and reuse, month by month."""
    found = session.client.measures.show(since=since, namespace=namespace, stage=stage)
    if session.answered(found):
        return
    session.out.text(found.sentence)
    session.out.table(
        [
            "month",
            "versions",
            "complete",
            "promoted",
            "rolled back",
            "lead time",
            "slowest tenth",
            "first try",
            "reused",
        ],
        [
            [
                month.name,
                month.registered,
                "" if month.completeness is None else f"{month.completeness:.0%}",
                month.promoted,
                month.rolled_back,
                _duration(month.lead_median),
                _duration(month.lead_slow),
                f"{month.first_try} of {month.requested}" if month.requested else "",
                f"{size_words(month.reused_bytes)} of {size_words(month.pushed_bytes)}"
                if month.pushed_bytes
                else "",
            ]
            for month in found.months
        ],
    )
    if found.contributors:
        session.out.heading("Contributors in three months")
        session.out.table(
            ["model", "people", "three months before", "who", "most by one"],
            [
                [each.model, len(each.people), each.before, ", ".join(each.people[:5]), f"{each.most:.0%}"]
                for each in found.contributors
            ],
        )


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
