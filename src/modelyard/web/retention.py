"""Settings of storage: how much would be deleted, and the deletion."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from modelyard.domain.actor import Permission
from modelyard.domain.errors import ModelyardError
from modelyard.registry.retention import usecases as retention
from modelyard.web.frame import PageTable, Visit
from modelyard.web.places import may

table = PageTable()
_PAGE = "/settings/storage"


async def _show(
    visit: Visit, problem: ModelyardError | None = None, *, found: retention.Collection | None = None
) -> Response:
    """found: the result of a collection, done or only counted."""
    await visit.look(lambda tx: None)
    used = None
    if may(visit, Permission.SERVER_OPERATE):
        used = await visit.read(lambda tx: retention.show_use(tx, visit.actor))
    return await visit.show(
        "settings_storage.html",
        problem,
        used=used,
        found=found,
        may_operate=used is not None,
        grace_hours=visit.services.settings.collect_grace_hours,
        twin="/api/v1/admin/storage" if used is not None else None,
    )


@table.get(_PAGE)
async def storage(visit: Visit) -> Response:
    return await _show(visit)


@table.post(f"{_PAGE}/collect", operation="collect_garbage", command="gc")
async def collect(visit: Visit) -> Response:
    """Count the unused bytes first. Only the page with the count has the button that deletes them."""
    services = visit.services
    dry_run = visit.given("really") != "1"
    grace = retention.grace_of(None, services.settings.collect_grace_hours)
    try:
        done = await visit.in_thread(
            "exports",
            partial(retention.collect, services.db, services.blobs, visit.actor, grace=grace, dry_run=dry_run),
        )
    except ModelyardError as error:
        return await _show(visit, error)
    return await _show(visit, found=done)
