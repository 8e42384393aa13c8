"""Find the problems of a card. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from modelyard.domain.card_sections import card_sections
from modelyard.registry.yaml_text import YamlProblem, read_yaml

REQUIRED_SECTIONS = ("purpose", "performance", "limitations", "intended use", "ethics")
MIN_WORDS = 3

# The type of each of the Hub's standard keys.
_TEXTS = ("license", "license_name", "library_name", "pipeline_tag", "base_model_relation", "thumbnail")
_LISTS = ("tags", "datasets", "metrics", "language", "base_model")


_GENERATED = frozenset({"performance", "training data", "training"})
"""Sections that the template fills with what the registry knows."""


def has_own_words(sections: Mapping[str, int], template: Callable[[], Mapping[str, int]]) -> bool:
    """Return whether a person wrote something: words outside the sections that the template fills, or new ones in
    them.
    """
    if any(words for heading, words in sections.items() if heading not in _GENERATED):
        return True
    filled = {heading: words for heading, words in sections.items() if words}
    return bool(filled) and filled != {heading: words for heading, words in template().items() if words}


class Problem(msgspec.Struct, frozen=True):
    """A problem of a card. where: a section, a key of the front matter, or 'front matter'."""

    where: str
    what: str


def check_card(
    text: str, sections: Sequence[str] = REQUIRED_SECTIONS, min_words: int = MIN_WORDS
) -> list[Problem]:
    """List the sections that are missing or empty, and front matter that cannot be read."""
    found = card_sections(text)
    problems = []
    for section in sections:
        wanted = section.casefold().strip()
        words = max((n for heading, n in found.items() if heading.startswith(wanted)), default=None)
        if words is None:
            problems.append(Problem(section, "missing"))
        elif words < min_words:
            problems.append(Problem(section, "empty" if not words else f"only {words} words"))
    return [*problems, *_front_matter_problems(text)]


def _front_matter_problems(text: str) -> list[Problem]:
    source = front_matter_text(text)
    if source is None:
        return [Problem("front matter", "missing: the card has to begin with it, between two lines of ---")]
    try:
        read = read_yaml(source)
    except YamlProblem as problem:
        return [Problem("front matter", f"line {problem.line + 1}: {problem.reason}")]
    if not isinstance(read.value, dict):
        return [Problem("front matter", "it is not a mapping of keys and values")]
    problems = [_kind_problem(key, value) for key, value in read.value.items()]
    if not read.value.get("license"):
        problems.append(Problem("license", "missing"))
    return [problem for problem in problems if problem is not None]


def _kind_problem(key: str, value: Any) -> Problem | None:
    if key in _TEXTS and not isinstance(value, str) and not (key == "license" and isinstance(value, list)):
        return Problem(key, "it is not a text; put it in quotes")
    if key in _LISTS and not isinstance(value, str | list):
        return Problem(key, "it is neither a text nor a list of texts")
    if key in _LISTS and isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return Problem(key, "an entry is not a text; put it in quotes")
    return None


def front_matter_text(text: str) -> str | None:
    """Return the YAML between the first two lines of ---; None if the card does not begin with it."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    return None if end is None else "\n".join(lines[1:end]) + "\n"


def body_text(text: str) -> str:
    """Return the card without its front matter."""
    source = front_matter_text(text)
    if source is None:
        return text
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    end = next(i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---")
    return "".join(lines[end + 1 :])
