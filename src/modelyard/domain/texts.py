"""Check free text from people and programs: it is not too long, every database can store it, and its credentials
are masked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

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


def is_web_address(text: str) -> bool:
    """Return whether the text is an http or https URL without white space."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(c.isspace() for c in text)
    except ValueError:
        return False


def readable(value: Any) -> Any:
    """Return a JSON value with texts that every encoder accepts; bytes that are not text are shown as `\\xe9`.

    Python gives such bytes of arguments and file names as lone surrogates.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "".join(map(_shown, value))
        return value
    if isinstance(value, dict):
        return {readable(key): readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [readable(item) for item in value]
    return value


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else character


MOST_LINES = 5_000
"""Lines of a text that is compared with another; the time to compare grows with their product."""


def diff_lines(before: str, after: str, name_before: str, name_after: str) -> list[str] | None:
    """Return a unified difference, empty if there is none; None if a text has too many lines to compare."""
    one, two = before.splitlines(), after.splitlines()
    if max(len(one), len(two)) > MOST_LINES:
        return None
    return [*difflib.unified_diff(one, two, name_before, name_after, lineterm="")]


def near_words(word: str, known: Iterable[str], most: int = 5) -> list[str]:
    """Return the known words that may have been meant, the nearest first."""
    return difflib.get_close_matches(word, sorted(set(known)), most, 0.6)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean …?', or nothing."""
    import difflib

    found = difflib.get_close_matches(word, sorted(set(known)), 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def number_or_text(text: str) -> bool | int | float | str:
    """Return a number or a truth value if it prints back as the same text, otherwise the text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if repr(value) == text and abs(value) != float("inf") and value == value:
            return value
    return text
