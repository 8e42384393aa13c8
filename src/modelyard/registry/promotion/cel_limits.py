"""Limit CEL expressions by their tokens before they are compiled, because the library crashes on hostile sources.

Source: measurements of common-expression-language 0.10 (a source of 64 kB crashes the process, four nested
macros over a hundred items run for more than ten seconds); the words are those of the grammar of the Common
Expression Language, https://github.com/google/cel-spec, "Syntax".
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

MAX_LENGTH = 1000
MAX_NESTING = 40
MAX_MACROS = 2
MAX_LIST = 1000

KNOWN_NAMES = frozenset(
    {
        "candidate",
        "champion",
        "checks",
        "tags",
        "facts",
        "params",
        "data",
        "card",
        "owners",
        "licence",
        "task",
        "completeness",
    }
)

_MACROS = frozenset(
    "all exists exists_one existsOne filter map transformList transformMap transformMapEntry reduce sortBy bind "
    "optMap optFlatMap".split()
)
"""Macros that evaluate an argument repeatedly, in the language, its extensions and the library."""
_SPACE = " \t\r\n\f"
_SIGNS = frozenset("!-")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_OTHER_SIGNS = frozenset(".,:?+*/%<>=&|")
_QUOTES = ('"""', "'''", '"', "'")


class _Word(msgspec.Struct, frozen=True):
    """A name, a number, a string (always `""`) or one sign."""

    text: str

    @property
    def is_name(self) -> bool:
        return self.text[0].isalpha() or self.text[0] == "_"


class _NotCel(Exception):
    pass


def _words(expr: str) -> Iterator[_Word]:
    """Return the tokens, without spaces, comments and the content of strings. Raises _NotCel for anything else."""
    at = 0
    while at < len(expr):
        character = expr[at]
        if character in _SPACE:
            at += 1
        elif expr.startswith("//", at):
            # A comment ends with the line, and a line with this character alone.
            at = (expr.find("\n", at) + 1) or len(expr)
        elif character in "\"'":
            at = _string_end(expr, at, is_raw=False)
            yield _Word('""')
        elif character.isascii() and (character.isalpha() or character == "_"):
            end = _name_end(expr, at)
            prefix = expr[at:end].lower()
            if end < len(expr) and expr[end] in "\"'" and prefix in ("r", "b", "br", "rb"):
                at = _string_end(expr, end, is_raw="r" in prefix)
                yield _Word('""')
            else:
                yield _Word(expr[at:end])
                at = end
        elif character.isascii() and character.isdigit():
            end = _name_end(expr, at)
            yield _Word(expr[at:end])
            at = end
        elif character in _SIGNS or character in _OPENING or character in _CLOSING or character in _OTHER_SIGNS:
            yield _Word(character)
            at += 1
        else:
            raise _NotCel(f"the character {character!r} is only allowed inside a string")


def _name_end(expr: str, at: int) -> int:
    while at < len(expr) and expr[at].isascii() and (expr[at].isalnum() or expr[at] == "_"):
        at += 1
    return at


def _string_end(expr: str, at: int, *, is_raw: bool) -> int:
    quote = next(each for each in _QUOTES if expr.startswith(each, at))
    at += len(quote)
    while at < len(expr):
        if expr.startswith(quote, at):
            return at + len(quote)
        if len(quote) == 1 and expr[at] in "\r\n":
            break
        at += 2 if expr[at] == "\\" and not is_raw else 1
    raise _NotCel("a string does not end")


def limit_problem(expr: str) -> str | None:
    """Return why the expression must not be compiled; None if it may be."""
    if len(expr) > MAX_LENGTH:
        return f"the expression has {len(expr)} characters, at most {MAX_LENGTH} are allowed"
    try:
        words = [word.text for word in _words(expr)]
    except _NotCel as exc:
        return f"it does not compile: {exc}"
    depth = deepest = signs = most_signs = 0
    for word in words:
        depth += (word in _OPENING) - (word in _CLOSING)
        signs = signs + 1 if word in _SIGNS else 0
        deepest, most_signs = max(deepest, depth), max(most_signs, signs)
    if deepest > MAX_NESTING:
        return f"the expression nests {deepest} brackets, at most {MAX_NESTING} are allowed"
    if most_signs > MAX_NESTING:
        return f"the expression has more than {MAX_NESTING} signs in a row"
    macros = [at for at in range(len(words) - 1) if words[at] in _MACROS and words[at + 1] == "("]
    if len(macros) > MAX_MACROS:
        return f"the expression has {len(macros)} macros (all, exists, filter, map), at most {MAX_MACROS} are allowed"
    if len(macros) == 2 and macros[1] < _closing(words, macros[0] + 1):
        return "a macro inside another macro is not allowed"
    return None


def _closing(words: list[str], opening: int) -> int:
    """Return the position where the bracket is closed; the end if it is not."""
    depth = 0
    for at in range(opening, len(words)):
        depth += (words[at] in _OPENING) - (words[at] in _CLOSING)
        if depth == 0:
            return at
    return len(words)


def macro_variables(expr: str) -> set[str]:
    """Return the names that macros bind: the `f` of `facts.exists(f, f == 'code')`. expr: within the limits."""
    words = [*_words(expr), *(_Word(",") for _ in range(4))]
    return {
        name.text
        for macro, opening, name, comma in zip(words, words[1:], words[2:], words[3:], strict=False)
        if macro.text in _MACROS and opening.text == "(" and name.is_name and comma.text == ","
    }
