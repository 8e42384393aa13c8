"""Conversion of a server's answer to the exact error class: by `code`, otherwise by `kind`, never by text."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from modelyard.domain.errors import Kind, ModelyardError, UnexpectedAnswer, all_errors
from modelyard.wire.base import Problem

PROBLEM_TYPE = "application/problem+json"
_decoder = msgspec.json.Decoder(Problem)


@cache
def _by_kind() -> dict[str, type[ModelyardError]]:
    """Return the class that stands for a whole kind: the one right below the root."""
    return {cls.kind.value: cls for cls in ModelyardError.__subclasses__()}


def error_from_problem(problem: Problem) -> ModelyardError:
    """Build the error that a problem names; an unknown code gives the class of its kind, an unknown kind Internal."""
    cls = all_errors().get(problem.code)
    if cls is None or cls.kind.value != problem.kind:
        cls = _by_kind().get(problem.kind, _by_kind()[Kind.INTERNAL.value])
    fields = {**problem.fields}
    if problem.request_id:
        fields.setdefault("request_id", problem.request_id)
    return cls.rebuild(problem.detail, problem.fix, fields)


def error_from_answer(url: str, status: int, content_type: str, body: bytes) -> ModelyardError:
    """Return the error behind an answer that is not a success; UnexpectedAnswer when no registry wrote it."""
    if content_type.partition(";")[0].strip().lower() == PROBLEM_TYPE:
        try:
            return error_from_problem(_decoder.decode(body))
        except msgspec.MsgspecError:
            return UnexpectedAnswer(url=url, status=status)
    return UnexpectedAnswer(url=url, status=status)


def problem_of(error: ModelyardError) -> dict[str, Any]:
    """Return the same shape for an error raised on this side, for programs that read `--json`."""
    return {
        "type": f"urn:modelyard:error:{error.code}",
        "title": error.code.replace("_", " "),
        "code": error.code,
        "kind": error.kind.value,
        "detail": error.message,
        "fix": error.fix,
        "fields": {name: _plain(value) for name, value in error.fields.items()},
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | list | dict):
        return value
    return str(value)
