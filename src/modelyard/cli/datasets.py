"""Datasets from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.base import Session, command, command_group
from modelyard.cli.push import note_form
from modelyard.domain.profile import value_text

if TYPE_CHECKING:
    from modelyard.wire.datasets import ColumnDrift, ColumnProfile, Drift


_FORMS = (
    click.option("--separator", help="Character between the columns. Default: detected from the file."),
    click.option("--encoding", help="Encoding of the file, for example latin-1. Default: detected."),
)


def _with_form(function: Any) -> Any:
    """Add the options for the format of a text file."""
    for option in reversed(_FORMS):
        function = option(function)
    return function


@command_group("dataset")
def dataset() -> None:
    """Register datasets by content, compare them, and see which versions were trained on them."""


@command(
    "push",
    group=dataset,
    example="modelyard dataset push transactions.parquet fraud/transactions --key customer_id\n"
    "modelyard dataset push data/2026-03 fraud/transactions --window 2026-03 --split train",
)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.argument("name")
@click.option("--column", "columns", multiple=True, help="Read only this column; may be repeated.")
@click.option("--key", "keys", multiple=True, help="Column that identifies a row; may be repeated.")
@click.option("--source", help="Origin of the data. Default: the path.")
@click.option("--filter", help="Filter that selected the rows, as free text.")
@click.option("--window", help="Time range that the data covers, as free text.")
@click.option("--split", help="Split of the data, for example train or test.")
@click.option("--expect", metavar="DIGEST", help="Fail unless the content has this digest.")
@click.option("--no-values", is_flag=True, help="Leave the values of text columns out of the profile.")
@_with_form
def push_dataset(
    session: Session,
    path: Path,
    name: str,
    columns: tuple[str, ...],
    keys: tuple[str, ...],
    no_values: bool,
    **options: Any,
) -> None:
    """Fingerprint and profile a CSV, JSON lines or Parquet file, or a folder of them, and register it as NAME.

    The rows stay where they are. NAME is namespace/dataset, or dataset in your default namespace.
    """
    from modelyard.sdk.datasets import describe

    described = describe(
        path,
        name=name.rpartition("/")[2],
        columns=list(columns) or None,
        keys=list(keys) or None,
        keep_values=not no_values,
        **options,
    )
    note_form(session, described)
    pushed = session.client.datasets.push(described, name)
    session.say(pushed, pushed.reference)


@command("digest", group=dataset, example="modelyard dataset digest transactions.parquet", server=False)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@_with_form
def print_digest(session: Session, path: Path, separator: str | None, encoding: str | None) -> None:
    """Print the digest of the content of a file or folder; nothing is sent."""
    from modelyard.sdk.datasets import describe

    described = describe(path, name="it", separator=separator, encoding=encoding)
    note_form(session, described)
    session.say(
        {"digest": described.digest, "rows": described.entry["rows"], "columns": described.entry["columns"]},
        described.digest,
    )


@command("ls", group=dataset, example="modelyard dataset ls fraud\nmodelyard dataset ls fraud/transactions")
@click.argument("name", required=False)
@click.option("--word", help="Only datasets with this in their name.")
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
        empty="No datasets yet. Register one with: modelyard dataset push FILE NAME",
    )


@command("show", group=dataset, example="modelyard dataset show fraud/transactions@sha256:1f0c…")
@click.argument("ref")
def show_dataset(session: Session, ref: str) -> None:
    """Show the columns of a dataset, the versions trained on it, and every other use of it."""
    shown = session.client.datasets.get(ref)
    if session.answered(shown):
        return
    session.out.pairs(
        [
            ("dataset", shown.dataset.reference),
            ("rows", shown.dataset.rows),
            ("profile", shown.dataset.profile or "none"),
            *(
                (name, shown.dataset.entry[name])
                for name in ("source", "filter", "window", "split")
                if name in shown.dataset.entry
            ),
            ("known since", f"{shown.dataset.created_at} by {shown.dataset.created_by}"),
        ]
    )
    if shown.columns:
        session.out.heading("Columns")
        session.out.table(
            ("column", "type", "missing", "distinct", "min", "median", "max", "commonest"),
            [_column_row(column) for column in shown.columns],
        )
    session.out.heading("Read by")
    session.out.table(
        ("reader", "how", "by", "at", "on", "from"),
        [
            (
                use.node or f"hidden {use.kind}",
                use.relation,
                use.by or "",
                use.at,
                use.details.get("host", ""),
                use.details.get("source", ""),
            )
            for use in shown.uses
        ],
        empty="Not read yet.",
    )


def _column_row(column: ColumnProfile) -> tuple[object, ...]:
    return (
        column.name,
        column.type,
        column.missing,
        f"about {column.distinct}" if column.estimated else column.distinct,
        value_text(column.type, column.minimum),
        value_text(column.type, column.quantiles[3]) if column.quantiles else "",
        value_text(column.type, column.maximum),
        ", ".join(value for value, _ in column.top[:3]),
    )


@command(
    "compare",
    group=dataset,
    example="modelyard dataset compare fraud/transactions@1f0c77aa fraud/transactions@9b21cc03",
)
@click.argument("before")
@click.argument("after")
@click.option("--all", "every", is_flag=True, help="Show columns that did not shift, too.")
def compare_datasets(session: Session, before: str, after: str, every: bool) -> None:
    """Compare two datasets: columns added, removed or with another type, and how far each one shifted."""
    drift = session.client.datasets.compare(before, after)
    if session.answered(drift):
        return
    print_drift(session, drift, every)


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
    shown = [c for c in found.columns if every or c.retyped or c.shift in ("slight", "large")]
    session.out.table(
        ("column", "shift", "psi", "ks", "js", "mean", "missing", "new values"),
        [_drift_row(found, column) for column in shown],
        empty="No column shifted.",
    )


def _drift_row(found: Drift, c: ColumnDrift) -> tuple[object, ...]:
    types = {r.name: r.before for r in found.retyped}
    missing = (c.before.missing / max(1, found.rows_before), c.after.missing / max(1, found.rows_after))
    return (
        c.name,
        f"retyped, {c.shift}" if c.retyped else c.shift,
        *("" if value is None else f"{value:.3f}" for value in (c.psi, c.ks, c.js)),
        f"{value_text(types.get(c.name, c.type), c.before.mean)} → {value_text(c.type, c.after.mean)}",
        f"{missing[0]:.1%} → {missing[1]:.1%}",
        ", ".join(c.new_values[:5]),
    )
