"""All regular expressions of a package, from its source; and texts that are hard for each."""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MATCHING = frozenset({"match", "fullmatch", "search", "finditer", "findall", "sub", "subn", "split"})
_MADE_BY = frozenset({"compile", *MATCHING})
_COMPILERS = frozenset({"_compiled"})
"""Functions of ours that compile the pattern which they are given."""


@dataclass(frozen=True)
class Found:
    """A pattern in the source. how: the ways in which it is matched there."""

    module: str
    line: int
    pattern: str | bytes | None
    """None: it is not the same in every run."""
    flags: int
    how: frozenset[str]
    source: str


def find_patterns(folder: Path, package: str) -> list[Found]:
    found = []
    for path in sorted(folder.rglob("*.py")):
        name = ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        text = path.read_text()
        if "re." in text or "_compiled" in text:
            found += patterns_in(name, text)
    return found


def patterns_in(name: str, text: str) -> list[Found]:
    """name: of the module, which is imported only where a pattern is made of its constants."""
    tree = ast.parse(text)
    if not any("re" in (a.name for a in node.names) for node in ast.walk(tree) if isinstance(node, ast.Import)):
        return []
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func
        is_re = (
            isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "re"
        )
        if is_re and called.attr in _MADE_BY:  # type: ignore[union-attr]
            method = called.attr  # type: ignore[union-attr]
        elif isinstance(called, ast.Name) and called.id in _COMPILERS:
            method = "compile"
        else:
            continue
        argument = node.args[0]
        how = frozenset({method}) if method != "compile" else _ways(tree, parents, node)
        flags = _flags(node)
        source = ast.unparse(argument)
        found += [
            Found(name, node.lineno, value, flags, how, source) for value in _values(name, tree, argument)
        ]
    return found


def _flags(node: ast.Call) -> int:
    words = [ast.unparse(a) for a in (*node.args[1:], *(k.value for k in node.keywords))]
    named = [w for word in words for w in re.findall(r"\bre\.([A-Z]+)\b", word)]
    return sum({getattr(re, word) for word in named}, 0)


def _ways(tree: ast.Module, parents: dict[ast.AST, ast.AST], node: ast.AST) -> frozenset[str]:
    """How the compiled pattern is matched: at once, or under the name that it is given."""
    parent = parents.get(node)
    if isinstance(parent, ast.Attribute) and parent.attr in MATCHING:
        return frozenset({parent.attr})
    names = (
        {t.id for t in parent.targets if isinstance(t, ast.Name)} if isinstance(parent, ast.Assign) else set()
    )
    # Without a name of its own it may be matched in every way in which the module matches anything.
    used = {
        each.attr
        for each in ast.walk(tree)
        if isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and each.value.id != "re"
        and (not names or each.value.id in names)
    }
    return frozenset(used & MATCHING) or frozenset({"search"})


def _values(name: str, tree: ast.Module, argument: ast.expr) -> Iterable[str | bytes | None]:
    """What the argument is, evaluated in the module; several where it is a loop's variable over constants."""
    if isinstance(argument, ast.Constant):
        return [argument.value]
    scope = vars(importlib.import_module(name))
    try:
        return [eval(compile(ast.Expression(argument), name, "eval"), dict(scope))]
    except NameError:
        pass
    found: list[str | bytes | None] = []
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.comprehension)]
    for loop in loops:
        targets = [t.id for t in ast.walk(loop.target) if isinstance(t, ast.Name)]
        if {n.id for n in ast.walk(argument) if isinstance(n, ast.Name)} & set(targets):
            # The name may be another loop's too, so the values of all of them count.
            with suppress(NameError, TypeError):
                items = list(eval(compile(ast.Expression(loop.iter), name, "eval"), dict(scope)))
                code = compile(ast.Expression(argument), name, "eval")
                wanted = [dict(zip(targets, i if len(targets) > 1 else (i,), strict=True)) for i in items]
                found += [eval(code, {**scope, **values}) for values in wanted]
    found = [each for each in found if isinstance(each, str | bytes)]
    return found or [None]


# --- texts that are hard ------------------------------------------------------------------------------


def _characters(items: Any, found: dict[str, None]) -> None:
    """A representative of each literal and set of the parsed pattern, in order."""
    for op, value in items:
        if op is sre.LITERAL or op is sre.NOT_LITERAL:
            found.setdefault(chr(value))
        elif op is sre.RANGE:
            found.setdefault(chr(value[0]))
            found.setdefault(chr(value[1]))
        elif op is sre.CATEGORY:
            sample = {sre.CATEGORY_DIGIT: "7", sre.CATEGORY_SPACE: " ", sre.CATEGORY_WORD: "w"}
            found.setdefault(sample.get(value, "%"))
        elif op is sre.ANY:
            found.setdefault("~")
        elif op is sre.IN:
            _characters([each for each in value if each[0] is not sre.NEGATE], found)
        else:
            for child in _children(op, value):
                _characters(child, found)


