"""Free text that people and programs send in: how long it may be, that every database can store it, and that
no credential is kept with it."""

from __future__ import annotations

from modelyard.domain.errors import InvalidFact
from modelyard.domain.secrets import mask


def check_text(value: str, what: str, limit: int) -> str:
    """Return the value with its credentials masked. Raises InvalidFact for text that is too long or cannot be
    stored in every database."""
    if len(value) > limit:
        raise InvalidFact(what=what, reason=f"it has {len(value)} characters, at most {limit} are allowed")
    if "\0" in value:
        raise InvalidFact(what=what, reason="it has a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidFact(what=what, reason="it is not valid Unicode") from None
    return mask(value)
