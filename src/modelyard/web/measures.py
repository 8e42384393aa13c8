"""Measures: lead times, promotions, rollbacks, completeness, reuse and contributors."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.record import SIX_FACTS
from modelyard.registry.measures.nouns import Measures
from modelyard.registry.measures.usecases import STAGE, show_measures
from modelyard.web import charts, format
from modelyard.web.frame import PageTable, Visit

table = PageTable()


@table.get("/settings/measures")
async def measures(visit: Visit) -> Response:
    chosen = {name: visit.chosen(name) for name in ("since", "namespace", "stage") if visit.chosen(name)}

    def read(tx: Transaction) -> Measures:
        return show_measures(
            tx,
            visit.actor,
            since=chosen.get("since"),
            namespace=chosen.get("namespace"),
            stage=chosen.get("stage", STAGE),
        )

    found = await visit.in_thread("views", lambda: visit.services.db.read(read))
    await visit.look(lambda tx: None)
    names = [month.name for month in found.months]
    return await visit.render(
        "measures.html",
        measures=found,
        now_month=found.months[-1],
        before=found.months[-2] if len(found.months) > 1 else None,
        lead=charts.lines_by_month(
            names,
            [[m.lead_median for m in found.months], [m.lead_slow for m in found.months]],
            format.duration,
            "Lead time by month",
        ),
        moves=charts.bars_by_month(
            names,
            [[m.promoted for m in found.months], [m.rolled_back for m in found.months]],
            "Promotions and rollbacks by month",
        ),
        complete=charts.lines_by_month(
            names, [[m.completeness for m in found.months]], lambda v: f"{v:.0%}", "Completeness by month"
        ),
        six=SIX_FACTS,
        chosen=chosen,
        command=" ".join(["modelyard measures", *(f"--{name} {value}" for name, value in chosen.items())]),
        twin="/api/v1/measures" + (f"?{urlencode(chosen)}" if chosen else ""),
    )
