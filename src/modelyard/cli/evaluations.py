"""Evaluations from the command line."""

from __future__ import annotations

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command, command_group
from modelyard.cli.output import metric_values


@command_group("evaluation")
def evaluation() -> None:
    """Report and list evaluations: metrics of a version measured after it was registered."""


@command(
    "report",
    group=evaluation,
    example="modelyard evaluation report fraud/scorer:12 f1=0.81 --split test --dataset holdout",
)
@click.argument("ref", type=REF)
@click.argument("metrics", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--split", default="", help="Split of the dataset, for example test.")
@click.option("--dataset", default="", help="Dataset that the metrics were measured on.")
def report_evaluation(session: Session, ref: str, metrics: tuple[str, ...], split: str, dataset: str) -> None:
    """Report metrics of a version."""
    found = session.client.evaluations.report(
        ref, metric_values(metrics, "NAME=VALUE"), split=split, dataset=dataset
    )
    session.say(found, "\n".join(f"{m['name']}\t{m['value']}" for m in found.metrics))


@command("ls", group=evaluation, example="modelyard evaluation ls fraud/scorer:12")
@click.argument("ref", type=REF)
def list_evaluations(session: Session, ref: str) -> None:
    """List the evaluations of a version, newest first."""
    session.out.page(
        session.client.evaluations.list(ref),
        ("at", "by", "split", "dataset", "metrics"),
        lambda e: (e.at, e.by, e.split, e.dataset, ", ".join(f"{m['name']}={m['value']}" for m in e.metrics)),
        empty="Nothing has been reported yet. Metrics frozen at registration: modelyard show REF",
    )
