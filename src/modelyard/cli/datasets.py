"""Datasets from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelyard.cli.base import LazyGroup, Session, command

if TYPE_CHECKING:
    from modelyard.wire.datasets import ColumnDrift, ColumnProfile, Drift

_HERE = "modelyard.cli.datasets"


@click.group(
    "dataset",
    cls=LazyGroup,
    lazy={
        "push": (f"{_HERE}:push_dataset", "Make a dataset known, with its profile and none of its rows."),
        "digest": (f"{_HERE}:print_digest", "Print the digest of a dataset's content."),
        "ls": (f"{_HERE}:list_datasets", "List datasets, or the contents of one."),
        "show": (f"{_HERE}:show_dataset", "Show a dataset's columns, and who read it from where."),
        "compare": (f"{_HERE}:compare_datasets", "Say which columns of two datasets differ, and how much."),
    },
)
def dataset() -> None:
    """Know datasets by their content: what was trained on them, and how they differ."""


@command(
    "push",
    example="modelyard dataset push transactions.parquet fraud/transactions --key customer_id\n"
    "modelyard dataset push data/2026-03 fraud/transactions --window 2026-03 --split train",
)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.argument("name")
@click.option("--column", "columns", multiple=True, help="Only this column; may be repeated.")
@click.option("--key", "keys", multiple=True, help="A column that names a row; may be repeated.")
@click.option("--source", help="Where it came from, if not from this path.")
@click.option("--filter", "filter_", help="Said of it: which rows were taken.")
@click.option("--window", help="Said of it: the time it covers.")
@click.option("--split", help="Said of it: train, test or another.")
@click.option("--expect", metavar="DIGEST", help="Fail unless the content has this digest.")
@click.option("--no-values", is_flag=True, help="Let the profile name no value of a text column.")
def push_dataset(
    session: Session,
    path: Path,
    name: str,
    columns: tuple[str, ...],
    keys: tuple[str, ...],
    source: str | None,
    filter_: str | None,
    window: str | None,
    split: str | None,
    expect: str | None,
    no_values: bool,
) -> None:
    """Fingerprint and profile a CSV or Parquet file, or a folder of them, and make it known as NAME.

    The rows stay where they are. NAME is namespace/dataset, or dataset in your default namespace.
    """
    found = session.client.datasets.push(
        path,
        name,
        source=source,
        columns=list(columns) or None,
        keys=list(keys) or None,
        filter=filter_,
        window=window,
        split=split,
        expect=expect,
        keep_values=not no_values,
    )
    if session.as_json:
        session.out.json(found)
    else:
        session.out.text(found.reference)


@command("digest", example="modelyard dataset digest transactions.parquet", server=False)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def print_digest(session: Session, path: Path) -> None:
    """Print the digest of the content of a file or folder; nothing is sent."""
    from modelyard.sdk.datasets import describe

    found = describe(path, name="it")
    if session.as_json:
        session.out.json(
            {"digest": found.digest, "rows": found.entry["rows"], "columns": found.entry["columns"]}
        )
    else:
        session.out.text(found.digest)


@command("ls", example="modelyard dataset ls fraud\nmodelyard dataset ls fraud/transactions")
@click.argument("name", required=False)
@click.option("--word", help="Only those whose name has this in it.")
def list_datasets(session: Session, name: str | None, word: str | None) -> None:
    """List the datasets of a namespace, or the contents of one dataset, newest first."""
    if name is not None and "/" in name:
        session.out.page(
            session.client.datasets.versions(name),
            ("digest", "rows", "at", "by", "source"),
            lambda c: (c.digest, c.rows, c.created_at, c.created_by, c.entry.get("source", "")),
        )
        return
    session.out.page(
        session.client.datasets.list(name, word=word),
        ("name", "contents", "newest", "changed"),
        lambda d: (f"{d.namespace}/{d.name}", d.versions, d.newest, d.updated_at),
        empty="No dataset is known yet; make one known with: modelyard dataset push FILE NAME",
    )


@command("show", example="modelyard dataset show fraud/transactions@sha256:1f0c…")
@click.argument("ref")
def show_dataset(session: Session, ref: str) -> None:
    """Show the columns of a dataset, every version trained on it, and who read it from where."""
    found = session.client.datasets.get(ref)
    if session.as_json:
        session.out.json(found)
        return
    session.out.pairs(
        [
            ("dataset", found.dataset.reference),
            ("rows", found.dataset.rows),
            ("profile", found.dataset.profile or "none"),
            *(
                (name, found.dataset.entry[name])
                for name in ("source", "filter", "window", "split")
                if name in found.dataset.entry
            ),
            ("known since", f"{found.dataset.created_at} by {found.dataset.created_by}"),
        ]
    )
    if found.columns:
        session.out.heading("Columns")
        session.out.table(
            ("column", "type", "missing", "distinct", "min", "median", "max", "commonest"),
            [_column_row(column) for column in found.columns],
        )
    session.out.heading("Read by")
    session.out.table(
        ("reader", "how", "at", "from"),
        [
            (use.node or f"hidden {use.kind}", use.relation, use.at, use.details.get("source", ""))
            for use in found.uses
        ],
        empty="No one yet.",
    )


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value) if value is not None else ""


def _column_row(column: ColumnProfile) -> tuple[object, ...]:
    return (
        column.name,
        column.type,
        column.missing,
        column.distinct,
        _number(column.minimum),
        _number(column.quantiles[3]) if column.quantiles else "",
        _number(column.maximum),
        ", ".join(value for value, _ in column.top[:3]),
    )


@command("compare", example="modelyard dataset compare fraud/transactions@1f0c77aa fraud/transactions@9b21cc03")
@click.argument("before")
@click.argument("after")
@click.option("--all", "every", is_flag=True, help="Show the columns too that did not shift.")
def compare_datasets(session: Session, before: str, after: str, every: bool) -> None:
    """Say how two datasets differ: columns that came, went or changed type, and how far each one shifted."""
    found = session.client.datasets.compare(before, after)
    if session.as_json:
        session.out.json(found)
        return
    print_drift(session, found, every)


def print_drift(session: Session, found: Drift, every: bool) -> None:
    session.out.pairs(
        [
            ("before", f"{found.before} ({found.rows_before} rows)"),
            ("after", f"{found.after} ({found.rows_after} rows)"),
            *([("added", ", ".join(found.added))] if found.added else []),
            *([("removed", ", ".join(found.removed))] if found.removed else []),
            *(("retyped", f"{r.name}: {r.before} → {r.after}") for r in found.retyped),
        ]
    )
    if found.same:
        session.out.text("The content is the same.")
        return
    if found.overlap:
        o = found.overlap
        about = "" if o.exact else f" (about; between {o.least} and {o.most})"
        session.out.text(f"{o.shared} of {o.keys_after} keys are in both{about}")
    shown = [c for c in found.columns if every or c.shift in ("slight", "large")]
    session.out.table(
        ("column", "shift", "psi", "ks", "js", "mean", "missing", "new values"),
        [_drift_row(found, column) for column in shown],
        empty="No column shifted.",
    )


def _drift_row(found: Drift, c: ColumnDrift) -> tuple[object, ...]:
    missing = (c.before.missing / max(1, found.rows_before), c.after.missing / max(1, found.rows_after))
    return (
        c.name,
        c.shift,
        *("" if value is None else f"{value:.3f}" for value in (c.psi, c.ks, c.js)),
        f"{_number(c.before.mean)} → {_number(c.after.mean)}",
        f"{missing[0]:.1%} → {missing[1]:.1%}",
        ", ".join(c.new_values[:5]),
    )
