"""The program's own functions and classes that a model needs: their source is stored with the model.

A model file names such code (`__main__.double`, `features.Scaler`) without containing it, so no other machine could
load the model. Only the named parts of the main program and the code that they use are taken, because running the
whole program again would train again. Other modules that no package provides are taken as whole files.

    code/__main__.py, code/features.py     the source
    modelyard.json: code                   {"__main__": {"file": "code/__main__.py", "names": ["double"]}}
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import linecache
import sys
import sysconfig
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from modelyard.domain.errors import NoSaver, UntrustedModel
from modelyard.sdk.savers.base import UNSAFE, OwnCode, Trust, checked_file

FOLDER = "code"
MAIN = "__main__"
_LIBRARIES = tuple(
    Path(place).resolve()
    for name, place in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
)


@dataclass(slots=True)
class Carried:
    """The gathered code. problems: in words, the code that others will lack."""

    code: dict[str, OwnCode] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def carry(names: Iterable[str], folder: Path) -> Carried:
    """Write the source of the names (`module.name`) that no package provides into a model's folder."""
    gathering = _Gathering()
    for name in sorted(names):
        module, _, rest = _split(name)
        if module and is_own(module):
            gathering.add(module, rest)
    carried = Carried(problems=gathering.problems)
    for module, source in gathering.sources().items():
        relative = f"{FOLDER}/{module.replace('.', '/')}.py"
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        carried.code[module] = OwnCode(relative, sorted(gathering.asked.get(module, ())))
    return carried


def is_own(module: str) -> bool:
    """Return whether an imported module does not come from a package that others could install."""
    if module == MAIN:
        return True
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if loaded is None or file is None or module.partition(".")[0] in _distributions():
        return False
    place = Path(file).resolve()
    return place.suffix == ".py" and not any(place.is_relative_to(library) for library in _LIBRARIES)


@cache
def _distributions() -> frozenset[str]:
    return frozenset(packages_distributions())


def _split(name: str) -> tuple[str, str, str]:
    """Return the longest imported module in the name, a dot, and the name inside it."""
    module = name
    while module and module not in sys.modules:
        module = module.rpartition(".")[0]
    return (module, ".", name[len(module) + 1 :]) if module else ("", "", name)


