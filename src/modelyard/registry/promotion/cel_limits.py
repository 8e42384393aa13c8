"""What a CEL expression may be, decided before it is compiled: the library crashes on hostile sources.

Source: measurements of common-expression-language 0.10 (a source of 64 kB crashes the process, four nested
macros over a hundred items run for more than ten seconds).
"""

from __future__ import annotations

import re

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
        "card",
        "owners",
        "licence",
        "task",
        "completeness",
    }
)

_STRINGS = re.compile(r"""r?"(?:\\.|[^"\\])*"|r?'(?:\\.|[^'\\])*'""")
_MACRO = re.compile(r"\.\s*(all|exists|exists_one|filter|map)\s*\(")
_BOUND = re.compile(_MACRO.pattern + r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*,")


def limit_problem(expr: str) -> str | None:
    """Why the expression will not even be compiled; None when it may be."""
    if len(expr) > MAX_LENGTH:
        return f"the expression has {len(expr)} characters, at most {MAX_LENGTH} are allowed"
    plain = _STRINGS.sub('""', expr)
    depth = deepest = 0
    for character in plain:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    if deepest > MAX_NESTING:
        return f"the expression nests {deepest} brackets, at most {MAX_NESTING} are allowed"
    if max(len(list(_unary)) for _unary in [*re.findall(r"[!\-\s]+", plain), ""]) > MAX_NESTING:
        return f"the expression has more than {MAX_NESTING} signs in a row"
    macros = list(_MACRO.finditer(plain))
    if len(macros) > MAX_MACROS:
        return f"the expression has {len(macros)} macros (all, exists, filter, map), at most {MAX_MACROS} are allowed"
    if len(macros) == 2 and not _closes_between(plain, macros[0].end(), macros[1].start()):
        return "a macro inside another macro is not allowed"
    return None


def macro_variables(expr: str) -> set[str]:
    """The names that macros bind: the `f` of `facts.exists(f, f == 'code')`."""
    return {match["name"] for match in _BOUND.finditer(_STRINGS.sub('""', expr))}


def _closes_between(text: str, start: int, end: int) -> bool:
    depth = 1
    for character in text[start:end]:
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return True
    return False
