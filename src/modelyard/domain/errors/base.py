"""Define the parts of every error: a kind, a code, a message with fields, and what to do next."""

from __future__ import annotations

import enum
import string
from typing import Any, ClassVar


class Kind(enum.StrEnum):
    """The sort of answer that an error calls for; each door maps each kind exactly once."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ModelyardError(Exception):
    """Base of all errors. `fields` holds the values at fault; `fix` says what to do next."""

    code: ClassVar[str]
    kind: ClassVar[Kind]
    text: ClassVar[str]
    advice: ClassVar[str]

    def __init__(self, *, fix: str | None = None, **fields: Any) -> None:
        self.fields = fields
        self.message = self.text.format(**fields)
        self.fix = self.advice.format(**fields) if fix is None else fix
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message

    @classmethod
    def field_names(cls) -> set[str]:
        """Return the names of the fields that the templates of this class need."""
        parsed = string.Formatter().parse(f"{cls.text}{cls.advice}")
        return {name.split(".")[0].split("[")[0] for _, name, _, _ in parsed if name}

    @classmethod
    def rebuild(cls, message: str, fix: str, fields: dict[str, Any]) -> ModelyardError:
        """Rebuild an error that another process described, in that process's words."""
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        error.fields, error.message, error.fix = fields, message, fix
        return error
