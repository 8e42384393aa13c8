"""Routes of the bill of materials."""

from __future__ import annotations

from typing import Annotated

from starlette.responses import Response

from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.bom import usecases as bom
from modelyard.registry.bom.rules import MEDIA_TYPE
from modelyard.wire.base import encode, encode_list

table = RouteTable(__name__)


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/bom")
async def show_bom(call: Call) -> Annotated[Response, "application/vnd.cyclonedx+json"]:
    """Return the version's bill of materials in CycloneDX 1.6, each line verified or declared."""
    services = call.services

    def show() -> bytes:
        found = bom.show_bom(services.db, services.blobs, call.actor, call.ref, services.release)
        fields = (
            encode(name) + b":" + (encode_list(value) if isinstance(value, list) else encode(value))
            for name, value in found.items()
        )
        return b"{" + b",".join(fields) + b"}"

    return Response(await call.in_thread("views", show), 200, {}, MEDIA_TYPE)
