"""Evaluations from the command line."""

from __future__ import annotations

import click

from modelyard.cli.base import LazyGroup, Session, command, say
from modelyard.cli.output import key_values

_HERE = "modelyard.cli.evaluations"


@click.group(
    "evaluation",
    cls=LazyGroup,
    lazy={
        "report": (f"{_HERE}:report_evaluation", "Report metrics measured on a dataset split."),
        "ls": (f"{_HERE}:list_evaluations", "List the evaluations of a version."),
    },
)
def evaluation() -> None:
    """Report and list evaluations: metrics of a version measured after it was registered."""


@command("report", example="modelyard evaluation report fraud/scorer:12 f1=0.81 --split test --dataset holdout")
@click.argument("ref")
@click.argument("metrics", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--split", default="", help="Of which split of the dataset.")
@click.option("--dataset", default="", help="On which dataset.")
def report_evaluation(session: Session, ref: str, metrics: tuple[str, ...], split: str, dataset: str) -> None:
    """Report metrics of a version."""
    values: dict[str, float | str] = {}
    for name, text in key_values(metrics, "NAME=VALUE").items():
        try:
            values[name] = float(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is no number", param_hint="NAME=VALUE") from None
        if values[name] != values[name] or values[name] in (float("inf"), float("-inf")):
            values[name] = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(values[name])]
    found = session.client.evaluations.report(ref, values, split=split, dataset=dataset)
    say(session, found, "\n".join(f"{m['name']}\t{m['value']}" for m in found.metrics))


@command("ls", example="modelyard evaluation ls fraud/scorer:12")
@click.argument("ref")
def list_evaluations(session: Session, ref: str) -> None:
    """List the evaluations of a version, newest first."""
    session.out.page(
        session.client.evaluations.list(ref),
        ("at", "by", "split", "dataset", "metrics"),
        lambda e: (e.at, e.by, e.split, e.dataset, ", ".join(f"{m['name']}={m['value']}" for m in e.metrics)),
        empty="Nothing was reported yet; metrics frozen at registration: modelyard show REF",
    )
