"""Routes of a version's files."""

from __future__ import annotations

from typing import Annotated

from starlette.responses import Response

from modelyard.doors.call import Call
from modelyard.doors.ranges import bytes_response
from modelyard.doors.table import RouteTable
from modelyard.registry.versions import usecases as versions

table = RouteTable(__name__)


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/files/{path:path}", has_etag=True)
async def get_file(call: Call) -> Annotated[Response, "application/octet-stream"]:
    """Return a file of a version; Range and If-None-Match are supported, and the ETag is the file's digest."""
    version, file = await call.point(
        lambda tx: versions.find_file(tx, call.actor, call.ref, call.request.path_params["path"])
    )
    headers = {"x-modelyard-version": str(version.number), "x-modelyard-digest": version.digest}
    return await bytes_response(call, file, headers)
