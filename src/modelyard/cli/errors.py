"""Exit codes of errors, with their meanings; each command's help shows the same table."""

from __future__ import annotations

from modelyard.domain.errors import Kind, ModelyardError

OK, FAILED, USAGE, REFUSED, NOT_FOUND, DENIED, UNAVAILABLE, DAMAGED = range(8)
INTERRUPTED = 130

EXIT_CODES: dict[int, str] = {
    OK: "ok",
    FAILED: "failed",
    USAGE: "usage",
    REFUSED: "refused by policy",
    NOT_FOUND: "not found",
    DENIED: "denied or not signed in",
    UNAVAILABLE: "unavailable",
    DAMAGED: "finished, but stored bytes are damaged",
}

_CODE_OF: dict[Kind, int] = {
    Kind.INVALID: USAGE,
    Kind.UNAUTHENTICATED: DENIED,
    Kind.DENIED: DENIED,
    Kind.NOT_FOUND: NOT_FOUND,
    Kind.CONFLICT: FAILED,
    Kind.REFUSED: REFUSED,
    Kind.TOO_LARGE: FAILED,
    Kind.BUSY: UNAVAILABLE,
    Kind.UNAVAILABLE: UNAVAILABLE,
    Kind.INTERNAL: FAILED,
}


def exit_code(error: ModelyardError) -> int:
    return _CODE_OF[error.kind]
