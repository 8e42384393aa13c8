"""Deprecate a version: it stays usable, and everyone who uses it is warned."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import Invalid, ModelyardError
from modelyard.doors.parsing import parse_time
from modelyard.registry.versions.deprecation import deprecate_version, undeprecate_version
from modelyard.registry.versions.usecases import VersionFilter, list_versions
from modelyard.web.frame import PageTable, Visit
from modelyard.web.version_frame import PATH, show_part

table = PageTable()
_MOST_NAMED = 100


@table.get(f"{PATH}/deprecate")
async def ask_deprecation(visit: Visit) -> Response:
    return await _ask(visit)


async def _ask(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        others = list_versions(
            tx, visit.actor, visit.model, VersionFilter(states=("ready",)), None, _MOST_NAMED
        )
        return {"others": [each.version.number for each in others]}

    typed = {name: visit.given(name) for name in ("replacement", "ends_at", "reason")}
    return await show_part(visit, "deprecate.html", read, problem, typed=typed)


@table.post(f"{PATH}/deprecate", operation="deprecate_version", command="deprecate")
async def deprecate(visit: Visit) -> Response:
    replacement, ends_at = visit.given("replacement"), visit.given("ends_at")
    try:
        if replacement and not replacement.isdigit():
            raise Invalid(reason="the replacement is not a version", fix="Choose one of the list")
        until = None
        if ends_at:
            until = parse_time(f"{ends_at}T00:00:00Z" if len(ends_at) == 10 else ends_at)
        await visit.write(
            lambda tx: deprecate_version(
                tx,
                visit.actor,
                visit.ref,
                replacement=int(replacement) if replacement else None,
                ends_at=until,
                reason=visit.given("reason") or None,
            )
        )
    except ModelyardError as error:
        return await _ask(visit, error)
    return visit.go(visit.request.url.path.removesuffix("/deprecate"), "The version was deprecated.")


@table.post(f"{PATH}/deprecate/undo", operation="undeprecate_version", command="deprecate")
async def undeprecate(visit: Visit) -> Response:
    await visit.write(lambda tx: undeprecate_version(tx, visit.actor, visit.ref))
    path = visit.request.url.path.removesuffix("/deprecate/undo")
    return visit.go(path, "The version is not deprecated any more.")