class _Gathering:
    """Sources of modules, and pieces of the main program, each after the pieces that it uses."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.asked: dict[str, set[str]] = {}
        self._modules: dict[str, str] = {}
        self._pieces: dict[str, str] = {}

    def sources(self) -> dict[str, str]:
        found = dict(self._modules)
        if self._pieces:
            found[MAIN] = "\n\n".join(dict.fromkeys(self._pieces.values())) + "\n"
        return found

    def add(self, module: str, name: str) -> None:
        top = name.partition(".")[0]
        self.asked.setdefault(module, set()).add(top)
        if module != MAIN:
            self._add_module(module)
            return
        value = getattr(sys.modules[MAIN], top, None)
        if value is None:
            self.problems.append(f"{name} is not found in the program")
        else:
            self._add_piece(top, value)

    def _add_module(self, module: str) -> None:
        if module in self._modules:
            return
        try:
            self._modules[module] = inspect.getsource(sys.modules[module])
        except (OSError, TypeError):
            # inspect finds no source in an empty file.
            self._modules[module] = ""
        parent = module.rpartition(".")[0]
        if parent:
            self._add_module(parent)
        for value in list(vars(sys.modules[module]).values()):
            used = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(used, str) and used != MAIN and is_own(used):
                self._add_module(used)

    def _add_piece(self, name: str, value: Any) -> None:
        """Take a function or class of the main program, after the pieces that it uses."""
        if name in self._pieces:
            return
        try:
            source = textwrap.dedent(_source_of(value))
            tree = ast.parse(source)
        except (OSError, TypeError, SyntaxError):
            self.problems.append(f"the source of {name} is not found")
            return
        # Marked before the pieces that it uses, so that mutual use ends.
        self._pieces[name] = source
        space = _globals_of(value)
        for used in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}):
            if used != name and used in space:
                self._add_used(name, used, space[used])
        # Added after the pieces that it uses: class bodies and defaults run when they are defined.
        self._pieces[name] = self._pieces.pop(name)

    def _add_used(self, by: str, name: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            self._pieces.setdefault(name, f"import {value.__name__} as {name}")
            if is_own(value.__name__):
                self._add_module(value.__name__)
            return
        home = getattr(value, "__module__", None)
        qualified = getattr(value, "__qualname__", getattr(value, "__name__", None))
        if home == MAIN and (inspect.isfunction(value) or inspect.isclass(value)):
            self._add_piece(name, value)
        elif isinstance(home, str) and isinstance(qualified, str) and qualified.isidentifier() and home != MAIN:
            self._pieces.setdefault(name, f"from {home} import {qualified} as {name}")
            if is_own(home):
                self._add_module(home)
        elif _is_literal(value):
            self._pieces.setdefault(name, f"{name} = {value!r}")
        else:
            self.problems.append(f"{by} uses {name}, a {type(value).__name__} that the program made")


def _globals_of(value: Any) -> dict[str, Any]:
    """Return the globals of its code; for code that came with a model, they are not those of the program."""
    members = [value, *vars(value).values()] if inspect.isclass(value) else [value]
    found = (getattr(member, "__globals__", None) for member in members)
    return next((space for space in found if isinstance(space, dict)), vars(sys.modules[MAIN]))


def _source_of(value: Any) -> str:
    """Return the source of a function or class, also of a class of a notebook. Raises OSError, TypeError, SyntaxError."""
    try:
        return inspect.getsource(value)
    except OSError:
        # For classes of the main program, inspect reads only the program's file, which a notebook does not have.
        codes = [
            code for member in vars(value).values() if (code := getattr(member, "__code__", None)) is not None
        ]
        for file in {code.co_filename for code in codes}:
            text = "".join(linecache.getlines(file))
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef) and node.name == value.__name__:
                    return ast.get_source_segment(text, node) or ""
        raise


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value) and len(repr(value)) < 10_000
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False


# --- loading -----------------------------------------------------------------------------------------


def bring(folder: Path, code: Mapping[str, OwnCode], trust: Trust) -> None:
    """Make the code of a model importable if this process lacks it; this runs the code.

    Raises UntrustedModel unless trust is "unsafe"; NoSaver if it does not define the names that the model needs.
    """
    missing = {module: own for module, own in code.items() if _lacks(module, own)}
    if not missing:
        return
    if trust != UNSAFE:
        names = sorted({name for own in missing.values() for name in own.names})
        raise UntrustedModel(
            where="the model",
            types=f"its own code ({', '.join(own.file for own in missing.values())} with {', '.join(names) or 'its parts'})",
            fix="Read that code (modelyard pull brings it); if you trust it, load with trust='unsafe', which runs it. "
            "Where the same functions and classes are defined or installed already, trust=True is enough",
        )
    finder = _Finder(folder, missing)
    sys.meta_path.append(finder)
    try:
        for module in missing:
            if module != MAIN:
                importlib.import_module(module)
        if MAIN in missing:
            _define_in_main(missing[MAIN], finder.source_of(MAIN))
    except NoSaver:
        raise
    except Exception as error:
        fix = "Install the packages it imports, or fix the code after: modelyard pull"
        raise NoSaver(what="the model's own code", reason=f"it does not run here: {error}", fix=fix) from error
    finally:
        sys.meta_path.remove(finder)


def _lacks(module: str, own: OwnCode) -> bool:
    if module == MAIN:
        return any(not hasattr(sys.modules[MAIN], name) for name in own.names)
    if module in sys.modules:
        return False
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


class _Finder(MetaPathFinder, Loader):
    """Finds the modules stored with a model, so that they can import each other."""

    def __init__(self, folder: Path, code: Mapping[str, OwnCode]) -> None:
        self._folder, self._code = folder, code

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._code:
            return None
        is_package = any(other.startswith(f"{name}.") for other in self._code)
        return ModuleSpec(name, self, origin=self._shown(name), is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        exec(self.source_of(module.__name__), module.__dict__)  # noqa: S102 - the caller said trust="unsafe"

    def source_of(self, name: str) -> CodeType:
        source = checked_file(self._folder, self._code[name].file).read_text(encoding="utf-8")
        shown = self._shown(name)
        # The folder is deleted after loading; tracebacks and another push still need the source.
        linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
        return compile(source, shown, "exec")

    def _shown(self, name: str) -> str:
        return f"<{self._code[name].file} of a model>"


def _define_in_main(own: OwnCode, source: CodeType) -> None:
    """Define the names that the running program lacks. Raises NoSaver for code that does not define them."""
    made: dict[str, Any] = {"__name__": MAIN}
    exec(source, made)  # noqa: S102 - the caller said trust="unsafe"
    for name in own.names:
        if name not in made:
            raise NoSaver(what=own.file, reason=f"it does not define {name}")
        vars(sys.modules[MAIN]).setdefault(name, made[name])
