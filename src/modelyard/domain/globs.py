"""Patterns that people write: `*` for any text. One matcher, whose time grows with the text alone.

Source: a pattern with `*` needs no backtracking. The first place where a piece fits is always as good as a later
one, so the pieces between the stars are searched from left to right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

MAX_STARS = 3
MAX_GLOB_LENGTH = 500

_Test = Callable[[str], bool]


def glob_problem(pattern: str, longest: int = MAX_GLOB_LENGTH) -> str | None:
    """Return why a pattern is not accepted; None if it is valid."""
    if len(pattern) > longest:
        return f"the pattern has {len(pattern)} characters, at most {longest} are allowed"
    if "**" in pattern:
        return "the pattern has two * in a row"
    stars = pattern.count("*")
    return f"the pattern has {stars} *, at most {MAX_STARS} are allowed" if stars > MAX_STARS else None


def matches_stars(pattern: str, text: str) -> bool:
    """Return whether the whole text matches. Every character except `*` stands for itself."""
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
    """Match like `matches_stars`.

    In addition `?` stands for one character, and `[abc]`, `[a-c]`, `[!abc]` for one of a set.
    """
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
    """Return the pieces between the stars, each as a test for every character."""
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
