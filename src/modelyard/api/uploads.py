"""Routes of uploads."""

from __future__ import annotations

from typing import Any

from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidRequest, SizeMismatch
from modelyard.domain.times import time_text
from modelyard.doors.answers import Json, json_response
from modelyard.doors.call import Call
from modelyard.doors.parsing import digits
from modelyard.doors.streams import with_body
from modelyard.doors.table import RouteTable
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.uploads.nouns import Upload
from modelyard.wire import uploads as wire

table = RouteTable(__name__)


def _content_length(call: Call) -> int:
    length = digits(call.request.headers.get("content-length"))
    if length is None:
        raise InvalidRequest(
            reason="the header Content-Length is missing", fix="Send it with the body's length in bytes"
        )
    return length


@table.route("POST", "/api/v1/blobs/missing", has_large_body=True)
async def find_missing(call: Call, body: wire.MissingQuery) -> wire.MissingAnswer:
    """Return which of these files must be sent; the server has all others, and the caller may read them."""
    wanted = await call.compute(_sizes, body)
    size_bytes = sum(wanted.values()) if body.version_bytes is None else body.version_bytes
    missing = await call.write(
        lambda tx: uploads.find_missing(tx, call.actor, wanted, body.namespace, size_bytes)
    )
    return wire.MissingAnswer(missing=[*missing], chunk_bytes=call.services.settings.upload_chunk_bytes)


def _sizes(body: wire.MissingQuery) -> dict[Digest, int]:
    """Raises SizeMismatch for a digest with two sizes."""
    wanted: dict[Digest, int] = {}
    for entry in body.blobs:
        digest = Digest.parse(entry.digest)
        if entry.size_bytes < 0 or wanted.setdefault(digest, entry.size_bytes) != entry.size_bytes:
            raise SizeMismatch(actual=entry.size_bytes, expected=wanted.get(digest, 0))
    return wanted


@table.route("PUT", "/api/v1/blobs/{digest}", status=201, takes_bytes=True)
async def put_blob(call: Call) -> wire.Blob:
    """Send a whole file in one request. For large files use /api/v1/uploads, which resumes."""
    digest = Digest.parse(call.path["digest"])
    size = _content_length(call)
    uploads.require_sender(call.actor)
    services = call.services
    counted = await with_body(
        call.request,
        call.runner("uploads"),
        lambda pieces: uploads.receive_blob(
            services.db, services.blobs, call.actor, digest, pieces, size, services.settings.max_file_bytes
        ),
    )
    return wire.Blob(digest=digest, size_bytes=counted)


def _upload(call: Call, upload: Upload, offset: int) -> wire.Upload:
    return wire.Upload(
        id=upload.id,
        digest=upload.digest,
        size_bytes=upload.size_bytes,
        offset=offset,
        chunk_bytes=call.services.settings.upload_chunk_bytes,
        expires_at=time_text(upload.expires_at),
    )


async def _in_thread(call: Call, fn: Any, *args: Any) -> Any:
    return await call.in_thread("uploads", fn, *args)


@table.route("POST", "/api/v1/uploads", status=201)
async def start_upload(call: Call, body: wire.StartUpload) -> wire.Upload:
    """Start a resumable upload, or find the caller's open one of the same bytes, with its offset."""
    services = call.services
    digest = Digest.parse(body.digest)
    upload = await _in_thread(
        call,
        uploads.start_upload,
        services.db,
        call.actor,
        digest,
        body.size_bytes,
        services.settings.max_file_bytes,
    )
    return _upload(call, upload, await _in_thread(call, services.blobs.stage(upload.id).size))


async def _find(call: Call) -> Upload:
    return await call.point(lambda tx: uploads.find_upload(tx, call.actor, call.path["upload"]))


@table.route("GET", "/api/v1/uploads/{upload}")
async def show_upload(call: Call) -> Json[wire.Upload]:
    """Return how many bytes have arrived."""
    upload = await _find(call)
    offset = await _in_thread(call, call.services.blobs.stage(upload.id).size)
    return json_response(_upload(call, upload, offset), headers={"upload-offset": str(offset)})


@table.route("PATCH", "/api/v1/uploads/{upload}", takes_bytes=True, headers={"Upload-Offset": "integer"})
async def append_to_upload(call: Call) -> Json[wire.Upload]:
    """Add bytes at the offset in the header Upload-Offset; bytes of an interrupted request are kept."""
    upload = await _find(call)
    start = digits(call.request.headers.get("upload-offset"))
    if start is None:
        raise InvalidRequest(
            reason="the header Upload-Offset is missing or is not a number",
            fix="Send the offset of these bytes",
        )
    services = call.services
    offset = await with_body(
        call.request,
        call.runner("uploads"),
        lambda pieces: uploads.append_bytes(services.blobs, upload, start, pieces),
    )
    return json_response(_upload(call, upload, offset), headers={"upload-offset": str(offset)})


@table.route("POST", "/api/v1/uploads/{upload}/finish", status=201)
async def finish_upload(call: Call) -> wire.Blob:
    """Complete an upload: verify all of its bytes and store them as a blob."""
    upload = await _find(call)
    services = call.services
    size = await _in_thread(call, uploads.finish_upload, services.db, services.blobs, call.actor, upload)
    return wire.Blob(digest=upload.digest, size_bytes=size)


@table.route("DELETE", "/api/v1/uploads/{upload}", status=204)
async def discard_upload(call: Call) -> None:
    """Cancel an upload and delete its bytes."""
    upload = await _find(call)
    await _in_thread(call, uploads.discard_upload, call.services.db, call.services.blobs, upload)
