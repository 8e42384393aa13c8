"""The scan of a version with what it found, the way out of quarantine, and all quarantined versions."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError
from modelyard.domain.scanning.verdicts import RULES_VERSION
from modelyard.doors.paging import cut, decode_cursor
from modelyard.registry.quarantine import usecases as quarantine
from modelyard.registry.quarantine.usecases import ScanView
from modelyard.web.frame import PageTable, Visit
from modelyard.web.version_frame import PATH, show_part

table = PageTable()
_ROWS = 50
_MOST_FINDINGS = 200


@table.get(f"{PATH}/scan")
async def scan(visit: Visit) -> Response:
    return await _show(visit)


async def _show(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        view = quarantine.show_scan(tx, visit.actor, visit.ref)
        found = _findings(view)
        return {
            "scan": view,
            "others": quarantine.list_second_people(tx, visit.actor, visit.ref),
            "findings": found[:_MOST_FINDINGS],
            "count": len(found),
            "secrets": [(file.path, secret) for file in view.files.files for secret in file.secrets],
            "unknown": [name for name in view.files.unknown if name not in view.trusted],
        }

    return await show_part(
        visit,
        "version_scan.html",
        read,
        problem,
        rules=RULES_VERSION,
        typed=visit.given("reason"),
        twin=f"/api/v1{visit.request.url.path.partition('/scan')[0].partition('/release')[0].partition('/trust')[0]}/scan",
    )


def _findings(view: ScanView) -> list[tuple[str, Any]]:
    """Return (path, finding), dangerous ones first."""
    found = [
        (file.path, finding)
        for file in view.files.files
        if file.scan is not None
        for finding in file.scan.findings
    ]
    return sorted(found, key=lambda pair: pair[1].verdict.value != "dangerous")


@table.post(f"{PATH}/release", operation="release_version", command="quarantine release")
async def release(visit: Visit) -> Response:
    try:
        await visit.write(
            lambda tx: quarantine.release_version(tx, visit.actor, visit.ref, visit.given("reason"))
        )
    except ModelyardError as error:
        return await _show(visit, error)
    path = visit.request.url.path.removesuffix("/release")
    return visit.go(f"{path}/scan", "The version was released from quarantine.")


@table.post(f"{PATH}/trust", operation="trust_global", command="scan trust")
async def trust(visit: Visit) -> Response:
    name, reason = visit.given("name"), visit.given("reason")
    try:
        await visit.write(
            lambda tx: quarantine.trust_global(tx, visit.actor, visit.model.namespace, name, reason)
        )
    except ModelyardError as error:
        return await _show(visit, error)
    path = visit.request.url.path.removesuffix("/trust")
    return visit.go(f"{path}/scan", f"{visit.model.namespace} trusts {name}.")


@table.get("/quarantine")
async def list_quarantined(visit: Visit) -> Response:
    namespace = visit.chosen("namespace")
    before = decode_cursor(visit.chosen("cursor") or None, int)

    found = await visit.look(
        lambda tx: quarantine.list_quarantined(
            tx, visit.actor, namespace or None, before[0] if before else None, _ROWS + 1
        )
    )
    page, cursor = cut(found, _ROWS, lambda row: (row.id,))
    query = {"namespace": namespace, "cursor": cursor}
    return await visit.render(
        "quarantine.html",
        rows=page,
        namespace=namespace,
        more=f"/quarantine?{urlencode(query)}" if cursor else None,
        twin="/api/v1/quarantine" + (f"?{urlencode({'namespace': namespace})}" if namespace else ""),
    )
