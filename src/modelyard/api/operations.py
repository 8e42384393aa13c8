"""Routes for machines: health and readiness."""

from __future__ import annotations

from modelyard.domain.errors import ModelyardError
from modelyard.doors.answers import Json, json_response
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.wire import operations as wire

table = RouteTable(__name__)


@table.route("GET", "/health", public=True)
async def health(call: Call) -> wire.Health:
    """Return 200 while the process runs."""
    return wire.Health(status="ok", release=call.services.release)


@table.route("GET", "/ready", public=True, also={503: "The database or the blob store does not answer"})
async def ready(call: Call) -> Json[wire.Readiness]:
    """Return whether the database and the blob store answer; 503 when one does not."""
    services = call.services
    found: dict[str, str] = {}
    for name, check in (("database", services.db.check), ("blobs", services.blobs.check)):
        try:
            await call.in_thread("views", check)
            found[name] = "ok"
        except ModelyardError as error:
            found[name] = error.message
    is_ready = set(found.values()) == {"ok"}
    body = wire.Readiness(status="ready" if is_ready else "unavailable", **found)
    return json_response(body, 200 if is_ready else 503, None if is_ready else {"retry-after": "1"})
