"""Comparison of 2 to 8 versions or runs: which is better, what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.names import ModelName
from modelyard.registry.comparison import rules
from modelyard.registry.comparison.peers import MOST_PEERS, Peers, list_peers
from modelyard.registry.comparison.rules import HIGHER, LOWER, MetricRow, Side
from modelyard.registry.comparison.usecases import RUN, Comparison, compare_all
from modelyard.web import plots
from modelyard.web.datasets import column_rows
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_MOST_AXES = 9
_MOST_COLUMNS = 9
_MOST_LINES = 400


class Heading(msgspec.Struct, frozen=True):
    """A compared thing as the page names it."""

    ref: str
    name: str
    href: str
    first: str
    """Address of the same comparison with this one as the baseline."""


def tone(row: MetricRow, delta: float | None) -> str:
    """Return the CSS class of a change: better, worse, or neither."""
    if not delta or row.direction is None:
        return ""
    return "ok" if (delta > 0) == (row.direction == HIGHER) else "bad"


@table.get("/models/{namespace}/{name}/compare")
async def compare_versions(visit: Visit) -> Response:
    """Compare the versions in ?v=3&v=4 of one model."""
    name: ModelName = visit.model
    numbers = [value for value in visit.request.query_params.getlist("v") if value.isdigit()]
    return await _compare(visit, [f"{name}:{number}" for number in numbers])


@table.get("/compare")
async def compare(visit: Visit) -> Response:
    """Compare ?ref=…&ref=…, so that the address can be shared. The others are compared with the first."""
    refs = [ref.strip() for ref in visit.request.query_params.getlist("ref") if ref.strip()]
    if len(refs) < 2:
        await visit.look(lambda tx: None)
        return await visit.render("compare_none.html", refs=refs)
    return await _compare(visit, refs)


async def _compare(visit: Visit, refs: list[str]) -> Response:
    services = visit.services
    compared = await visit.in_thread(
        "views", lambda: compare_all(services.db, services.blobs, visit.actor, refs)
    )

    def find_peers(tx: Transaction) -> Peers:
        return list_peers(tx, visit.actor, compared.sides, visit.chosen("peers"))

    peers = await visit.look(find_peers)
    only = visit.chosen("only") == "1"
    shown = await visit.in_thread("views", lambda: _charts(visit, compared, peers.sides))
    heads = _headings(compared.sides, only=only)
    one = _model_of(compared.sides)
    query = urlencode([("ref", side.ref) for side in compared.sides])
    return await visit.render(
        "compare.html",
        model=one,
        heads=heads,
        compared=compared,
        sentence=_sentence(compared, heads),
        tone=tone,
        words_of=rules.words_of,
        release_kind=rules.release_kind,
        only=only,
        switch=f"/compare?{query}" + ("" if only else "&only=1"),
        most_lines=_MOST_LINES,
        peers=peers,
        most_peers=MOST_PEERS,
        ranked_by=[
            ":".join(part for part in (row.key[1], row.key[0]) if part)
            for row in compared.metrics
            if row.direction is not None and one is not None
        ],
        twin=f"/api/v1/compare?{query}",
        **shown,
    )


def _model_of(sides: Sequence[Side]) -> str | None:
    """Return the model that all sides are versions of."""
    models = {side.ref.rpartition(":")[0] if side.kind == "version" else None for side in sides}
    return next(iter(models)) if len(models) == 1 else None


def _headings(sides: Sequence[Side], *, only: bool) -> list[Heading]:
    is_one = _model_of(sides) is not None
    found = []
    for side in sides:
        rest = [("ref", side.ref), *(("ref", other.ref) for other in sides if other is not side)]
        first = "/compare?" + urlencode([*rest, *([("only", "1")] if only else [])])
        if side.kind == "run":
            uid = side.ref.removeprefix(RUN)
            found.append(Heading(side.ref, f"run {uid[:8]}", f"/runs/{uid}", first))
            continue
        model, _, number = side.ref.rpartition(":")
        name = f"v{number}" if is_one else f"{model} v{number}"
        found.append(Heading(side.ref, name, f"/models/{model}/versions/{number}", first))
    return found


def _sentence(compared: Comparison, heads: Sequence[Heading]) -> str:
    """Return the verdict with the page's shorter names."""
    text = compared.lead.sentence
    for side, head in sorted(zip(compared.sides, heads, strict=True), key=lambda pair: -len(pair[0].ref)):
        text = text.replace(side.ref, head.name)
    return text


def _charts(visit: Visit, compared: Comparison, others: Sequence[Side]) -> dict[str, Any]:
    sides = compared.sides
    labels = [head.name for head in _headings([*sides, *others], only=False)]
    curves: dict[str, list[plots.Line]] = {}
    for curve in compared.curves:
        line = plots.Line(curve.side, labels[curve.side], curve.steps, curve.values)
        curves.setdefault(curve.metric, []).append(line)
    axes = _axes(compared, [*sides, *others])
    x = next((axis for axis in axes if axis.name == visit.chosen("x")), axes[0] if axes else None)
    rest = [axis for axis in axes if axis is not x]
    y = next((axis for axis in axes if axis.name == visit.chosen("y")), rest[-1] if rest else None)
    columns = {
        (at, difference.name): column_rows(difference.drift, _MOST_COLUMNS)
        for at, differences in enumerate(compared.data)
        for difference in differences
        if difference.drift is not None and difference.before != difference.after
    }
    return {
        "curves": [
            (name, drawn) for name, lines in curves.items() if (drawn := plots.overlay(name, lines)) is not None
        ],
        "axes": axes,
        "x": x,
        "y": y,
        "parallel": plots.parallel(axes, labels, len(sides)),
        "scatter": plots.scatter(x, y, labels, len(sides)) if x is not None and y is not None else None,
        "columns_of": lambda at, name: columns.get((at, name), []),
    }


def _axes(compared: Comparison, sides: Sequence[Side]) -> list[plots.Axis]:
    """Return numeric parameters that differ, then metrics, the most important first."""

    def numeric(value: Any) -> float | None:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    found = []
    for name in dict.fromkeys(name for side in sides for name in side.params):
        values = [numeric(side.params.get(name)) for side in sides]
        if len({value for value in values if value is not None}) > 1:
            found.append(plots.Axis(name, values))
    metrics = []
    for row in compared.metrics:
        name = ": ".join(part for part in (row.key[1], row.key[0]) if part)
        values = [side.metrics.get(row.key) for side in sides]
        if len({value for value in values if value is not None}) > 1:
            metrics.append(plots.Axis(name, values, flipped=row.direction == LOWER))
    params = found[: max(3, _MOST_AXES - len(metrics))]
    return [*params, *metrics[: _MOST_AXES - len(params)]]
