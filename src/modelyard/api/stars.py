"""Routes of starred models."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.stars import usecases as stars
from modelyard.wire import stars as wire

table = RouteTable(__name__)


@table.route("PUT", "/api/v1/models/{namespace}/{name}/star", status=204)
async def star_model(call: Call) -> Answer[None]:
    """Star the model, so that your pages list it."""

    def work(tx: Transaction) -> None:
        stars.star(tx, call.actor, call.model)

    return await call.commit(work)


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/star", status=204)
async def unstar_model(call: Call) -> Answer[None]:
    """Remove your star from the model."""
    return await call.commit(lambda tx: stars.unstar(tx, call.actor, call.model))


@table.route("GET", "/api/v1/stars")
async def list_stars(call: Call) -> wire.StarList:
    """List the models that you starred, by name."""
    found = await call.read(lambda tx: stars.list_starred(tx, call.actor))
    return wire.StarList(items=[str(name) for name in found])
