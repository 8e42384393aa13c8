"""Evidence about a version: evaluations by split, checks, signatures, the bill of materials."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.metric_schemas import direction_of
from modelyard.registry.attestations.usecases import list_attestations
from modelyard.registry.checks.usecases import list_checks
from modelyard.registry.evaluations.usecases import list_evaluations
from modelyard.web.frame import PageTable, Visit
from modelyard.web.version_frame import PATH, show_part

table = PageTable()


@table.get(f"{PATH}/evidence")
async def evidence(visit: Visit) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        measured = list_evaluations(tx, visit.actor, visit.ref)
        splits: dict[tuple[str, str], list[Any]] = {}
        for found in measured:
            for metric in found.metrics:
                place = (
                    str(metric.get("split") or found.split),
                    str(metric.get("dataset") or found.dataset),
                )
                splits.setdefault(place, []).append((metric, found))
        return {
            "splits": sorted(splits.items()),
            "checks": list_checks(tx, visit.actor, visit.ref),
            "attestations": list_attestations(tx, visit.actor, visit.ref),
            "direction_of": direction_of,
        }

    base = f"/api/v1{visit.request.url.path.removesuffix('/evidence')}"
    return await show_part(visit, "version_evidence.html", read, api=base, twin=f"{base}/evaluations")
