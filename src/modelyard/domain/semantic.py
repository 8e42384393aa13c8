"""Semantic versions, as people number releases: read, check, match. Source: semver.org, version 2.0.0."""

from __future__ import annotations

import re

from modelyard.domain.errors import Invalid

MAX_LENGTH = 100

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_PART = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_FULL = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PART}(?:\.{_PART})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_BEGINNING = re.compile(rf"{_NUMBER}(?:\.{_NUMBER})?")


def parse_semver(text: str) -> str:
    """Return the semantic version without a leading `v`. Raises Invalid for a text that is not one."""
    plain = text.strip()
    plain = plain[1:] if plain[:1] in ("v", "V") else plain
    if len(plain) > MAX_LENGTH or not _FULL.fullmatch(plain):
        raise Invalid(
            reason=f"{text[:40]!r} is not a semantic version",
            fix="Write major.minor.patch, for example 2.1.0 or 2.1.0-rc.1",
        )
    return plain


def parse_semver_condition(text: str) -> str:
    """Return a condition on semantic versions: a whole one, or its beginning, as 2 or 2.1. Raises Invalid."""
    plain = text.strip().removeprefix("v").removesuffix(".x").removesuffix(".x")
    return plain if _BEGINNING.fullmatch(plain) else parse_semver(text)
