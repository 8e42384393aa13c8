"""Routes that give bytes: whole or in ranges, from the folder, from the bucket, or by a signed URL."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any
from urllib.parse import quote

from starlette.responses import FileResponse, Response, StreamingResponse

from modelyard.api.routing import Call, RouteTable
from modelyard.api.streams import from_thread
from modelyard.domain.digest import Digest
from modelyard.domain.errors import RangeNotSatisfiable
from modelyard.domain.manifest import File
from modelyard.registry.versions import usecases as versions
from modelyard.services import Services

table = RouteTable("files")

CHUNK_BYTES = 1 << 20
"""The web framework's own 64 KiB cost two thirds of the throughput."""
_PRESIGNED_SECONDS = 900
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


class _LargeChunkFile(FileResponse):
    chunk_size = CHUNK_BYTES


@table.route(
    "GET",
    "/api/v1/models/{namespace}/{name}/versions/{version}/files/{path:path}",
    returns="application/octet-stream",
)
async def get_file(call: Call) -> Response:
    """A file of a version; Range and If-None-Match are honoured, the ETag is the file's digest."""
    version, file = await call.point(
        lambda tx: versions.find_file(tx, call.actor, call.ref, call.request.path_params["path"])
    )
    headers = {"x-modelyard-version": str(version.number), "x-modelyard-digest": version.digest}
    if call.matches(f'"{file.digest}"'):
        return Response(status_code=304, headers={**headers, "etag": f'"{file.digest}"'})
    return await bytes_response(call.services, file, call.request.headers.get("range"), headers)


async def bytes_response(
    services: Services, file: File, range_header: str | None, headers: dict[str, str]
) -> Response:
    """The bytes of a file that the caller was allowed to have. Raises BlobNotFound, RangeNotSatisfiable."""
    name = file.path.rsplit("/", 1)[-1]
    headers = {
        **headers,
        "etag": f'"{file.digest}"',
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "x-content-type-options": "nosniff",
    }
    local = services.blobs.local_path(file.digest)
    if local is not None:
        stat = await asyncio.get_running_loop().run_in_executor(services.transfers, _stat, local)
        if stat is not None:
            return _LargeChunkFile(
                local, headers=headers, media_type="application/octet-stream", stat_result=stat
            )
    if services.settings.redirect_downloads:
        url = services.blobs.presigned_url(file.digest, _PRESIGNED_SECONDS, name)
        if url is not None:
            return Response(status_code=302, headers={**headers, "location": url, "cache-control": "no-store"})
    return await _streamed(services, file.digest, range_header, headers)


def _stat(path: Any) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - the answer wants a stat_result
    except FileNotFoundError:
        return None


async def _streamed(
    services: Services, digest: Digest, range_header: str | None, headers: dict[str, str]
) -> Response:
    loop = asyncio.get_running_loop()
    reader = await loop.run_in_executor(services.transfers, services.blobs.open, digest)
    size = reader.size_bytes
    start, end = parse_range(range_header, size) or (0, size)
    status = 200
    if range_header is not None and (start, end) != (0, size):
        status = 206
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    headers["content-length"] = str(end - start)
    chunks = reader.chunks(start, end - start, CHUNK_BYTES)

    async def body() -> Any:
        try:
            async for chunk in from_thread(services.transfers, iter(chunks)):
                yield chunk
        finally:
            reader.close()

    return StreamingResponse(body(), status, headers, "application/octet-stream")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, end), end exclusive; None when the whole is asked for, or several ranges, which may be
    answered with the whole. Raises RangeNotSatisfiable. Source: RFC 9110, section 14."""
    if header is None:
        return None
    match = _RANGE.match(header.strip())
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
        wrong = int(last) == 0
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        wrong = bool(last) and int(last) < start
    if wrong or start >= size:
        raise RangeNotSatisfiable(range=header[:60], size_bytes=size)
    return start, end
