"""Split a card into its sections."""

from __future__ import annotations

import re

MAX_CARD_BYTES = 256 * 1024
MAX_SECTIONS = 200

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*\Z")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_WORD = re.compile(r"\w+")


def card_sections(text: str) -> dict[str, int]:
    """Return heading in lower case → words below it, down to the next heading of any level.

    Front matter, comments and code fences do not contain headings; comments do not count as words either, so
    that a template's hints do not fill a section.
    """
    return {title: sum(len(_WORD.findall(line)) for line in lines) for title, lines in _sections(text).items()}


def section_texts(text: str, most: int = 10_000) -> dict[str, str]:
    """Return heading in lower case → the text below it, cut to `most` characters."""
    return {title: "\n".join(lines).strip()[:most] for title, lines in _sections(text).items()}


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    current: str | None = None
    previous = ""
    fence = ""
    for line in _body_lines(text):
        stripped = line.strip()
        if stripped[:3] in ("```", "~~~"):
            fence = "" if fence == stripped[:3] else fence or stripped[:3]
            continue
        heading = None if fence else _HEADING.match(line)
        title = line[heading.end() :].rstrip(" \t#") if heading else None
        if title is None and not fence and _UNDERLINE.match(line) and previous.strip():
            title = previous
            if current is not None:
                found[current].pop()
        if title is not None:
            current = " ".join(title.replace("*", "").replace("_", " ").casefold().split())[:200]
            if len(found) >= MAX_SECTIONS and current not in found:
                break
            found.setdefault(current, [])
        elif current is not None:
            found[current].append(line)
        previous = "" if title is not None else line
    return found


def _body_lines(text: str) -> list[str]:
    lines = _COMMENT.sub("", text.removeprefix("\ufeff")).splitlines()
    if lines and lines[0].rstrip() == "---":
        for index, line in enumerate(lines[1:], 1):
            if line.rstrip() == "---":
                return lines[index + 1 :]
    return lines
