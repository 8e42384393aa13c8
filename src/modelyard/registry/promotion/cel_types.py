"""Find type errors in a CEL expression without a type checker, since the library has none.

Each operand of the expression's `&&` and `||` is evaluated on made-up evidence that has every name it uses, with
a champion and without. An operand that fails by its types on all of it would fail on any evidence.
"""

from __future__ import annotations

import re
from typing import Any

from modelyard.domain.texts import nearest

CANDIDATE = ("version", "digest", "author", "size_bytes", "framework", "completeness", "metrics")
CHAMPION = ("version", "digest", "metrics")
TYPES = {
    "candidate": "an object with version, digest, author, size_bytes, framework, completeness and metrics",
    "champion": "null, or an object with version, digest and metrics",
    "checks": "name → state, as text: checks['unit-tests'] == 'pass'",
    "tags": "key → value, as text",
    "facts": "a list of the names of the known facts: 'data' in facts",
    "params": "name → value: params.depth <= 12",
    "data": "a list of objects with name, source, split and digest, each a text",
    "card": "heading in lower case → number of words below it",
    "owners": "a list of names",
    "licence": "text",
    "task": "text",
    "completeness": "a number from 0 to 1",
}
"""Name → what an expression gets by it."""
_LISTS = ("facts", "owners")
_FIELD = re.compile(r"\.\s*([A-Za-z_][A-Za-z0-9_]*)")
_CHAIN = re.compile(r"(?<![.\w])(candidate|champion|facts|owners|data)\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)(\s*\()?")
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "\"'"


def field_problem(expr: str) -> str | None:
    """Return a problem with a member that its owner does not have; None if there is none. expr: within the limits."""
    for owner, member, is_call in _CHAIN.findall(_without_strings(expr)):
        if is_call:
            continue
        if owner == "data":
            return f"data is a list of datasets and has no {member!r}; write data.all(d, d.{member} == '…')"
        if owner in _LISTS:
            return f"{owner} is a list of names and has no {member!r}; write '{member}' in {owner}"
        known = CANDIDATE if owner == "candidate" else CHAMPION
        if member not in known:
            return f"{owner} has no {member!r}{nearest(member, known)} It has {', '.join(known)}"
    return None


def operands(expr: str) -> list[str]:
    """Return the parts that `&&` and `||` combine; the expression itself if it has neither."""
    text = _without_brackets(expr)
    if "?" in _without_strings(text):
        return [text]
    parts = _split(text)
    return [text] if len(parts) == 1 else [each for part in parts for each in operands(part)]


def samples(expr: str) -> list[dict[str, Any]]:
    """Return made-up contexts that have every name that follows a dot, without a champion and with one."""
    names = sorted(set(_FIELD.findall(expr)))
    metrics = {name: {"value": 0.5, **dict.fromkeys(names, 0.5)} for name in names}
    champion = {"version": 1, "digest": "sha256:0", "metrics": metrics}
    context: dict[str, Any] = {
        "candidate": {
            **champion,
            "author": "ann",
            "size_bytes": 1,
            "framework": "sklearn",
            "completeness": 0.5,
        },
        "checks": dict.fromkeys(names, "pass"),
        "tags": dict.fromkeys(names, "a"),
        "facts": ["code"],
        "params": dict.fromkeys(names, 0.5),
        "data": [{"name": "a", "source": "a", "split": "a", "digest": "a"}],
        "card": dict.fromkeys(names, 1),
        "owners": ["ann"],
        "licence": "mit",
        "task": "a",
        "completeness": 0.5,
    }
    contexts = [{**context, "champion": None}, {**context, "champion": champion}]
    if "params" not in expr:
        return contexts
    # A parameter may be of any type.
    return contexts + [
        {**each, "params": dict.fromkeys(names, value)} for each in contexts for value in ("a", True)
    ]


def _characters(text: str) -> list[tuple[str, int, bool]]:
    """Yield (character, depth of brackets around it, whether it is inside a string)."""
    found: list[tuple[str, int, bool]] = []
    depth, quote, escaped = 0, "", False
    for char in text:
        if quote:
            found.append((char, depth, True))
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == quote:
                quote = ""
            continue
        if char in _QUOTES:
            quote = char
        depth -= char in _CLOSING
        found.append((char, depth, char in _QUOTES))
        depth += char in _OPENING
    return found


def _without_strings(text: str) -> str:
    return "".join(" " if inside else char for char, _, inside in _characters(text))


def _without_brackets(text: str) -> str:
    """Remove one pair of brackets around the whole expression."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")"):
        inner = _characters(text)[1:-1]
        if any(depth == 0 and not inside for _, depth, inside in inner):
            return text
        text = text[1:-1].strip()
    return text


def _split(text: str) -> list[str]:
    characters = _characters(text)
    parts, start, at = [], 0, 0
    while at < len(text) - 1:
        char, depth, inside = characters[at]
        if not inside and depth == 0 and char in "&|" and text[at + 1] == char:
            parts.append(text[start:at])
            start = at = at + 2
        else:
            at += 1
    return [*parts, text[start:]]
