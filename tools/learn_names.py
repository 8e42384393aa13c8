"""Writes the exact names that the pickles of libraries hold, each with the use that they make of it.

Run it with a new release of a library, and read what it adds and what it leaves out: every name is something that a
pickle may make, call or hold. Names and releases of earlier runs are kept.

    python tools/learn_names.py            # writes learned.txt and learned_from.txt in src/modelyard/domain/scanning/names/
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import io
import pickle
import re
import sys
import textwrap
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from modelyard.domain.formats import BytesSource  # noqa: E402
from modelyard.domain.formats.opcodes import Call, Global, Machine, Persistent, Walk  # noqa: E402
from modelyard.domain.formats.ranged import Budget, Cursor, Malformed  # noqa: E402
from modelyard.domain.scanning.globals import Use, read_table  # noqa: E402
from modelyard.domain.scanning.known_names import RENAMED_MODULES, TABLES, read_lines  # noqa: E402

PACKAGES = (
    "catboost category_encoders imbalanced-learn joblib lightgbm numpy pandas scikit-learn scipy statsmodels torch "
    "transformers xgboost"
).split()
_ROOTS = frozenset(
    "numpy scipy pandas sklearn xgboost lightgbm catboost statsmodels imblearn category_encoders torch transformers joblib "
    "tokenizers accelerate pyarrow".split()
)
# Hooks that run while a pickle is loaded, and words in them that ask for a human eye.
_HOOKS = "__new__ __setstate__ __setattr__ __getattr__ __getattribute__ __del__ __init_subclass__ __hash__ __eq__".split()
_CONSTRUCTOR = "__init__"
_RISKY = re.compile(
    r"\b(exec|eval|compile|__import__|import_module|open|subprocess|popen|system|loads?|unpickle|memmap|fromfile|dmatrices|"
    r"get_source|spec_from)\s*\("
)
# Read, and found harmless, or judged by the state that they get (calls.py).
_READ = {
    "scipy.stats": "runs a text of its state, which calls.py compares with SciPy's own",
    "statsmodels.base.data": "evaluates a formula of its state, which calls.py refuses",
    "xgboost.core.Booster": "its own format, read by XGBoost from bytes",
    "lightgbm.basic.Booster": "its own format, read by LightGBM from text",
}
_NEVER = re.compile(
    r"(^|\.)(externals|tests?|_?testing|datasets|conftest|parallel|_joblib|_mocking|io|callback)(\.|$)|^sklearn\.utils\._repr"
    r"|^joblib\.|^torch\.(fx|jit|_dynamo|_inductor|distributed|package|utils\.data)\b"
)


class Learner(Machine):
    """Notes how a pickle uses each global."""

    def __init__(self, cursor: Cursor, uses: dict[tuple[str, str], Use], nesting: int = 0) -> None:
        super().__init__(cursor, Walk(), nesting)
        self.uses = uses

    def run(self) -> None:
        while not self.stopped:
            self.step()

    def _add(self, found: Any, use: Use) -> None:
        if isinstance(found, Global):
            key = (found.module, found.name)
            self.uses[key] = self.uses.get(key, Use.HELD) | use

    def note_global(self, module: Any, name: Any) -> Any:
        found = Global(module, name)
        self._add(found, Use.HELD)
        return found

    def call(self, target: Any, arguments: Any) -> None:
        if isinstance(target, Persistent):
            target = target.identity[1]
        if target == Global("copyreg", "_reconstructor"):
            self._add(arguments[0], Use.MADE)
        else:
            self._add(target, Use.MADE if self.opcode == "NEWOBJ" else Use.CALLED)
        self.stack.append(Call(target, arguments))

    def note_build(self, made: Any, state: Any) -> None:
        if type(state) is not dict or not self._is_class(self._class_of(made)):
            self._add(self._class_of(made), Use.STATED)

    def note_items(self, target: Any, items: list[Any]) -> None:
        self._add(self._class_of(target), Use.FILLED)

    def enter(self, cursor: Cursor) -> None:
        Learner(cursor, self.uses, self.nesting + 1).run()

    @staticmethod
    def _class_of(made: Any) -> Any:
        if not isinstance(made, Call):
            return None
        return made.arguments[0] if made.target == Global("copyreg", "_reconstructor") else made.target

    @staticmethod
    def _is_class(found: Any) -> bool:
        return isinstance(found, Global) and isinstance(_resolved(found.module, found.name), type)


def learn(data: bytes, uses: dict[tuple[str, str], Use]) -> None:
    Learner(Cursor(BytesSource(data), Budget(1 << 40, 1 << 40)), uses).run()


def _resolved(module: str, name: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found
    except (ImportError, AttributeError):
        return None


def _files(made: Any) -> Iterator[bytes]:
    for protocol in range(6):
        try:
            yield pickle.dumps(made, protocol)
        except (
            TypeError,
            ValueError,
            AttributeError,
            pickle.PicklingError,
            RecursionError,
            NotImplementedError,
        ):
            continue
    joblib = sys.modules.get("joblib")
    if joblib is not None:
        file = io.BytesIO()
        try:
            joblib.dump(made, file)
            yield file.getvalue()
        except (
            TypeError,
            ValueError,
            AttributeError,
            pickle.PicklingError,
            RecursionError,
            NotImplementedError,
        ):
            pass


def _torch_files(made: Any) -> Iterator[bytes]:
    import torch

    file = io.BytesIO()
    try:
        torch.save(made, file)
    except (TypeError, ValueError, AttributeError, pickle.PicklingError, RuntimeError, NotImplementedError):
        return
    with zipfile.ZipFile(file) as opened:
        yield next(opened.read(name) for name in opened.namelist() if name.endswith("data.pkl"))


def learned() -> dict[tuple[str, str], Use]:
    from tests.support.estimators import composed_estimators, fitted_estimators
    from tests.support.model_objects import every_object

    uses: dict[tuple[str, str], Use] = {}
    count = 0
    for source in (fitted_estimators(instances_each=3), composed_estimators(), every_object()):
        for name, made in source:
            count += 1
            for data in _files(made):
                _learn(data, uses, name)
            if "torch" in sys.modules and "torch" in name:
                for data in _torch_files(made):
                    _learn(data, uses, name)
    print(f"{count} objects, {len(uses)} names")
    for key, use in listed_classes():
        uses[key] = uses.get(key, Use.HELD) | use
    return uses


def _learn(data: bytes, uses: dict[tuple[str, str], Use], name: str) -> None:
    try:
        learn(data, uses)
    except Malformed as error:
        print(f"not followed: {name}: {error}")


def listed_classes() -> Iterator[tuple[tuple[str, str], Use]]:
    """Public classes and functions that models hold, whether or not a fitted one here does."""
    from tests.support.model_objects import own_classes

    made = Use.MADE | Use.TYPE
    sklearn = sys.modules.get("sklearn")
    if sklearn is not None:
        import sklearn.gaussian_process.kernels as kernels
        from sklearn import metrics
        from sklearn.base import BaseEstimator
        from sklearn.model_selection import BaseCrossValidator

        for base in (BaseEstimator, BaseCrossValidator, kernels.Kernel):
            for cls in own_classes("sklearn", base):
                yield (cls.__module__, cls.__qualname__), made
        for module in (metrics, metrics.pairwise, sys.modules["sklearn.feature_selection"]):
            for name in dir(module):
                found = getattr(module, name)
                if isinstance(found, types.FunctionType) and re.search(
                    r"_(score|error|loss|distances|kernel|classif|regression)$|^(chi2|f_classif|make_pipeline)$",
                    name,
                ):
                    yield (found.__module__, found.__qualname__), Use.HELD
        for place, use in (
            ("sklearn._loss._loss", Use.CALLED),
            ("sklearn.linear_model._sgd_fast", Use.CALLED),
            ("sklearn._loss.loss", Use.MADE),
            ("sklearn._loss.link", Use.MADE),
            ("sklearn.metrics._dist_metrics", Use.HELD),
        ):
            for name, cls in vars(sys.modules[place]).items():
                if isinstance(cls, type) and cls.__module__ == place:
                    yield (place, name), use | Use.TYPE
    torch = sys.modules.get("torch")
    if torch is not None:
        for base in (torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler):
            for package in ("torch.nn", "torch.optim"):
                for cls in own_classes(package, base):
                    yield (cls.__module__, cls.__qualname__), made
    for root, bases in (("statsmodels", ("Model", "Results")), ("imblearn", ()), ("category_encoders", ())):
        if root in sys.modules:
            from sklearn.base import BaseEstimator

            for cls in own_classes(root, BaseEstimator):
                yield (cls.__module__, cls.__qualname__), made
            for base_name in bases:
                for cls in own_classes(root, getattr(sys.modules["statsmodels.base.model"], base_name)):
                    yield (cls.__module__, cls.__qualname__), made


def reviewed(uses: dict[tuple[str, str], Use]) -> dict[tuple[str, str], Use]:
    """Those that may be listed: real names, in their own place, with no hook that runs what a pickle brings."""
    by_hand = read_table(read_lines("reviewed"))
    kept = {}
    for (module, name), use in sorted(uses.items()):
        if (module, name) in by_hand or (module, name) == ("torch.storage", "_load_from_bytes"):
            # The second is judged by the file that it is given (pickles.py).
            continue
        why = _reason_to_leave_out(module, name, use)
        if why is None:
            is_class = isinstance(_resolved(module, name), type)
            kept[module, name] = use | (Use.TYPE if is_class else Use.HELD)
        else:
            print(f"left out: {module} {name} ({why})")
    return kept


def _reason_to_leave_out(module: str, name: str, use: Use) -> str | None:
    if module.partition(".")[0] not in _ROOTS:
        return "of another package"
    if _NEVER.search(module):
        return "of a place that runs what it is given"
    found = _resolved(module, name)
    if found is None:
        return "it cannot be imported"
    if isinstance(found, types.ModuleType):
        return "a module"
    if not is_at_home(found, module, name):
        return f"it is at home in {getattr(found, '__module__', None)}"
    if "." in name and not isinstance(found, type):
        return "a dotted name"
    if isinstance(found, type) and Use.CALLED | Use.MADE & use:
        return _risky_hook(found, use)
    return None


def is_at_home(found: Any, module: str, name: str) -> bool:
    """Whether an object is what its own module calls so, and no import of another."""
    home = getattr(found, "__module__", None)
    if not isinstance(home, str):
        # A ufunc, a dtype of torch and functions in C do not say where they are at home.
        home = module if type(found).__module__.partition(".")[0] in ("numpy", "torch", "builtins") else None
    names = {getattr(found, "__qualname__", name), getattr(found, "__name__", name)}
    if home == module:
        return isinstance(found, type) or name in names or not callable(found)
    return (
        RENAMED_MODULES.get(module) == home
        or RENAMED_MODULES.get(home or "") == module
        or _is_built_in(found, module)
    )


def _is_built_in(found: Any, module: str) -> bool:
    """Functions in C that are at home in a private module next to the public one."""
    home = getattr(found, "__module__", None) or ""
    kinds = (types.BuiltinFunctionType, types.MethodDescriptorType)
    return isinstance(found, kinds) and home.partition(".")[0] == module.partition(".")[0]


def _risky_hook(cls: type, use: Use) -> str | None:
    path = f"{cls.__module__}.{cls.__qualname__}"
    if any(path == place or path.startswith(f"{place}.") for place in _READ) or any(
        cls.__module__.startswith(place) for place in _READ
    ):
        return None
    for hook in [*_HOOKS, *([_CONSTRUCTOR] if Use.CALLED in use else [])]:
        found = getattr(cls, hook, None)
        if isinstance(found, types.FunctionType):
            try:
                source = inspect.getsource(found)
            except (OSError, TypeError):
                continue
            if _RISKY.search(source):
                return f"{hook} of it may run or read something"
    return None


def main() -> None:
    kept = read_table(read_lines("learned"))
    for key, use in reviewed(learned()).items():
        kept[key] = kept.get(key, Use.HELD) | use
    (TABLES / "learned.txt").write_text(_written_names(kept), encoding="utf-8")
    (TABLES / "learned_from.txt").write_text(_written_releases(_releases()), encoding="utf-8")
    print(f"{len(kept)} names listed")


def _releases() -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for line in read_lines("learned_from"):
        package, *releases = line.split()
        found[package] = set(releases)
    for package in PACKAGES:
        try:
            version = importlib.metadata.version(package).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
        found.setdefault(package, set()).add(version)
    return {package: sorted(releases) for package, releases in sorted(found.items())}


def _written_releases(releases: dict[str, list[str]]) -> str:
    text = "# Packages and their releases that the names of learned.txt come from. Written by tools/learn_names.py.\n"
    return text + "".join(f"{package} {' '.join(versions)}\n" for package, versions in releases.items())


def _written_names(names: dict[tuple[str, str], Use]) -> str:
    by_module: dict[str, list[str]] = {}
    for (module, name), use in sorted(names.items()):
        by_module.setdefault(module, []).append(name + _letters(use))
    text = (
        "# Exact names in the pickles of fitted estimators and checkpoints. Written by tools/learn_names.py.\n"
    )
    text += "# A module and its names, each with the letters of its uses (globals.py) behind a slash.\n"
    for module, found in by_module.items():
        for line in textwrap.wrap(
            " ".join(found), 108 - len(module), break_long_words=False, break_on_hyphens=False
        ):
            text += f"{module} {line}\n"
    return text


def _letters(use: Use) -> str:
    if use == Use.TYPE | Use.MADE:
        return ""
    letters = {Use.TYPE: "t", Use.MADE: "m", Use.CALLED: "c", Use.STATED: "s", Use.FILLED: "f"}
    return "/" + ("".join(letter for one, letter in letters.items() if one in use) or "h")


if __name__ == "__main__":
    main()
