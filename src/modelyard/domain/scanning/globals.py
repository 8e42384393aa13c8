"""Which global may stand in a pickle: allowed, unknown, or dangerous, and in words why.

Allowed are exact names only, with the use that libraries make of each: a class may be made bare, a rebuilder may be
called, a function may be held. What no library does with a name is not allowed, though the name is. Dangerous is
what is known to run what it is given or to reach a module; everything else is unknown. Decision record 0018.
"""

from __future__ import annotations

import enum
import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable
from functools import lru_cache

from modelyard.domain.scanning import known_names
from modelyard.domain.scanning.learned_names import LEARNED
from modelyard.domain.scanning.verdicts import Verdict

_IDENTIFIER = re.compile(r"[^\W\d]\w*\Z")
_CAPITAL = re.compile(r"_*[A-Z]")


class Use(enum.Flag):
    """What the pickles of libraries do with a name. A name without any use is only held, as a scorer is."""

    HELD = 0
    TYPE = enum.auto()
    """It is a class, so a function that makes objects of a given class may get it."""
    MADE = enum.auto()
    """Made without its constructor (`__new__` alone), then given a state."""
    CALLED = enum.auto()
    STATED = enum.auto()
    """It takes a state that is no dictionary of attributes, by a `__setstate__` of its own."""
    FILLED = enum.auto()
    """Elements are put into it one by one."""


_LETTERS = {"t": Use.TYPE, "m": Use.MADE, "c": Use.CALLED, "s": Use.STATED, "f": Use.FILLED, "h": Use.HELD}


def read_table(lines: Iterable[str]) -> dict[tuple[str, str], Use]:
    """Each line is a module and its names; letters after a slash are the uses, without them `tm`."""
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


_ALLOWED = {**read_table(LEARNED), **read_table(known_names.REVIEWED)}
_STDLIB = frozenset(sys.stdlib_module_names) | known_names.OLD_STANDARD_MODULES
_MODULES = _STDLIB | known_names.RUNNERS | known_names.COMMON | {"np", "pd", "sp", "tf"}
_UNKNOWN_STANDARD = read_table(known_names.UNKNOWN_STANDARD)


def use_of(module: str, name: str) -> Use | None:
    """The use that an allowed global has; None for one that is not allowed."""
    return _ALLOWED.get(_mapped(module, name))


def canonical(module: str, name: str) -> tuple[str, str]:
    """Today's place and name of a global, as the tables have it."""
    return _mapped(module, name)


@lru_cache(8192)
def judge_global(module: str, name: str) -> tuple[Verdict, str]:
    """Old names are read as the unpickler of Python 3 reads them."""
    mapped = _mapped(module, name)
    if mapped in _ALLOWED:
        return Verdict.ALLOWLISTED, ""
    if not _is_name(mapped[0]) or not _is_name(mapped[1]):
        return Verdict.DANGEROUS, "a global whose name is not a name"
    if mapped in _UNKNOWN_STANDARD:
        return Verdict.UNKNOWN, "it is of the standard library, and can hold what the pickle chooses"
    return _judge(*mapped)


def _mapped(module: str, name: str) -> tuple[str, str]:
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    module = IMPORT_MAPPING.get(module, module)
    if (module, name) not in _ALLOWED:
        renamed = known_names.RENAMED_MODULES.get(module, module)
        if (renamed, name) in _ALLOWED:
            return renamed, name
    return module, name


def _is_name(dotted: str) -> bool:
    return len(dotted) <= 500 and all(_IDENTIFIER.match(part) for part in dotted.split("."))


def _judge(module: str, name: str) -> tuple[Verdict, str]:
    root = module.partition(".")[0]
    attributes = name.split(".")
    if root in _STDLIB:
        return Verdict.DANGEROUS, "of the standard library, and not among what rebuilds plain data"
    if root in known_names.RUNNERS or _is_runner(f"{module}."):
        return Verdict.DANGEROUS, f"{module} can run what it is given"
    if any(part in _MODULES for part in attributes):
        return Verdict.DANGEROUS, "it reaches a module through another"
    if any(part.startswith("__") and part.endswith("__") for part in attributes):
        return Verdict.DANGEROUS, "a special attribute"
    if root in known_names.COMMON and _sounds_like_runner(module, attributes):
        return Verdict.DANGEROUS, f"by its name, it reads, writes or runs what it is given, and {root} has it"
    return Verdict.UNKNOWN, "it is not among the known names"


def _is_runner(module: str) -> bool:
    if module.startswith(known_names.HARMLESS_MODULES):
        return False
    return module.startswith(known_names.RUNNER_MODULES)


def _sounds_like_runner(module: str, attributes: list[str]) -> bool:
    """Of the packages that nearly every machine with models has."""
    if known_names.RUNNER_PARTS.intersection(module.split(".")):
        return True
    last = attributes[-1]
    words = {last.lower()} if _CAPITAL.match(last) else set(re.split(r"_+|\d+", last.lower()))
    return bool(words & known_names.RUNNER_WORDS)
