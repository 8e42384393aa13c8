"""Patterns that people write: `*` for any text. One matcher, whose time grows with the text alone.

Source: a pattern with `*` needs no backtracking. The first place where a piece fits is always as good as a later
one, so the pieces between the stars are looked for from left to right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

MAX_STARS = 3
MAX_GLOB_LENGTH = 500

_Test = Callable[[str], bool]


def glob_problem(pattern: str, longest: int = MAX_GLOB_LENGTH) -> str | None:
    """Why a pattern is not taken; None for one that is."""
    if len(pattern) > longest:
        return f"the pattern has {len(pattern)} characters, at most {longest} are allowed"
    if "**" in pattern:
        return "two * stand together in the pattern"
    stars = pattern.count("*")
    return f"the pattern has {stars} *, at most {MAX_STARS} are allowed" if stars > MAX_STARS else None


def matches_stars(pattern: str, text: str) -> bool:
    """Whether the whole text matches. Every character but `*` stands for itself."""
    first, *rest = pattern.split("*")
    if not rest:
        return first == text
    *between, last = rest
    if len(first) + len(last) > len(text) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in between:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def matches_glob(pattern: str, text: str) -> bool:
    """As `matches_stars`; `?` stands for one character too, `[abc]`, `[a-c]` and `[!abc]` for one of a set."""
    first, *rest = _pieces(pattern)
    if not rest:
        return len(first) == len(text) and _fits(first, text, 0)
    *between, last = rest
    at, end = len(first), len(text) - len(last)
    if at > end or not _fits(first, text, 0) or not _fits(last, text, end):
        return False
    for piece in between:
        while at + len(piece) <= end and not _fits(piece, text, at):
            at += 1
        if at + len(piece) > end:
            return False
        at += len(piece)
    return True


def _fits(piece: Sequence[_Test], text: str, at: int) -> bool:
    return all(test(text[at + index]) for index, test in enumerate(piece))


@lru_cache(1000)
def _pieces(pattern: str) -> tuple[tuple[_Test, ...], ...]:
    """What stands between the stars: a test for each character."""
    pieces: list[list[_Test]] = [[]]
    at = 0
    while at < len(pattern):
        character = pattern[at]
        closing = pattern.find("]", at + 2) if character == "[" else -1
        if character == "*":
            pieces.append([])
        elif character == "?":
            pieces[-1].append(lambda _: True)
        elif closing > 0 and pattern[at + 1 : closing] != "!":
            pieces[-1].append(_set(pattern[at + 1 : closing]))
            at = closing
        else:
            pieces[-1].append(character.__eq__)
        at += 1
    return tuple(map(tuple, pieces))


def _set(inside: str) -> _Test:
    excluded = inside[0] == "!"
    inside = inside[1:] if excluded else inside
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(inside):
        is_range = at + 2 < len(inside) and inside[at + 1] == "-"
        ranges.append((inside[at], inside[at + 2 if is_range else at]))
        at += 3 if is_range else 1
    return lambda character: any(low <= character <= high for low, high in ranges) is not excluded
