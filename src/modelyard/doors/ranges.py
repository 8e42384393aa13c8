"""Answers that are bytes: whole or in ranges, from the folder, from the bucket, or by a signed URL.

The stored bytes of a whole file are hashed while they are sent, and its end is held back until their digest is
confirmed. Otherwise the answer stops before its end, and the bytes are recorded as damaged. A range is sent without
hashing, because only the whole has a digest: clients of ranges check it themselves. Decision record 0004.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobCorrupt, RangeNotSatisfiable
from modelyard.domain.manifest import File
from modelyard.doors.answers import is_seen
from modelyard.doors.call import Call
from modelyard.doors.fair_share import Runner
from modelyard.doors.streams import from_thread
from modelyard.registry.retention import usecases as retention

logger = logging.getLogger("modelyard")

CHUNK_BYTES = 1 << 20
_HELD_BYTES = 1 << 16
"""Bytes at the end of a whole file that wait for its digest."""
_HASHED_BYTES = 64 * CHUNK_BYTES
"""Bytes sent between two rounds of hashing, which then finds them in memory."""
_MOST_REMEMBERED = 10_000
_PRESIGNED_SECONDS = 900
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z")


SEND_FILE = "modelyard.send_file"
"""Extension of the web server: (runner of threads, descriptor, start, end) → bytes sent, without a copy here."""


State = tuple[int, int, int, int]
_whole: dict[Digest, State] = {}
"""Files that were intact when last sent, by their state in the folder, which every write changes."""


def _state_of(file: BinaryIO) -> State:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _remember(digest: Digest, state: State) -> None:
    while len(_whole) >= _MOST_REMEMBERED:
        _whole.pop(next(iter(_whole)), None)
    _whole[digest] = state


Damaged = Callable[[], Awaitable[None]]
"""Records that the bytes are damaged."""


class _LocalFile(Response):
    """Part of a plain file, sent by the kernel."""

    def __init__(
        self,
        run: Runner,
        file: BinaryIO,
        part: tuple[int, int],
        status: int,
        headers: dict[str, str],
        whole: Digest | None,
        damaged: Damaged,
        media_type: str,
    ) -> None:
        """whole: the digest that the part must have; None if it is not the whole file."""
        super().__init__(None, status, headers, media_type)
        self._run = run
        self._file = file
        self._part = part
        self._whole = whole
        self._damaged = damaged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            send_file = scope["extensions"][SEND_FILE]
            if self._whole is None or _whole.get(self._whole) == _state_of(file):
                await send_file(self._run, file.fileno(), *self._part)
            elif not await self._send_hashed(send_file, file, self._whole):
                return
            await send({"type": "http.response.body", "body": b""})

    async def _send_hashed(self, send_file: Any, file: BinaryIO, wanted: Digest) -> bool:
        """Send the whole file, its end after all of it was hashed. Returns False if the client has disconnected.

        Raises BlobCorrupt, which ends the connection before the announced length was sent.
        """
        state = _state_of(file)
        start, end = self._part
        if state[1] != end:
            await self._damaged()
            raise BlobCorrupt(digest=wanted)
        hashed = hashlib.sha256()
        at, held = start, max(start, end - _HELD_BYTES)
        while at < held:
            then = min(held, at + _HASHED_BYTES)
            if await send_file(self._run, file.fileno(), at, then) < then - at:
                return False
            await self._run(_hash_part, hashed, file.fileno(), at, then)
            at = then
        await self._run(_hash_part, hashed, file.fileno(), held, end)
        if hashed.hexdigest() != wanted.hex:
            await self._damaged()
            raise BlobCorrupt(digest=wanted)
        _remember(wanted, state)
        await send_file(self._run, file.fileno(), held, end)
        return True


def _hash_part(hashed: Any, file: int, start: int, end: int) -> None:
    while start < end:
        piece = os.pread(file, min(CHUNK_BYTES, end - start), start)
        if not piece:
            return
        hashed.update(piece)
        start += len(piece)


async def bytes_response(call: Call, file: File, headers: dict[str, str], image: str | None = None) -> Response:
    """Return the bytes of a file that the caller may read, or the requested range.

    image: media type of a picture that a page shows; None: a file to save, which no browser interprets. 304 if the caller already has them. Raises BlobNotFound, RangeNotSatisfiable.
    """
    request, services, run = call.request, call.services, call.runner("downloads")
    etag = f'"{file.digest}"'
    headers = {**headers, "etag": etag, "cache-control": "private, max-age=31536000, immutable"}
    if is_seen(request, etag):
        return Response(status_code=304, headers=headers)
    name = file.path.rsplit("/", 1)[-1]
    headers |= {
        "accept-ranges": "bytes",
        "content-disposition": f"{'attachment' if image is None else 'inline'}; filename*=UTF-8''{quote(name)}",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    media_type = image or "application/octet-stream"
    wanted = _wanted_range(request, file)
    local = services.blobs.local_path(file.digest)
    if local is None and services.settings.redirect_downloads and image is None:
        url = services.blobs.presigned_url(file.digest, _PRESIGNED_SECONDS, name)
        if url is not None:
            return Response(status_code=302, headers={**headers, "location": url, "cache-control": "no-store"})
    start, end = wanted or (0, file.size_bytes)
    status = 200 if wanted is None else 206
    headers["content-length"] = str(end - start)
    if wanted is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
    if request.method == "HEAD":
        return Response(None, status, headers, media_type)
    whole = file.digest if wanted is None else None

    async def damaged() -> None:
        logger.error("the stored bytes %s are damaged; the answer was ended early", file.digest)
        await run(retention.note_damaged, services.db, file.digest)

    has_kernel = SEND_FILE in request.scope.get("extensions", {})
    if local is not None and has_kernel and (opened := await run(_open, local)) is not None:
        return _LocalFile(run, opened, (start, end), status, headers, whole, damaged, media_type)
    reader = await run(services.blobs.open, file.digest)
    chunks = from_thread(run, iter(reader.chunks(start, end - start, CHUNK_BYTES)))

    async def body() -> AsyncIterator[bytes | memoryview]:
        try:
            async for chunk in chunks if whole is None else _hashed(chunks, whole, damaged):
                yield chunk
        finally:
            reader.close()

    return StreamingResponse(body(), status, headers, media_type)


async def _hashed(
    chunks: AsyncIterator[bytes | memoryview], wanted: Digest, damaged: Damaged
) -> AsyncIterator[bytes | memoryview]:
    """Yield the chunks of a whole file, the last one after all were hashed. Raises BlobCorrupt."""
    hashed = hashlib.sha256()
    held: bytes | memoryview = b""
    async for chunk in chunks:
        if held:
            yield held
        held = bytes(chunk)
        hashed.update(held)
    if hashed.hexdigest() != wanted.hex:
        await damaged()
        raise BlobCorrupt(digest=wanted)
    yield held


def _wanted_range(request: Request, file: File) -> tuple[int, int] | None:
    """Return the range to send; None: the whole. Raises RangeNotSatisfiable. Source: RFC 9110, 13.1.5 and 14.2."""
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


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return (start, end), end exclusive; None for the whole: for several ranges, other units and invalid ranges.
    Raises RangeNotSatisfiable. Source: RFC 9110, section 14."""
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
