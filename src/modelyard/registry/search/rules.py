"""What a search asks, parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from modelyard.domain.errors import InvalidRequest
from modelyard.domain.record import number_from_json

_WORD = re.compile(r"\w+", re.UNICODE)
_OPERATORS = ("<=", ">=", "<", ">", "=")
MAX_WORDS = 12
MAX_CONDITION_LENGTH = 500


@dataclass(frozen=True, slots=True)
class ModelSearch:
    """All given conditions hold at once."""

    words: tuple[str, ...] = ()
    """Each must be found, the last one as a prefix too."""
    namespace: str | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    """(key, value); value None: any."""
    owner: str | None = None
    framework: str | None = None
    licence: str | None = None
    task: str | None = None
    alias: str | None = None
    """The alias is set; a stage is an alias too."""
    metrics: tuple[tuple[str, str, float], ...] = field(default=())
    """Of the newest ready version: (name, one of < <= > >= =, value)."""
    archived: bool = False


def parse_words(text: str) -> tuple[str, ...]:
    """The words of a query by the same rules that the index splits text with."""
    return tuple(word.lower() for word in _WORD.findall(text.replace("_", " "))[:MAX_WORDS])


def parse_tag(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    return key.strip(), value.strip() if equals else None


def parse_metric(text: str) -> tuple[str, str, float]:
    """`f1>=0.7`. Raises InvalidRequest."""
    at = next((i for i, character in enumerate(text[:MAX_CONDITION_LENGTH]) if character in "<>="), -1)
    name = text[:at].strip() if at > 0 else ""
    if len(text) > MAX_CONDITION_LENGTH or not name:
        raise InvalidRequest(
            reason=f"{text[:100]!r} is not a metric condition", fix="Write for example f1>=0.7"
        )
    operator = next(each for each in _OPERATORS if text.startswith(each, at))
    bound = text[at + len(operator) :].strip()
    try:
        # Python's own numbers may also be written in other digits, with underscores, or be infinite.
        if not bound or not set(bound) <= set("-+0123456789.eE"):
            raise ValueError
        value = float(bound)
    except ValueError:
        raise InvalidRequest(
            reason=f"{bound[:100]!r} is not a number", fix="Write for example f1>=0.7"
        ) from None
    return name, operator, number_from_json(value, "the bound")
