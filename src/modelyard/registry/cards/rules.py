"""What is wrong with a card. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.domain.card_sections import card_sections
from modelyard.domain.errors import InvalidPolicy
from modelyard.registry.yaml_text import read_yaml

REQUIRED_SECTIONS = ("purpose", "performance", "limitations", "intended use", "ethics")
MIN_WORDS = 3

# Of the Hub's standard keys: what each must be.
_TEXTS = ("license", "license_name", "library_name", "pipeline_tag", "base_model_relation", "thumbnail")
_LISTS = ("tags", "datasets", "metrics", "language", "base_model")


@dataclass(frozen=True, slots=True)
class Problem:
    """where: a section, a key of the front matter, or 'front matter'."""

    where: str
    what: str


def check_card(
    text: str, sections: Sequence[str] = REQUIRED_SECTIONS, min_words: int = MIN_WORDS
) -> list[Problem]:
    """Sections that are missing or empty, and front matter that cannot be read as it is meant."""
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
        return [Problem("front matter", "missing: it begins the card, between two lines of ---")]
    try:
        read = read_yaml(source)
    except InvalidPolicy as error:
        fields = error.fields
        return [Problem("front matter", f"line {int(fields['line']) + 1}: {fields['reason']}")]
    if not isinstance(read.value, dict):
        return [Problem("front matter", "it is no mapping of keys and values")]
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
    """The YAML between the first two lines of ---; None when the card does not begin so."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    return None if end is None else "\n".join(lines[1:end]) + "\n"


def body_text(text: str) -> str:
    """The card without its front matter."""
    source = front_matter_text(text)
    if source is None:
        return text
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    end = next(i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---")
    return "".join(lines[end + 1 :])
