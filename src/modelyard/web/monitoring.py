"""Monitoring: which deployments need retraining, and of one of them the reasons, the columns that moved, and the windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from markupsafe import Markup
from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.monitoring import OUTPUT, ColumnFinding, grace_seconds
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.monitoring import usecases as monitoring
from modelyard.registry.monitoring.nouns import MonitorView, ObservedWindow
from modelyard.web import plots
from modelyard.web.format import number
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_PAGE = "/monitoring/{namespace}/{deployment}"
_WINDOWS = 14
_SQUARES = 7
_COLUMNS = 50


class ShownColumn(msgspec.Struct, frozen=True):
    """verdicts: of the last windows, oldest first; None: it was not compared there."""

    name: str
    is_output: bool
    finding: ColumnFinding
    chart: Markup | None
    verdicts: Sequence[str | None]
    over: int


@table.get("/monitoring")
async def list_monitors(visit: Visit) -> Response:
    found = await visit.look(lambda tx: monitoring.show_overview(tx, visit.actor))
    return await visit.render("monitoring.html", found=found, twin="/api/v1/monitoring")


@table.get(_PAGE)
async def show_monitor(visit: Visit) -> Response:
    """?all=1 shows all columns."""
    name = (visit.path["namespace"], visit.path["deployment"])

    def read(tx: Transaction) -> dict[str, Any]:
        return {
            "view": monitoring.show_monitor(tx, visit.actor, *name),
            "windows": monitoring.list_windows(tx, visit.actor, *name, None, _WINDOWS),
        }

    found = await visit.look(read)
    view: MonitorView = found["view"]
    full_name = view.deployment.full_name
    columns = _columns(view, found["windows"], None if visit.chosen("all") else _COLUMNS)
    return await visit.render(
        "monitor.html",
        **found,
        d=view.deployment,
        columns=columns,
        more=0 if view.last is None else len(view.last.columns) - len(columns),
        moment=lambda seconds: seconds * MICROSECONDS,
        grace=grace_seconds(view.settings.window_seconds),
        here=f"/monitoring/{full_name}",
        twin=f"/api/v1/deployments/{full_name}/monitor",
    )


def _columns(view: MonitorView, windows: Sequence[ObservedWindow], most: int | None) -> list[ShownColumn]:
    if view.last is None:
        return []
    same = [each for each in windows if each.version == view.last.version and each.columns][:_SQUARES]
    known: list[Mapping[str, str]] = [
        {each.name: each.verdict for each in window.columns} for window in reversed(same)
    ]
    return [
        ShownColumn(
            each.name.removeprefix(OUTPUT),
            each.is_output,
            each,
            _chart(each),
            [verdicts.get(each.name) for verdicts in known],
            view.over_in.get(each.name, 0),
        )
        for each in view.last.columns[:most]
    ]


def _chart(finding: ColumnFinding) -> Markup | None:
    if not finding.before:
        return None
    name = finding.name.removeprefix(OUTPUT)
    ends = ("", "")
    if finding.edges:
        ends = (f"≤ {number(finding.edges[0])}", f"> {number(finding.edges[-1])}")
    elif finding.labels:
        ends = (finding.labels[0], finding.labels[-1])
    label = f"Distribution of {name}: of the {finding.reference} data filled, served as a line"
    return plots.pair(finding.before, finding.after, ends, label)
