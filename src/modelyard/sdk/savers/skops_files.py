"""skops files whose bytes depend on the estimator alone, so that the same model is the same version.

skops writes memory addresses and random names into `schema.json` and the names of its arrays, and the current time
into the ZIP. Here objects are numbered in the order of the document, and every member gets ZIP's earliest time.
"""

from __future__ import annotations

import importlib.abc
import io
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelyard.sdk.savers.base import require

_SCHEMA = "schema.json"
_ADDRESSES = frozenset({"_stop_words_id"})
"""Attributes with the address of an object that scikit-learn has checked; another number makes it check again."""
_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)


def require_skops(what: str) -> Any:
    """Import skops.io without torch and pytest, which come along where they are installed, since it imports all of scikit-learn:
    250 MB and seconds that no estimator of scikit-learn needs. A model that needs one of them still imports it later.

    Raises NoSaver, naming the package to install.
    """
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        return require("skops.io", what)
    finally:
        sys.meta_path.remove(absent)


class _Absent(importlib.abc.MetaPathFinder):
    """Makes some packages look to this thread as if they were not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname in ("torch", "pytest") and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def make_repeatable(path: Path) -> None:
    """Rewrite a file that `skops.io.dump` wrote; it loads as before."""
    written = path.with_suffix(".repeatable")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as target:
        schema = json.loads(source.read(_SCHEMA))
        numbers: dict[int, int] = {}
        names: dict[str, str] = {}
        for node in _nodes(schema):
            if isinstance(node.get("__id__"), int):
                node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
            for name in _ADDRESSES.intersection(node):
                if isinstance(node[name], dict) and "content" in node[name]:
                    node[name]["content"] = "0"
            member = node.get("file")
            if isinstance(member, str) and member in source.namelist():
                node["file"] = names.setdefault(member, f"{len(names) + 1}{Path(member).suffix}")
        for member in source.namelist():
            if member != _SCHEMA:
                # Members that are not in the schema come last, under their own names.
                names.setdefault(member, member)
        for member, name in names.items():
            target.writestr(_entry(name), _repeatable(name, source.read(member)))
        target.writestr(_entry(_SCHEMA), json.dumps(schema, indent=2))
    written.replace(path)


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _FIRST_MOMENT)


def _repeatable(name: str, data: bytes) -> bytes:
    if name.endswith(".npz"):
        return _without_times(data)
    return _without_gaps(data) if name.endswith(".npy") else data


def _without_gaps(data: bytes) -> bytes:
    """Return an array with zeros between its fields, where the nodes of trees have arbitrary bytes."""
    numpy = require("numpy", "this model")
    array = numpy.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    cleaned = numpy.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        cleaned[name] = array[name]
    made = io.BytesIO()
    numpy.save(made, cleaned, allow_pickle=False)
    return made.getvalue()


def _without_times(data: bytes) -> bytes:
    """Return a ZIP of arrays with the same members, each with the earliest time."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(made, "w") as target:
        for info in source.infolist():
            entry = _entry(info.filename)
            entry.compress_type = info.compress_type
            target.writestr(entry, source.read(info))
    return made.getvalue()


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a JSON value, outer ones first, in the order of the document."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting.extend(reversed(list(found.values())))
        elif isinstance(found, list):
            waiting.extend(reversed(found))
