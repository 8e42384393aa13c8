"""Routes that give bytes: whole or in ranges, from the folder, from the bucket, or by a signed URL."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.api.routing import Call, RouteTable
from modelyard.api.streams import from_thread
from modelyard.domain.errors import RangeNotSatisfiable
from modelyard.domain.manifest import File
from modelyard.registry.versions import usecases as versions
from modelyard.services import Services

table = RouteTable("files")

CHUNK_BYTES = 1 << 20
"""The web framework's own 64 KiB cost two thirds of the throughput."""
_PRESIGNED_SECONDS = 900
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z")


class _LargeChunkFile(FileResponse):
    """A file by the web framework, which range of it decided here: as from every other store."""

    chunk_size = CHUNK_BYTES

    def __init__(self, *args: Any, wanted: tuple[int, int] | None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")]
        if self._wanted is not None:
            headers.append((b"range", f"bytes={self._wanted[0]}-{self._wanted[1] - 1}".encode()))
        await super().__call__({**scope, "headers": headers}, receive, send)


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
    return await bytes_response(call.request, call.services, file, headers)


async def bytes_response(request: Request, services: Services, file: File, headers: dict[str, str]) -> Response:
    """The bytes of a file that the caller was allowed to have, or what of them the request asks for.

    Raises BlobNotFound, RangeNotSatisfiable.
    """
    name = file.path.rsplit("/", 1)[-1]
    headers = {
        **headers,
        "etag": f'"{file.digest}"',
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name)}",
    }
    wanted = _wanted_range(request, file)
    local = services.blobs.local_path(file.digest)
    if local is not None:
        stat = await asyncio.get_running_loop().run_in_executor(services.transfers, _stat, local)
        if stat is not None:
            media_type = "application/octet-stream"
            return _LargeChunkFile(
                local, wanted=wanted, headers=headers, media_type=media_type, stat_result=stat
            )
    if services.settings.redirect_downloads:
        url = services.blobs.presigned_url(file.digest, _PRESIGNED_SECONDS, name)
        if url is not None:
            return Response(status_code=302, headers={**headers, "location": url, "cache-control": "no-store"})
    if request.method == "HEAD":
        headers["content-length"] = str(file.size_bytes)
        return Response(None, 200, headers, "application/octet-stream")
    return await _streamed(services, file, wanted, headers)


def _wanted_range(request: Request, file: File) -> tuple[int, int] | None:
    """None: the whole. Raises RangeNotSatisfiable. Source: RFC 9110, sections 13.1.5 and 14.2."""
    header = request.headers.get("range")
    if header is None or request.method != "GET":
        return None
    if request.headers.get("if-range", f'"{file.digest}"') != f'"{file.digest}"':
        return None
    return parse_range(header, file.size_bytes)


def _stat(path: Any) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - the answer wants a stat_result
    except FileNotFoundError:
        return None


async def _streamed(
    services: Services, file: File, wanted: tuple[int, int] | None, headers: dict[str, str]
) -> Response:
    loop = asyncio.get_running_loop()
    reader = await loop.run_in_executor(services.transfers, services.blobs.open, file.digest)
    start, end = wanted or (0, file.size_bytes)
    if wanted is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
    headers["content-length"] = str(end - start)
    chunks = reader.chunks(start, end - start, CHUNK_BYTES)

    async def body() -> Any:
        try:
            async for chunk in from_thread(services.transfers, iter(chunks)):
                yield chunk
        finally:
            reader.close()

    return StreamingResponse(body(), 200 if wanted is None else 206, headers, "application/octet-stream")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """(start, end), end exclusive; None when the whole may be sent: for several ranges, other units and what
    is no range. Raises RangeNotSatisfiable. Source: RFC 9110, section 14."""
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
