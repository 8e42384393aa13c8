"""Errors as RFC 9457 problem details: each kind is mapped to a status once."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.domain.errors import (
    AliasMoved,
    EditConflict,
    FileWithheld,
    Internal,
    Kind,
    MethodNotAllowed,
    ModelyardError,
    OffsetMismatch,
    PreconditionFailed,
    RangeNotSatisfiable,
    RateLimited,
    ShareUsedUp,
    TooManyAttempts,
    UnsupportedEncoding,
)
from modelyard.wire.base import Problem, encode

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.REFUSED: 409,
    Kind.TOO_LARGE: 413,
    Kind.BUSY: 503,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}

# Errors for which HTTP has a more exact status than for their kind.
STATUS_OF_CLASS: dict[type[ModelyardError], int] = {
    AliasMoved: 412,
    EditConflict: 412,
    FileWithheld: 410,
    MethodNotAllowed: 405,
    OffsetMismatch: 409,
    PreconditionFailed: 412,
    RangeNotSatisfiable: 416,
    UnsupportedEncoding: 415,
    RateLimited: 429,
    TooManyAttempts: 429,
    ShareUsedUp: 429,
}

PROBLEM_TYPE = "application/problem+json"


def status_of(error: ModelyardError) -> int:
    return STATUS_OF_CLASS.get(type(error), STATUS[error.kind])


def problem(error: ModelyardError, request_id: str) -> Problem:
    if isinstance(error, Internal) and not error.fields:
        error = Internal(request_id=request_id)
    return Problem(
        type=f"urn:modelyard:error:{error.code}",
        title=error.code.replace("_", " "),
        status=status_of(error),
        detail=error.message,
        code=error.code,
        kind=error.kind.value,
        fix=error.fix,
        fields={name: _plain(value) for name, value in error.fields.items()},
        request_id=request_id,
    )


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | list | dict):
        return value
    return str(value)


def problem_response(error: ModelyardError, request_id: str) -> Response:
    body = problem(error, request_id)
    headers: dict[str, str] = {"cache-control": "no-store"}
    if error.kind in (Kind.BUSY, Kind.UNAVAILABLE):
        headers["retry-after"] = str(error.fields.get("seconds", 1))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["www-authenticate"] = 'Bearer realm="modelyard"'
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = str(error.fields["allowed"])
    if isinstance(error, RangeNotSatisfiable):
        headers["content-range"] = f"bytes */{error.fields['size_bytes']}"
    return Response(encode(body), body.status, headers, PROBLEM_TYPE)
