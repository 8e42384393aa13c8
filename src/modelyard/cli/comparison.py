"""Compare versions and runs from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.arguments import MODEL, REF
from modelyard.cli.base import Session, command
from modelyard.cli.output import Verbatim, key_values

if TYPE_CHECKING:
    from modelyard.wire.comparison import Comparison, Metric
    from modelyard.wire.datasets import ColumnDrift, Drift

_DIRECTION = click.Choice(["higher", "lower"])


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


@command(
    "compare",
    example="modelyard compare fraud/scorer:3 fraud/scorer:4\n"
    "modelyard compare fraud/scorer@production fraud/scorer:7 fraud/scorer:8 --only metrics",
)
@click.argument("refs", nargs=-1, required=True, type=REF, metavar="REF...")
@click.option(
    "--direction",
    "directions",
    multiple=True,
    metavar="METRIC=higher|lower",
    help="Better direction of a metric that Modelyard does not know.",
)
@click.option(
    "--only",
    type=click.Choice(["metrics", "params", "code", "environment", "data", "files"]),
    help="Print only this part.",
)
@click.option("--all", "every", is_flag=True, help="Show params that are the same, too.")
def compare(
    session: Session, refs: tuple[str, ...], directions: tuple[str, ...], only: str | None, every: bool
) -> None:
    """Put two to eight versions or runs (run:ID) side by side; the others are compared with the first."""
    comparison = session.client.compare(
        *refs, directions=key_values(directions, "--direction"), curves=session.as_json
    )
    if session.answered(comparison):
        return
    parts = {
        "metrics": _print_metrics,
        "params": _print_params,
        "code": _print_code,
        "environment": _print_environment,
        "data": _print_data,
        "files": _print_files,
    }
    for side in comparison.sides:
        if side.flags:
            session.out.note(f"{side.reference} is {', '.join(side.flags)}")
    if only in (None, "metrics"):
        session.out.text(comparison.lead.sentence)
    for name, show in parts.items():
        if only in (None, name):
            show(session, comparison, every)


def _names(found: Comparison) -> list[Verbatim]:
    return [Verbatim(side.reference.removeprefix("run:")[-24:]) for side in found.sides]


def _print_metrics(session: Session, found: Comparison, every: bool) -> None:
    session.out.heading("Metrics")
    champion = [Verbatim(f"CHAMPION {found.champion}")] if found.champion else []
    session.out.table(
        ("metric", "better", *_names(found), *champion, "verdict"),
        [_metric_row(metric, found, bool(champion)) for metric in found.metrics],
        empty="None of them has a metric.",
    )


def _metric_row(metric: Metric, found: Comparison, with_champion: bool) -> tuple[Any, ...]:
    where = "/".join(word for word in (metric.split, metric.dataset) if word)
    cells = []
    for position, value in enumerate(metric.values):
        delta = metric.deltas[position]
        change = f" ({delta:+.4g})" if position and isinstance(delta, float) else ""
        cells.append(f"{_number(value)}{change}{' *' if position in metric.best else ''}")
    words = [
        f"{side.reference}: {one.words}"
        for side, one in zip(found.sides, metric.significance, strict=True)
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
            rows.append((side.reference, "diff", "the uncommitted changes differ; see --json"))
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
                words = "different content; no profile to compare"
            else:
                moved = [c for c in one.drift.columns if c.retyped or c.shift in ("slight", "large")]
                words = ", ".join(_drift_text(one.drift, c) for c in moved) or "no column shifted"
            rows.append((side.reference, one.name, words))
    session.out.table(("side", "dataset", "change"), rows, empty="No dataset is known for any of them.")


def _drift_text(drift: Drift, column: ColumnDrift) -> str:
    """Return a text such as `age large (psi 0.300, int → float, missing 0.0% → 6.0%)`."""
    said = [] if column.psi is None else [f"psi {column.psi:.3f}"]
    said += [f"{r.before} → {r.after}" for r in drift.retyped if r.name == column.name]
    shares = (
        column.before.missing / max(1, drift.rows_before),
        column.after.missing / max(1, drift.rows_after),
    )
    if shares[0] != shares[1]:
        said.append(f"missing {shares[0]:.1%} → {shares[1]:.1%}")
    return f"{column.name} {'retyped' if column.retyped else column.shift} ({', '.join(said)})"


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
@click.argument("model", type=MODEL)
@click.option("--metric", required=True, help="Metric to rank by.")
@click.option("--split", help="Only values measured on this split.")
@click.option(
    "--direction",
    type=_DIRECTION,
    help="Whether higher or lower is better, for metrics Modelyard does not know.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Show at most this many."
)
@click.option("--over-time", is_flag=True, help="Show the metric of all versions in order instead.")
def best(
    session: Session,
    model: str,
    metric: str,
    split: str | None,
    direction: str | None,
    limit: int,
    over_time: bool,
) -> None:
    """Show the ready version with the best value of a metric, followed by all other candidates."""
    columns = ("version", "state", "value", "split", "dataset", "at", "how")
    if over_time:
        history = session.client.metric_history(model, metric, split=split)
        shown, document = history.items, history
    else:
        ranking = session.client.best(model, metric, split=split, direction=direction, limit=limit)
        shown, document = ranking.ranking, ranking  # type: ignore[assignment]
    if session.answered(document):
        return
    session.out.table(
        columns,
        [
            (
                p.reference,
                ", ".join(p.flags) or "ready",
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
