"""A parsed search."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from modelyard.domain.metric_names import MetricCondition

_WORD = re.compile(r"\w+", re.UNICODE)
MAX_WORDS = 12


class ModelSearch(msgspec.Struct, frozen=True):
    """All given conditions hold at once."""

    words: tuple[str, ...] = ()
    """Each must be found, the last one as a prefix too."""
    finds_nothing: bool = False
    """A text was given, but it has signs alone, which are in no index."""
    namespace: str | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    """(key, value); value None: any. Of the model, its newest version, or one that an alias points at."""
    owner: str | None = None
    framework: str | None = None
    licence: str | None = None
    task: str | None = None
    alias: str | None = None
    """The alias is set; a stage is an alias too."""
    stage: str | None = None
    """A version is in the stage, primary or not."""
    metrics: tuple[MetricCondition, ...] = ()
    """Of the newest ready version, as measured last."""
    semver: str | None = None
    """A semantic version of any of its versions, or the beginning of one."""
    pull_request: str | None = None
    """Of any of its versions."""
    archived: bool = False

    @classmethod
    def of(cls, text: str, **conditions: Any) -> ModelSearch:
        """Return a search for the words of a text. conditions: the other fields."""
        words = parse_words(text)
        return cls(words, finds_nothing=not words and bool(text.strip()), **conditions)


def parse_words(text: str) -> tuple[str, ...]:
    """Split a query into words by the same rules as the index."""
    return tuple(word.lower() for word in _WORD.findall(text.replace("_", " "))[:MAX_WORDS])


def parse_tag(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    return key.strip(), value.strip() if equals else None
