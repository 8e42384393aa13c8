"""Answers that are bytes: whole or in ranges, from the folder, from the bucket, or by a signed URL."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.domain.digest import Digest
from modelyard.domain.errors import RangeNotSatisfiable
from modelyard.domain.manifest import File
from modelyard.doors.answers import is_seen
from modelyard.doors.call import Call
from modelyard.doors.fair_share import Runner
from modelyard.doors.services import Services
from modelyard.doors.streams import from_thread

CHUNK_BYTES = 1 << 20
_PRESIGNED_SECONDS = 900
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z")


SEND_FILE = "modelyard.send_file"
"""Extension of the server program: (runner of threads, descriptor, start, end) → sent, without a copy in this process."""


class _LocalFile(Response):
    """Part of a plain file, by the kernel."""

    def __init__(
        self,
        run: Runner,
        file: BinaryIO,
        part: tuple[int, int],
        status: int,
        headers: dict[str, str],
    ) -> None:
        super().__init__(None, status, headers, "application/octet-stream")
        self._run = run
        self._file = file
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await scope["extensions"][SEND_FILE](self._run, file.fileno(), *self._part)
            await send({"type": "http.response.body", "body": b""})


async def bytes_response(call: Call, file: File, headers: dict[str, str]) -> Response:
    """The bytes of a file that the caller was allowed to have, or what of them the request asks for.

    304 when the caller has them. Raises BlobNotFound, RangeNotSatisfiable.
    """
    request, services, run = call.request, call.services, call.runner("downloads")
    etag = f'"{file.digest}"'
    headers = {**headers, "etag": etag, "cache-control": "private, max-age=31536000, immutable"}
    if is_seen(request, etag):
        return Response(status_code=304, headers=headers)
    name = file.path.rsplit("/", 1)[-1]
    headers |= {
        "accept-ranges": "bytes",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name)}",
    }
    wanted = _wanted_range(request, file)
    local = services.blobs.local_path(file.digest)
    if local is None and services.settings.redirect_downloads:
        url = services.blobs.presigned_url(file.digest, _PRESIGNED_SECONDS, name)
        if url is not None:
            return Response(status_code=302, headers={**headers, "location": url, "cache-control": "no-store"})
    start, end = wanted or (0, file.size_bytes)
    status = 200 if wanted is None else 206
    headers["content-length"] = str(end - start)
    if wanted is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
    if request.method == "HEAD":
        return Response(None, status, headers, "application/octet-stream")
    has_kernel = SEND_FILE in request.scope.get("extensions", {})
    if local is not None and has_kernel and (opened := await run(_open, local)) is not None:
        return _LocalFile(run, opened, (start, end), status, headers)
    return await _streamed(services, run, file.digest, (start, end), status, headers)


def _wanted_range(request: Request, file: File) -> tuple[int, int] | None:
    """None: the whole. Raises RangeNotSatisfiable. Source: RFC 9110, sections 13.1.5 and 14.2."""
    header = request.headers.get("range")
    if header is None or request.method != "GET":
        return None
    if request.headers.get("if-range", f'"{file.digest}"') != f'"{file.digest}"':
        return None
    return parse_range(header, file.size_bytes)


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None


async def _streamed(
    services: Services,
    run: Runner,
    digest: Digest,
    part: tuple[int, int],
    status: int,
    headers: dict[str, str],
) -> Response:
    reader = await run(services.blobs.open, digest)
    start, end = part
    chunks = reader.chunks(start, end - start, CHUNK_BYTES)

    async def body() -> Any:
        try:
            async for chunk in from_thread(run, iter(chunks)):
                yield chunk
        finally:
            reader.close()

    return StreamingResponse(body(), status, headers, "application/octet-stream")


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
