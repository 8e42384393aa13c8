"""Runs: the list with chosen columns, one run with its curves, log and files, and a file's preview."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import FileNotFound
from modelyard.domain.metric_names import parse_condition
from modelyard.doors.paging import cut, decode_cursor
from modelyard.doors.ranges import bytes_response
from modelyard.registry.runs import usecases as runs
from modelyard.registry.runs.nouns import Metric
from modelyard.registry.runs.previews import IMAGE, preview_artifact
from modelyard.registry.runs.rules import STALE, STATUSES, RunSearch, check_status
from modelyard.registry.runs.tails import tail_log
from modelyard.registry.search.rules import parse_tag
from modelyard.web import charts
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_ROWS = 50
_COLUMNS = 4
_MOST_COLUMNS = 12
_CURVES = 24
_POINTS = 300
_CHILDREN = 50
_EARLIER_BYTES = 64_000
_DATASET = re.compile(r"[^@:/\\]{1,200}")


@table.get("/runs")
async def list_runs(visit: Visit) -> Response:
    status, condition, param = (visit.chosen(name) for name in ("status", "where", "param"))
    wanted = RunSearch(
        namespace=visit.chosen("namespace") or None,
        experiment=visit.chosen("experiment") or None,
        status=check_status(status) if status else None,
        name=visit.chosen("q") or None,
        parent=visit.chosen("parent") or None,
        params=(parse_tag(param),) if param else (),
        metrics=(parse_condition(condition),) if condition else (),
    )
    before = decode_cursor(visit.chosen("cursor") or None, int)
    found = await visit.look(
        lambda tx: runs.list_runs(tx, visit.actor, wanted, before[0] if before else None, _ROWS + 1)
    )
    page, cursor = cut(found, _ROWS, lambda row: (row.run.id,))
    counts: dict[str, int] = {}
    for row in page:
        for name in row.metrics:
            counts[name] = counts.get(name, 0) + 1
    columns = [name for name in visit.request.query_params.getlist("column") if name][:_MOST_COLUMNS]
    pairs = [
        (name, value)
        for name, value in visit.request.query_params.multi_items()
        if value and name not in ("cursor", "done")
    ]
    metrics = sorted(counts, key=lambda name: (-counts[name], name))
    return await visit.render(
        "runs.html",
        rows=page,
        columns=columns or metrics[:_COLUMNS],
        metrics=metrics,
        chosen={name: value for name, value in pairs if name != "column"},
        statuses=(*STATUSES, STALE),
        more=f"/runs?{urlencode([*pairs, ('cursor', cursor)])}" if cursor else None,
        twin="/api/v1/runs",
    )


def _rank(metrics: Sequence[Metric]) -> list[Metric]:
    return [metric for metric in metrics if metric.count > 1]


@table.get("/runs/{run}")
async def run(visit: Visit) -> Response:
    """?curves=24 shows the next curves, ?log=65536 the lines before that byte of the log."""
    uid, start, until = visit.path["run"], visit.chosen("curves"), visit.chosen("log")
    skip = int(start) if start.isdigit() and len(start) < 7 else 0

    def read(tx: Transaction) -> dict[str, Any]:
        view = runs.show_run(tx, visit.actor, uid)
        every = _rank(view.metrics)
        curves: list[tuple[str, Markup]] = []
        for metric in every[skip : skip + _CURVES]:
            series = runs.read_series(tx, visit.actor, view.run.uid, metric.name, most_points=_POINTS)
            drawn = charts.by_step(metric.name, series.points.steps, series.points.values)
            if drawn is not None:
                curves.append((metric.name, drawn))
        children = runs.list_runs(tx, visit.actor, RunSearch(parent=view.run.uid), None, _CHILDREN)
        log = (
            tail_log(tx, visit.actor, view.run.uid, int(until), _EARLIER_BYTES)
            if until.isdigit() and len(until) < 16
            else tail_log(tx, visit.actor, view.run.uid)
        )
        return {
            "view": view,
            "curves": curves,
            "curve_count": len(every),
            "more_curves": f"?curves={skip + _CURVES}" if len(every) > skip + _CURVES else None,
            "children": children,
            "child_metrics": list(dict.fromkeys(name for child in children for name in child.metrics))[
                :_COLUMNS
            ],
            "log": log,
            "is_tail": not until.isdigit(),
            "resources": view.run.facts.value.get("resources") or {},
            "code": view.run.facts.value.get("code") or {},
            "dataset_page": lambda entry: _dataset_page(view.run.namespace, entry),
        }

    details = await visit.look(read)
    return await visit.render("run.html", twin=f"/api/v1/runs/{details['view'].run.uid}", **details)


def _dataset_page(namespace: str, entry: dict[str, Any]) -> str | None:
    """Return the page of a run's input; None for an input that is not a dataset of the run's namespace."""
    name, digest = str(entry.get("name") or ""), str(entry.get("digest") or "")
    if not _DATASET.fullmatch(name) or not digest.startswith("sha256:"):
        return None
    return f"/datasets/{namespace}/{name}?{urlencode({'version': digest})}"


@table.get("/runs/{run}/files/{path:path}")
async def preview(visit: Visit) -> Response:
    """Show the beginning of a file as text, as a table, or as an image; nothing in it is run."""
    services, uid, path = visit.services, visit.path["run"], visit.path["path"]
    shown = await visit.in_thread(
        "views", lambda: preview_artifact(services.db, services.blobs, visit.actor, uid, path)
    )
    found = await visit.look(lambda tx: runs.find_run(tx, visit.actor, uid))
    return await visit.render("run_file.html", run=found, preview=shown, path=path)


@table.get("/runs/{run}/images/{path:path}")
async def image(visit: Visit) -> Response:
    """Send an image for the preview. Other files are only sent to be saved."""
    services, uid, path = visit.services, visit.path["run"], visit.path["path"]
    shown = await visit.in_thread(
        "views", lambda: preview_artifact(services.db, services.blobs, visit.actor, uid, path)
    )
    if shown.kind != IMAGE:
        raise FileNotFound(reference=f"run {uid}", path=f"image {path[:200]}")
    return await bytes_response(visit, shown.file, {}, image=shown.media_type)
