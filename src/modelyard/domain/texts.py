"""Free text that people and programs send in: how long it may be, and that every database can store it."""

from __future__ import annotations

from modelyard.domain.errors import InvalidFact


def check_text(value: str, what: str, limit: int) -> str:
    """The value itself. Raises InvalidFact for text that is too long or cannot be stored in every database."""
    if len(value) > limit:
        raise InvalidFact(what=what, reason=f"it has {len(value)} characters, at most {limit} are allowed")
    if "\0" in value:
        raise InvalidFact(what=what, reason="it has a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidFact(what=what, reason="it is not valid Unicode") from None
    return value
