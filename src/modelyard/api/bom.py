"""Routes of the bill of materials."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from starlette.responses import Response

from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.bom import usecases as bom
from modelyard.registry.bom.rules import MEDIA_TYPE

table = RouteTable("bom")


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/bom")
async def show_bom(call: Call) -> Annotated[Response, "application/vnd.cyclonedx+json"]:
    """The version's bill of materials in CycloneDX 1.6, each line verified or declared."""
    services = call.services
    found = await call.in_thread(
        "views",
        partial(bom.show_bom, services.db, services.blobs, call.actor, call.ref, services.release),
    )
    return Response(msgspec.json.encode(found), 200, {}, MEDIA_TYPE)
