"""How to cite a model: the citation in its card, or one made of what is known of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.domain.card_sections import section_texts

_HEADING = re.compile(r"(?:citation|citing|how to cite|cite|bibtex)\b")
_ENTRY = re.compile(r"@[A-Za-z]+\s*\{")
_LABELS = {"bibtex", "apa", "citation", "cite as"}
_PLACEHOLDER = re.compile(r"\[more information needed\]", re.IGNORECASE)
_SPECIAL = re.compile(r"[\\{}%&#_$~^]")
_LONGEST = 20_000


@dataclass(frozen=True)
class Citation:
    """text: for people. bibtex: one or more entries. One of them may be empty."""

    text: str
    bibtex: str


def citation_in(card: str) -> Citation | None:
    """Return what the sections about citing say (`## Citation`, `## How to cite`, `### BibTeX`); None: nothing."""
    texts = [text for title, text in section_texts(card).items() if _HEADING.match(title)]
    whole = "\n".join(text for text in texts if text)[:_LONGEST]
    entries: list[str] = []
    rest: list[str] = []
    at = 0
    for begin in _ENTRY.finditer(whole):
        if begin.start() < at:
            continue
        end = _end_of_entry(whole, begin.end())
        if end is None:
            # No brace after this one can close it; looking from each would take the square of the length.
            break
        entries.append(whole[begin.start() : end])
        rest.append(whole[at : begin.start()])
        at = end
    rest.append(whole[at:])
    lines = (_PLACEHOLDER.sub("", line).strip() for line in "".join(rest).splitlines())
    text = "\n".join(line for line in lines if line and line.strip("*_:").lower() not in _LABELS)
    return Citation(text, "\n\n".join(entries)) if text or entries else None


def _end_of_entry(text: str, begin: int) -> int | None:
    """Return the end of an entry whose first brace ends at `begin`; None: the brace is never closed."""
    depth = 1
    for at in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at + 1
    return None


def make_citation(
    *, model: str, title: str, authors: Sequence[str], version: str, year: int, digest: str, url: str
) -> Citation:
    """Return a citation for a model whose card has none. version: as people call it. year: of its registration."""
    key = re.sub(r"[^A-Za-z0-9]+", "-", f"{model}-{version}").strip("-")
    names = ", ".join(authors)
    fields = {
        "title": f"{{{_escaped(title)}}}",
        "author": " and ".join(f"{{{_escaped(name)}}}" for name in authors),
        "year": str(year),
        "version": _escaped(version),
        "note": f"Model {_escaped(model)}, {digest}",
        "url": url,
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return Citation(
        text=f"{names} ({year}). {title} (version {version}) [Model {model}]. {url}. {digest}",
        bibtex=f"@misc{{{key},\n{body}\n}}",
    )


def _escaped(text: str) -> str:
    """Return plain text as BibTeX and LaTeX read it."""
    words = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return _SPECIAL.sub(lambda found: words.get(found[0], "\\" + found[0]), " ".join(text.split()))
