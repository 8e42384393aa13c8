"""Judge the globals in a pickle: allowed, unknown or dangerous, with the reason in words.

Only exact names are allowed, each with the use that libraries make of it: a class may be made bare, a rebuilder
may be called, a function may be held. Any other use of an allowed name is refused. A global is dangerous if it is
known to run its input or to reach a module; every other global is unknown. Decision record 0018.
"""

from __future__ import annotations

import enum
import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable
from functools import cache, lru_cache

from modelyard.domain.scanning import known_names
from modelyard.domain.scanning.verdicts import Verdict

_IDENTIFIER = re.compile(r"[^\W\d]\w*\Z")
_CAPITAL = re.compile(r"_*[A-Z]")


class Use(enum.Flag):
    """The uses of a name in the pickles of libraries. A name without any use is only held, like a scorer."""

    HELD = 0
    TYPE = enum.auto()
    """It is a class, which may be passed to a function that creates objects of a given class."""
    MADE = enum.auto()
    """It is made without its constructor (only `__new__`), and then gets a state."""
    CALLED = enum.auto()
    STATED = enum.auto()
    """Its own `__setstate__` takes a state that is not a dictionary of attributes."""
    FILLED = enum.auto()
    """Elements are added to it one by one."""


_LETTERS = {"t": Use.TYPE, "m": Use.MADE, "c": Use.CALLED, "s": Use.STATED, "f": Use.FILLED, "h": Use.HELD}


def read_table(lines: Iterable[str]) -> dict[tuple[str, str], Use]:
    """Read lines of a module and its names; letters after a slash are the uses, by default `tm`."""
    found = {}
    for line in lines:
        module, *names = line.split()
        for name in names:
            name, _, letters = name.partition("/")
            use = Use.HELD
            for letter in letters or "tm":
                use |= _LETTERS[letter]
            found[module, name] = use
    return found


_STDLIB = frozenset(sys.stdlib_module_names) | known_names.OLD_STANDARD_MODULES
_MODULES = _STDLIB | known_names.RUNNERS | known_names.COMMON | {"np", "pd", "sp", "tf"}
_UNKNOWN_STANDARD = read_table(known_names.read_lines("unknown_standard"))


@cache
def _allowed() -> dict[tuple[str, str], Use]:
    """Return the table, read on first use, since most runs of the client judge no global."""
    return read_table([*known_names.read_lines("learned"), *known_names.read_lines("reviewed")])


def use_of(module: str, name: str) -> Use | None:
    """Return the use of an allowed global; None for one that is not allowed."""
    return _allowed().get(_mapped(module, name))


def canonical(module: str, name: str) -> tuple[str, str]:
    """Return the present module and name of a global, as in the tables."""
    return _mapped(module, name)


@lru_cache(8192)
def judge_global(module: str, name: str) -> tuple[Verdict, str]:
    """Judge a global. Old names are read like Python 3's unpickler reads them."""
    mapped = _mapped(module, name)
    if mapped in _allowed():
        return Verdict.ALLOWLISTED, ""
    if not _is_name(mapped[0]) or not _is_name(mapped[1]):
        return Verdict.DANGEROUS, "a global whose name is not a name"
    if mapped in _UNKNOWN_STANDARD:
        return Verdict.UNKNOWN, "it is in the standard library, and can hold any object of the pickle"
    return _judge(*mapped)


def _mapped(module: str, name: str) -> tuple[str, str]:
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    module = IMPORT_MAPPING.get(module, module)
    if (module, name) not in _allowed():
        renamed = known_names.RENAMED_MODULES.get(module, module)
        if (renamed, name) in _allowed():
            return renamed, name
    return module, name


def _is_name(dotted: str) -> bool:
    return len(dotted) <= 500 and all(_IDENTIFIER.match(part) for part in dotted.split("."))


def _judge(module: str, name: str) -> tuple[Verdict, str]:
    root = module.partition(".")[0]
    attributes = name.split(".")
    if root in _STDLIB:
        return Verdict.DANGEROUS, "in the standard library, and not among the names that rebuild plain data"
    if root in known_names.RUNNERS or _is_runner(f"{module}."):
        return Verdict.DANGEROUS, f"{module} can run its input"
    if any(part in _MODULES for part in attributes):
        return Verdict.DANGEROUS, "it reaches a module through another"
    if any(part.startswith("__") and part.endswith("__") for part in attributes):
        return Verdict.DANGEROUS, "a special attribute"
    if root in known_names.COMMON and _sounds_like_runner(module, attributes):
        return Verdict.DANGEROUS, f"by its name, it reads, writes or runs its input, and it is in {root}"
    return Verdict.UNKNOWN, "it is not among the known names"


def _is_runner(module: str) -> bool:
    if module.startswith(known_names.HARMLESS_MODULES):
        return False
    return module.startswith(known_names.RUNNER_MODULES)


def _sounds_like_runner(module: str, attributes: list[str]) -> bool:
    """Return whether a name in a package on nearly every machine with models sounds as if it runs its input."""
    if known_names.RUNNER_PARTS.intersection(module.split(".")):
        return True
    last = attributes[-1]
    words = {last.lower()} if _CAPITAL.match(last) else set(re.split(r"_+|\d+", last.lower()))
    return bool(words & known_names.RUNNER_WORDS)
