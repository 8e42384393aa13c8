"""Comparing versions and runs from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.base import Session, command
from modelyard.cli.output import key_values

if TYPE_CHECKING:
    from modelyard.wire.comparison import Comparison, Metric

_DIRECTION = click.Choice(["higher", "lower"])


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


@command(
    "compare",
    example="modelyard compare fraud/scorer:3 fraud/scorer:4\n"
    "modelyard compare fraud/scorer@production fraud/scorer:7 fraud/scorer:8 --only metrics",
)
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@click.option(
    "--direction", "directions", multiple=True, metavar="METRIC=higher|lower", help="Where it is not known."
)
@click.option(
    "--only",
    type=click.Choice(["metrics", "params", "code", "environment", "data", "files"]),
    help="Print this part alone.",
)
@click.option("--all", "every", is_flag=True, help="Show params too that are the same.")
def compare(
    session: Session, refs: tuple[str, ...], directions: tuple[str, ...], only: str | None, every: bool
) -> None:
    """Put two to eight versions or runs (run:ID) side by side; the first is what the others differ from."""
    found = session.client.compare(
        *refs, directions=key_values(directions, "--direction"), curves=session.as_json
    )
    if session.as_json:
        session.out.json(found)
        return
    parts = {
        "metrics": _print_metrics,
        "params": _print_params,
        "code": _print_code,
        "environment": _print_environment,
        "data": _print_data,
        "files": _print_files,
    }
    for name, show in parts.items():
        if only in (None, name):
            show(session, found, every)


def _names(found: Comparison) -> list[str]:
    return [side.reference.removeprefix("run:")[-24:] for side in found.sides]


def _print_metrics(session: Session, found: Comparison, every: bool) -> None:
    session.out.heading("Metrics")
    champion = [f"champion {found.champion}"] if found.champion else []
    session.out.table(
        ("metric", "better", *_names(found), *champion, "said of the difference"),
        [_metric_row(metric, bool(champion)) for metric in found.metrics],
        empty="None of them has a metric.",
    )


def _metric_row(metric: Metric, with_champion: bool) -> tuple[Any, ...]:
    where = "/".join(word for word in (metric.split, metric.dataset) if word)
    cells = []
    for position, value in enumerate(metric.values):
        delta = metric.deltas[position]
        change = f" ({delta:+.4g})" if position and isinstance(delta, float) else ""
        cells.append(f"{_number(value)}{change}{' *' if position in metric.best else ''}")
    words = [
        f"{position}: {one.words}"
        for position, one in enumerate(metric.significance, start=1)
        if one is not None
    ]
    return (
        f"{metric.name}{f' ({where})' if where else ''}",
        metric.direction or "?",
        *cells,
        *([_number(metric.champion)] if with_champion else []),
        "; ".join(words),
    )


def _print_params(session: Session, found: Comparison, every: bool) -> None:
    session.out.heading("Params")
    session.out.table(
        ("param", *_names(found)),
        [(p.name, *map(_number, p.values)) for p in found.params if every or not p.same],
        empty="All params are the same.",
    )


def _print_code(session: Session, found: Comparison, every: bool) -> None:
    session.out.heading("Code")
    rows = []
    for side, code in zip(found.sides[1:], found.code, strict=True):
        if code.commits:
            rows.append((side.reference, "commits", code.commits))
        rows += [
            (side.reference, name, f"{_number(pair[0])} → {_number(pair[1])}")
            for name, pair in code.changed.items()
            if not (name == "commit" and code.commits)
        ]
        if code.diffs[0] != code.diffs[1]:
            rows.append(
                (side.reference, "diff", "the folders differ from their commits in other ways; see --json")
            )
    session.out.table(("side", "what", "change"), rows, empty="The code is the same.")


def _print_environment(session: Session, found: Comparison, every: bool) -> None:
    session.out.heading("Environment")
    rows = []
    for side, one in zip(found.sides[1:], found.environment, strict=True):
        rows += [(side.reference, name, f"{pair[0]} → {pair[1]}") for name, pair in one.changed.items()]
        rows += [(side.reference, name, f"added {version}") for name, version in one.added.items()]
        rows += [(side.reference, name, f"removed {version}") for name, version in one.removed.items()]
        rows += [
            (side.reference, name, f"{_number(pair[0])} → {_number(pair[1])}")
            for name, pair in one.system.items()
        ]
    session.out.table(("side", "package", "change"), rows, empty="The environment is the same.")


def _print_data(session: Session, found: Comparison, every: bool) -> None:
    session.out.heading("Data")
    rows = []
    for side, data in zip(found.sides[1:], found.data, strict=True):
        for one in data:
            if one.same:
                words = "the same"
            elif one.before is None or one.after is None:
                words = "only here" if one.before is None else "not here"
            elif one.drift is None:
                words = "another content; no profile to compare"
            else:
                shifted = [c for c in one.drift.columns if c.shift in ("slight", "large")]
                words = (
                    ", ".join(f"{c.name} {c.shift} (psi {c.psi:.3f})" for c in shifted) or "no column shifted"
                )
            rows.append((side.reference, one.name, words))
    session.out.table(("side", "dataset", "change"), rows, empty="No dataset is known of any.")


def _print_files(session: Session, found: Comparison, every: bool) -> None:
    session.out.heading("Files")
    rows: list[tuple[str, str, str]] = []
    for side, one in zip(found.sides[1:], found.files, strict=True):
        rows += [(side.reference, path, f"added, {size} bytes") for path, size in one.added.items()]
        rows += [(side.reference, path, f"removed, {size} bytes") for path, size in one.removed.items()]
        rows += [
            (side.reference, path, f"changed, {pair[0]} → {pair[1]} bytes")
            for path, pair in one.changed.items()
        ]
        rows += [
            (side.reference, f"tensor {name}", f"{pair[0] or 'none'} → {pair[1] or 'none'}")
            for name, pair in one.tensors.items()
        ]
        rows += [
            (side.reference, name, f"{_number(pair[0])} → {_number(pair[1])}")
            for name, pair in one.format.items()
        ]
    session.out.table(("side", "file", "change"), rows, empty="The files are the same.")


@command("best", example="modelyard best fraud/scorer --metric f1 --split test")
@click.argument("model")
@click.option("--metric", required=True, help="Which metric.")
@click.option("--split", help="Measured on which split.")
@click.option("--direction", type=_DIRECTION, help="Which is better, where it is not known.")
@click.option("--over-time", is_flag=True, help="Instead: the metric over all versions, in order.")
def best(
    session: Session, model: str, metric: str, split: str | None, direction: str | None, over_time: bool
) -> None:
    """Say which ready version has the best value of a metric; all that were weighed follow it."""
    columns = ("version", "value", "split", "dataset", "at", "how")
    if over_time:
        history = session.client.metric_history(model, metric, split=split)
        shown, document = history.items, history
    else:
        ranking = session.client.best(model, metric, split=split, direction=direction)
        shown, document = ranking.ranking, ranking  # type: ignore[assignment]
    if session.as_json:
        session.out.json(document)
        return
    session.out.table(
        columns,
        [
            (
                p.reference,
                _number(p.value),
                p.split,
                p.dataset,
                p.at,
                "evaluated" if p.evaluated else "recorded",
            )
            for p in shown
        ],
        empty="No version has this metric.",
    )
