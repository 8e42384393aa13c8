"""The program in which real loaders read changed files, with a `find_class` that records and imports nothing new.

Reads lines of JSON (loader, bytes in hexadecimal digits); answers each with the globals that the loader asked for,
those that it called, and those that it changed by their own methods. They stand in a file as well from the moment on in
which it does, because a changed file can end the interpreter; `RecordingLoader` reads them there then.
What is asked for becomes a stand-in that can be called, so that the loader goes on as it would.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

_REAL = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"), ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
    ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("torch", "FloatStorage"),
    ("numpy._core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "_reconstruct"),
}  # fmt: skip


class _Noted(list[list[str]]):
    """A list that stands in a file too: nothing of it is lost when the process is."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self._place = place

    def append(self, name: list[str]) -> None:
        super().append(name)
        if notes is not None:
            os.write(notes, json.dumps([self._place, name]).encode() + b"\n")


notes: int | None = None
asked, ran, changed = _Noted(0), _Noted(1), _Noted(2)


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
    elif loader == "end":
        InC(file).load()
        os.abort()
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


Names = list[list[str]]


class RecordingLoader:
    """The program, begun again after a file that ended it."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "notes"
        self.ended = 0
        """How often a file ended the interpreter."""
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self._notes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def load(self, loader: str, data: bytes) -> tuple[Names, Names, Names]:
        """What was asked for, called and changed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([loader, data.hex()]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if answer:
            asked, ran, changed = json.loads(answer)
            return asked, ran, changed
        self.close()
        self.ended += 1
        seen: tuple[Names, Names, Names] = ([], [], [])
        for line in self._notes.read_text().splitlines():
            place, name = json.loads(line)
            seen[place].append(name)
        self._start()
        return seen

    def close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    global notes
    notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        limits = importlib.import_module("resource")
        limits.setrlimit(limits.RLIMIT_DATA, (2 << 30, 2 << 30))
    sys.setrecursionlimit(500)
    for line in sys.stdin:
        loader, data = json.loads(line)
        os.truncate(notes, 0)
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
