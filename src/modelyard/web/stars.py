"""Star and unstar a model from its page."""

from __future__ import annotations

from starlette.responses import Response

from modelyard.registry.stars import usecases as stars
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_MODEL = "/models/{namespace}/{name}"


@table.post(f"{_MODEL}/star", operation="star_model", command="star")
async def star(visit: Visit) -> Response:
    model = visit.model
    await visit.write(lambda tx: stars.star(tx, visit.actor, model))
    return visit.go(f"/models/{model}", f"{model} is in your list of starred models.")


@table.post(f"{_MODEL}/unstar", operation="unstar_model", command="star")
async def unstar(visit: Visit) -> Response:
    model = visit.model
    await visit.write(lambda tx: stars.unstar(tx, visit.actor, model))
    return visit.go(f"/models/{model}", f"{model} is no longer starred.")
