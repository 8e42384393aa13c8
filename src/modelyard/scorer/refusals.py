"""Refusals of requests: a status, a stable code, a sentence, and the place at fault."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A request that gets no prediction. column, row: at fault, rows from 0; None: none of them."""

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        *,
        column: str | None = None,
        row: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text
        self.column, self.row, self.retry_after = column, row, retry_after

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"error": self.text, "code": self.code}
        if self.column is not None:
            found["column"] = self.column
        if self.row is not None:
            found["row"] = self.row
        return found


def bad(text: str, code: str = "invalid", *, column: str | None = None, row: int | None = None) -> Refusal:
    """The request itself is wrong."""
    return Refusal(400, code, text, column=column, row=row)


def too_large(text: str) -> Refusal:
    return Refusal(413, "too_large", text)


def unavailable(text: str, code: str = "unavailable", retry_after: int = 1) -> Refusal:
    return Refusal(503, code, text, retry_after=retry_after)


def failed(text: str, code: str = "failed") -> Refusal:
    """The revision could not answer."""
    return Refusal(500, code, text)
