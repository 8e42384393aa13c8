"""Datasets: the list, the columns of one content with its readers, and two contents compared."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup
from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.drift import ColumnDrift, Drift
from modelyard.domain.errors import ModelyardError
from modelyard.domain.histograms import bars_of
from modelyard.domain.profile import Column, Profile
from modelyard.doors.paging import cut, decode_cursor
from modelyard.registry.catalog.usecases import list_namespaces
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.datasets.nouns import DatasetVersion
from modelyard.registry.lineage.readers import Reader, list_readers
from modelyard.web import plots
from modelyard.web.format import change, number
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_ROWS = 50
_COLUMNS = 60
_READERS = 30


@table.get("/datasets")
async def list_datasets(visit: Visit) -> Response:
    chosen = visit.chosen("namespace")
    word = visit.chosen("q")
    before = decode_cursor(visit.chosen("cursor") or None, int, int)

    def read(tx: Transaction) -> tuple[str, list[str], list[Any]]:
        names = [found.name for found in list_namespaces(tx, visit.actor, None, 200)]
        namespace = chosen or (names[0] if names else "")
        rows = (
            datasets.list_datasets(tx, visit.actor, namespace, word or None, before, _ROWS + 1)
            if namespace
            else []
        )
        return namespace, names, rows

    namespace, names, found = await visit.look(read)
    page, cursor = cut(found, _ROWS, lambda row: (row[1].updated_at, row[0]))
    query = {"namespace": namespace, "q": word}
    return await visit.render(
        "datasets.html",
        rows=[dataset for _, dataset in page],
        namespace=namespace,
        namespaces=names,
        word=word,
        more=f"/datasets?{urlencode({**query, 'cursor': cursor})}" if cursor else None,
    )


class ColumnRow(msgspec.Struct, frozen=True):
    """A column of one content, with its histogram."""

    column: Column
    chart: Markup | None


class DriftRow(msgspec.Struct, frozen=True):
    """A column of two contents. shift: as in ColumnDrift, or added, or removed."""

    name: str
    type: str
    shift: str
    psi: float | None
    chart: Markup | str
    moved: str
    change: str
    missing: tuple[float | None, float | None]
    """Shares of missing values before and after."""


def _words(value: float | str) -> str:
    return value if isinstance(value, str) else str(number(value))


def _chart(*columns: Column) -> Markup | None:
    bars = bars_of(*columns)
    if bars is None:
        return None
    ends = (_words(bars.ends[0]), _words(bars.ends[1]))
    after = bars.shares[1] if len(bars.shares) > 1 else ()
    label = f"Distribution of {columns[0].name}, from {ends[0]} to {ends[1]}"
    return plots.pair(bars.shares[0], after, ends, label)


def column_rows(drift: Drift, most: int) -> list[DriftRow]:
    """Return the columns that moved most first, each with both histograms."""
    found = [_drift_row(drift, column) for column in drift.columns[:most]]
    for shift, names, words in (
        ("added", drift.added, "only in the newer"),
        ("removed", drift.removed, "gone"),
    ):
        found += [
            DriftRow(name, "", shift, None, "", words, shift, (None, None))
            for name in names[: most - len(found)]
        ]
    return found


def _drift_row(drift: Drift, column: ColumnDrift) -> DriftRow:
    one, two = column.before, column.after
    moved, changed = [], ""
    if column.retyped:
        moved.append(f"type {one.type} to {two.type}")
    elif one.mean is not None and two.mean is not None and one.is_numeric:
        moved.append(f"mean {number(one.mean)} to {number(two.mean)}")
        if one.mean:
            changed = f"{100 * (two.mean - one.mean) / abs(one.mean):+.1f} %".replace("-", "−")
    else:
        moved.append(f"{one.distinct} to {two.distinct} values")
        changed = change(two.distinct - one.distinct) if two.distinct != one.distinct else "same"
    for words, values in (("new", column.new_values), ("gone", column.gone_values)):
        if values:
            moved.append(f"{words}: {', '.join(value[:20] for value in values[:3])}")
    rates = (
        100 * one.missing / drift.rows_before if drift.rows_before else None,
        100 * two.missing / drift.rows_after if drift.rows_after else None,
    )
    chart = None if column.retyped else _chart(one, two)
    return DriftRow(
        column.name, two.type, column.shift, column.psi, chart or "", "; ".join(moved), changed, rates
    )


@table.get("/datasets/{namespace}/{name}")
async def dataset(visit: Visit) -> Response:
    """Show one content (?version=), or compare it with another (&against=)."""
    namespace, name = visit.path["namespace"], visit.path["name"]
    selector, against = visit.chosen("version") or None, visit.chosen("against") or None
    start = int(visit.chosen("from")) if visit.chosen("from").isdigit() else 0

    def read(tx: Transaction) -> tuple[DatasetVersion, list[DatasetVersion], list[Reader]]:
        content = datasets.find_content(tx, visit.actor, namespace, name, selector)
        contents = datasets.list_contents(tx, visit.actor, namespace, name, None, _ROWS)
        return content, contents, list_readers(tx, visit.actor, content)

    content, contents, readers = await visit.look(read)
    shown: dict[str, Any] = {
        "content": content,
        "contents": contents,
        "readers": readers[:_READERS],
        "reader_count": len(readers),
        "trained": list(dict.fromkeys(r.name for r in readers if r.kind == "version" and r.name)),
        "twin": f"/api/v1/namespaces/{content.namespace}/datasets/{content.name}/{content.digest}",
    }
    if against is not None:
        return await _compare(visit, shown, content, against)

    def profile() -> tuple[Profile | None, list[ColumnRow]]:
        try:
            found = datasets.read_content_profile(visit.services.blobs, content)
        except ModelyardError:
            # Without a profile the page still lists the versions and readers.
            return None, []
        columns = list(found.columns.values())[start : start + _COLUMNS]
        return found, [ColumnRow(column, _chart(column)) for column in columns]

    found, rows = await visit.in_thread("views", profile)
    query = {"version": selector or "", "from": start + _COLUMNS}
    more = f"?{urlencode(query)}" if found is not None and len(found.columns) > start + _COLUMNS else None
    return await visit.render("dataset.html", profile=found, columns=rows, start=start, more=more, **shown)


async def _compare(visit: Visit, shown: dict[str, Any], content: DatasetVersion, against: str) -> Response:
    services, name = visit.services, (content.namespace, content.name)

    def compare() -> tuple[DatasetVersion, Drift | None, list[DriftRow]]:
        other = services.db.read(lambda tx: datasets.find_content(tx, visit.actor, *name, against))
        if content.profile is None or other.profile is None:
            return other, None, []
        _, _, drift = datasets.compare_contents(
            services.db, services.blobs, visit.actor, (*name, other.digest), (*name, content.digest)
        )
        return other, drift, column_rows(drift, _COLUMNS)

    other, drift, rows = await visit.in_thread("views", compare)
    moved = visit.chosen("moved") == "1"
    query = {"version": content.digest, "against": other.digest}
    twin = "/api/v1/dataset-drift?" + urlencode({"before": other.reference, "after": content.reference})
    return await visit.render(
        "dataset_compare.html",
        **{**shown, "twin": twin},
        other=other,
        drift=drift,
        rows=[row for row in rows if not moved or row.shift != "none"],
        stable=sum(row.shift == "none" for row in rows),
        moved=moved,
        switch=f"?{urlencode(query if moved else {**query, 'moved': 1})}",
        swap=f"?{urlencode({'version': other.digest, 'against': content.digest})}",
    )
