"""A model card's front matter: licence, tags, data, metrics and base model.

This is not a YAML reader. It takes `key: value`, `key: [a, b]` and `key:` followed by `- item` lines,
for the keys named below, and skips everything else. Anchors, aliases, tags and multi-line texts
are never followed, so a card cannot grow by being read.
"""

from __future__ import annotations

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.licence import spdx_of_word
from modelyard.domain.formats.ranged import Source, read_exactly

MAX_FRONT_MATTER_BYTES = 64 * 1024
MAX_LINES = 2000
MAX_ITEMS = 100
_SCALARS = ("license", "license_name", "library_name", "pipeline_tag")
_LISTS = ("tags", "datasets", "metrics", "base_model", "language")


def licence_in(text: str) -> str | None:
    """Return the SPDX identifier of the licence in a card's front matter; None if it names none."""
    lines = (
        text.encode()[:MAX_FRONT_MATTER_BYTES].decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    )
    end = next((i for i, line in enumerate(lines[1:MAX_LINES], 1) if line.rstrip() == "---"), None)
    if not lines or lines[0].rstrip() != "---" or end is None:
        return None
    words = _flat_keys(lines[1:end]).get("license")
    return spdx_of_word(words[0]) if words else None


def read(source: Source, draft: Draft) -> None:
    draft.format = "model-card"
    data = read_exactly(source, 0, min(MAX_FRONT_MATTER_BYTES, source.size_bytes))
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()[:MAX_LINES]
    if not lines or lines[0].rstrip() != "---":
        return
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        draft.problems.append("the front matter has no end")
        return
    found = _flat_keys(lines[1:end])
    for key in _SCALARS:
        if found.get(key):
            draft.details[key] = found[key][0]
    for key in _LISTS:
        if found.get(key):
            draft.details[key] = found[key]
    if found.get("license"):
        draft.licence = spdx_of_word(found["license"][0])


def _flat_keys(lines: list[str]) -> dict[str, list[str]]:
    """Return the values of each known top-level key; of a repeated key, the first."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.lstrip().startswith("- ") and current is not None:
            value = _scalar(line.lstrip()[2:])
            if value and len(current) < MAX_ITEMS:
                current.append(value)
            continue
        current = None
        key, colon, rest = line.partition(":")
        if line[0] in " \t-" or not colon or key not in (*_SCALARS, *_LISTS) or key in found:
            continue
        rest = rest.strip()
        found[key] = current = []
        if rest.startswith("[") and rest.endswith("]"):
            current.extend(v for v in (_scalar(x) for x in rest[1:-1].split(",")[:MAX_ITEMS]) if v)
        elif rest:
            value = _scalar(rest)
            current.extend([value] if value else [])
    return found


def _scalar(text: str) -> str:
    """Return a plain or quoted text; empty for anything else."""
    text = text.strip()
    if text[:1] in ("'", '"'):
        closing = text.find(text[0], 1)
        return text[1:closing] if closing > 0 else ""
    text = text.split(" #", 1)[0].strip()
    is_structure = text[:1] in ("&", "*", "!", "|", ">", "{", "[", "%", "@", "`") or ": " in text
    return "" if is_structure or text.endswith(":") or text in ("null", "~") else text