def _children(op: Any, value: Any) -> list[Any]:
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return [value[2]]
    if op is sre.SUBPATTERN:
        return [value[3]]
    if op is sre.BRANCH:
        return list(value[1])
    if op in (sre.ASSERT, sre.ASSERT_NOT):
        return [value[1]]
    if op is sre.ATOMIC_GROUP:
        return [value]
    return []


def _shortest(items: Any, alphabet: list[str]) -> str:
    """A text that the items match, as short as is easily found."""
    out = ""
    for op, value in items:
        if op is sre.LITERAL:
            out += chr(value)
        elif op is sre.NOT_LITERAL:
            out += next(c for c in [*alphabet, "a", "b"] if c != chr(value))
        elif op is sre.ANY:
            out += "x"
        elif op is sre.IN:
            out += _member(value)
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            out += _shortest(value[2], alphabet) * min(value[0], 60)
        elif op is sre.SUBPATTERN:
            out += _shortest(value[3], alphabet)
        elif op is sre.BRANCH:
            out += min((_shortest(each, alphabet) for each in value[1]), key=len)
        elif op is sre.ATOMIC_GROUP:
            out += _shortest(value, alphabet)
    return out


def _member(members: Any) -> str:
    wanted = re.compile(_set_source(members))
    return next((c for c in map(chr, (*range(97, 123), *range(32, 127), 9, 10)) if wanted.match(c)), "x")


def _set_source(members: Any) -> str:
    out = ""
    names = {
        sre.CATEGORY_DIGIT: r"\d", sre.CATEGORY_NOT_DIGIT: r"\D", sre.CATEGORY_SPACE: r"\s",
        sre.CATEGORY_NOT_SPACE: r"\S", sre.CATEGORY_WORD: r"\w", sre.CATEGORY_NOT_WORD: r"\W",
    }  # fmt: skip
    for op, value in members:
        if op is sre.NEGATE:
            out = "^" + out
        elif op is sre.LITERAL:
            out += re.escape(chr(value))
        elif op is sre.RANGE:
            out += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        elif op is sre.CATEGORY:
            out += names[value]
    return f"[{out}]"


def _beginnings(items: Any, alphabet: list[str], before: str = "") -> Iterator[tuple[str, list[str]]]:
    """(what leads to a repeat, what may be repeated there) for each repeat of the pattern, however deep."""
    for index, (op, value) in enumerate(items):
        lead = before + _shortest(items[:index], alphabet)
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            members: dict[str, None] = {}
            _characters(value[2], members)
            yield lead, [*list(members)[:6], _shortest(value[2], alphabet)]
        for child in _children(op, value):
            yield from _beginnings(child, alphabet, lead)


def hard_texts(pattern: str | bytes, flags: int, most_characters: int = 10) -> list[tuple[str, str, str]]:
    """(beginning, what is repeated, end): built of the pattern's own characters."""
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    parsed = parser.parse(text, flags)
    members: dict[str, None] = {}
    _characters(parsed, members)
    alphabet = list(members)[:most_characters]
    whole = _shortest(parsed, alphabet)
    ends = ("", "\x01", "\n\x01")
    found: dict[tuple[str, str, str], None] = {}
    for pump in (*alphabet, " ", "a", "0", "\n", *map("".join, itertools.permutations(alphabet[:5], 2))):
        for end in ends:
            found["", pump, end] = None
    for pump in {
        whole,
        whole[:-1],
        whole[: len(whole) // 2 + 1],
        *(whole[:n] for n in range(1, min(8, len(whole)))),
    }:
        if pump:
            found["", pump, ""] = None
    for lead, pumps in _beginnings(parsed, alphabet):
        for pump in pumps:
            if pump:
                found.update({(lead, pump, end): None for end in ends})
                if lead:
                    found["", lead + pump, ""] = None
    return list(found)


# --- how long it takes --------------------------------------------------------------------------------


def time_of(fn: Callable[[], object], times: int) -> float:
    """Seconds of processor time, the least of some attempts."""
    best = float("inf")
    for _ in range(times):
        started = time.process_time()
        fn()
        best = min(best, time.process_time() - started)
        if best < 0.001 or best > 0.25:
            break
    return best


def matcher(pattern: re.Pattern[Any], method: str, text: Any) -> Callable[[], object]:
    if method in ("sub", "subn"):
        return lambda: pattern.sub(text[:0], text)
    if method == "finditer":
        return lambda: list(pattern.finditer(text))
    return lambda: getattr(pattern, method)(text)


def grows_too_fast(run: Callable[[int, int], float], most: int = 16_000, enough_seconds: float = 0.01) -> bool:
    """Whether doubling the text more than triples the time, again and again.

    run: seconds for a text of so many characters, the least of so many attempts. A pattern that needs less than
    `enough_seconds` for the longest text is fast enough, however it grows.
    """
    size = 125
    while (took := run(size, 1)) < enough_seconds or (took := run(size, 3)) < enough_seconds:
        # Even if the time grew with the cube of the length, the longest text would take less.
        if took * (most / size) ** 3 < enough_seconds:
            return False
        size *= 2
    for _ in range(4):
        size *= 2
        longer = run(size, 3)
        if longer <= 3 * took:
            return False
        if longer > 0.25:
            return True
        took = longer
    return True
