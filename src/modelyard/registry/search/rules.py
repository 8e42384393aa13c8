"""What a search asks, parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from modelyard.domain.errors import InvalidRequest
from modelyard.domain.record import number_from_json

_WORD = re.compile(r"\w+", re.UNICODE)
_METRIC = re.compile(r"\s*(?P<name>[^<>=]+?)\s*(?P<op><=|>=|<|>|=)\s*(?P<value>[-+0-9.eE]+)\s*\Z")
MAX_WORDS = 12


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
    match = _METRIC.match(text)
    if match is None:
        raise InvalidRequest(
            reason=f"{text[:100]!r} is not a metric condition", fix="Write for example f1>=0.7"
        )
    try:
        value = float(match["value"])
    except ValueError:
        raise InvalidRequest(
            reason=f"{match['value']!r} is not a number", fix="Write for example f1>=0.7"
        ) from None
    return match["name"], match["op"], number_from_json(value, "the bound")
