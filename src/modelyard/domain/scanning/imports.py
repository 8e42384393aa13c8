"""Judge the effect of an import by the module's name.

A pickle that names a global and then faults has only imported a module. The lines of a word list may look like
this ("clicks", "platform" is the global `platform` of the module `licks`), and so may an attack through the few
modules that act when they are imported. Decision record 0017.
"""

from __future__ import annotations

import sys
from _compat_pickle import IMPORT_MAPPING

from modelyard.domain.scanning.known_names import COMMON, RUNNERS

_STANDARD = frozenset(sys.stdlib_module_names) | {"__builtin__", "commands", "nt", "posix", "exceptions"}
# These open a browser or a window, print, run tests, or read the command line when they are imported.
_ACTING = frozenset(
    "antigravity this idlelib test turtledemo lib2to3 __main__ __hello__ __phello__ xxlimited xxsubtype "
    "_testcapi _testinternalcapi _xxtestfuzz sitecustomize usercustomize".split()
)
_KNOWN_ROOTS = _STANDARD | COMMON | RUNNERS


def can_be_imported(module: str) -> bool:
    """Return whether an installed module may have this name; every loader stops at any other name."""
    return len(module) <= 500 and all(part.isidentifier() for part in module.split("."))


def is_word(module: str) -> bool:
    """Return whether no known package begins with this name."""
    return module.partition(".")[0] not in _KNOWN_ROOTS and module not in IMPORT_MAPPING


def is_harmless_import(module: str) -> bool:
    """Return whether the import has no effect beyond itself.

    A submodule of a known package may be a program (`idlelib.idle`, `IPython.__main__`), so only the package itself
    counts as harmless. An unknown package, which is usually a word, cannot be judged.
    """
    module = IMPORT_MAPPING.get(module, module)
    parts = module.split(".")
    if parts[0] in _ACTING or any(part.startswith("__main__") for part in parts):
        return False
    return len(parts) == 1 or is_word(module)
