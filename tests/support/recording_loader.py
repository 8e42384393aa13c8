"""The program in which real loaders read changed files, with a `find_class` that records and imports nothing new.

Reads lines of JSON (loader, bytes in hexadecimal digits); answers each with the globals that the loader asked for,
those that it called, and those that it changed by their own methods.
What is asked for becomes a stand-in that can be called, so that the loader goes on as it would.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pickle
import sys
import tarfile
import warnings
import zipfile
from typing import Any

_REAL = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"), ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
    ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("torch", "FloatStorage"),
    ("numpy._core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "_reconstruct"),
}  # fmt: skip


asked: list[list[str]] = []
ran: list[list[str]] = []
changed: list[list[str]] = []


class StandIn:
    """Of a global: whatever is done with it counts as run."""

    path = ["persistent", "id"]

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        ran.append(cls.path)
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **named: Any) -> None: ...
    def __call__(self, *arguments: Any, **named: Any) -> StandIn:
        ran.append(self.path)
        return self

    @classmethod
    def _change(cls, *arguments: Any) -> None:
        changed.append(cls.path)

    __setstate__ = append = extend = add = __setitem__ = _change


def _find(module: str, name: str) -> Any:
    asked.append([module, name])
    if not all(part.isidentifier() for part in module.split(".")):
        raise ModuleNotFoundError(module)
    if (module, name) in _REAL:
        return getattr(importlib.import_module(module), name)
    return type("StandIn", (StandIn,), {"path": [module, name]})


class InC(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _find(module, name)

    def persistent_load(self, identity: Any) -> Any:
        return object.__new__(StandIn)


class InPython(pickle._Unpickler):  # type: ignore[name-defined,misc]
    def find_class(self, module: str, name: str) -> Any:
        return _find(module, name)


class _Pickle:
    """In place of the module `pickle`, for loaders that take it as an argument or from their own module."""

    Unpickler = InC
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        options.pop("fix_imports", None)
        return InC(file, **options).load()


def load(loader: str, data: bytes) -> None:
    file = io.BytesIO(data)
    if loader == "pickle":
        InC(file).load()
    elif loader == "pickle in Python":
        InPython(file).load()
    elif loader == "joblib":
        joblib = importlib.import_module("joblib.numpy_pickle")
        joblib.NumpyUnpickler.find_class = lambda self, module, name: _find(module, name)
        joblib.load(file)
    elif loader in ("numpy", "npz"):
        numpy = importlib.import_module("numpy")
        module = importlib.import_module("numpy.lib._format_impl")
        module.pickle = _Pickle
        importlib.import_module("numpy.lib._npyio_impl").pickle = _Pickle
        opened = numpy.load(file, allow_pickle=True)
        if loader == "npz":
            for name in opened.files:
                with contextlib.suppress(Exception):
                    opened[name]
    elif loader == "torch":
        importlib.import_module("torch").load(file, weights_only=False, pickle_module=_Pickle)
    elif loader == "zip of pickles":
        with zipfile.ZipFile(file) as zipped:
            for entry in zipped.infolist():
                with contextlib.suppress(Exception), zipped.open(entry) as member:
                    InC(member).load()
    elif loader == "tar of pickles":
        with tarfile.open(fileobj=file) as tar:
            for part in tar:
                with contextlib.suppress(Exception):
                    InC(tar.extractfile(part)).load()


def main() -> None:
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        limits = importlib.import_module("resource")
        limits.setrlimit(limits.RLIMIT_DATA, (2 << 30, 2 << 30))
    sys.setrecursionlimit(500)
    for line in sys.stdin:
        loader, data = json.loads(line)
        asked.clear()
        ran.clear()
        changed.clear()
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            load(loader, bytes.fromhex(data))
        print(json.dumps([_unique(names) for names in (asked, ran, changed)]), flush=True)


def _unique(names: list[list[str]]) -> list[list[str]]:
    return [list(name) for name in dict.fromkeys(map(tuple, names))]


if __name__ == "__main__":
    main()
