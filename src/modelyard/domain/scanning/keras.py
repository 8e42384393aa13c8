"""Scan Keras's description of a model: JSON that names classes, some of which run code stored with them.

Source: keras/src/saving/serialization_lib.py, deserialize_keras_object; keras/src/legacy/saving.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from modelyard.domain.formats.ranged import MIB, Source
from modelyard.domain.scanning.context import Scan
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.verdicts import Finding, Verdict

_MAX_BYTES = 64 * MIB
_MAX_CONTAINERS = 2_000_000
_RUNNING = {
    "Lambda": "a Keras Lambda layer, which runs the code stored with it",
    "__lambda__": "a function that Keras builds from code stored with it",
    "TorchModuleWrapper": "a Keras layer that unpickles the module stored with it",
    "TFSMLayer": "a Keras layer that loads a TensorFlow program from a path",
    "JaxLayer": "a Keras layer around a function of any module",
    "FlaxLayer": "a Keras layer around a function of any module",
    "TFOpLambda": "a Keras layer that calls any function of TensorFlow",
    "SlicingOpLambda": "a Keras layer that calls any function of TensorFlow",
}
# Modules of Keras that contain only layers and their parts: nothing that reads files or runs its input.
_PLAIN_MODULE = re.compile(
    r"(?:keras|tf_keras|keras_core|tensorflow\.keras|tensorflow\.python\.keras)(?:\.src)?"
    r"(?:\.(?:layers|models|initializers|activations|regularizers|constraints|losses|metrics|optimizers|ops|"
    r"quantizers|random|dtype_policies|engine|backend)(?:\.[a-z_0-9]+)*)?\Z"
)
_CLASS = re.compile(r"[A-Za-z_]\w*\Z")
_PLAIN_BUILTINS = frozenset("function str int float bool list dict tuple NoneType bytes set".split())


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, since readers differ on which of two equal keys counts."""


def check_source(scan: Scan, source: Source, inside: str) -> None:
    if source.size_bytes > _MAX_BYTES:
        scan.note(Verdict.NOT_SCANNED, "its JSON is too long", inside)
        return
    data = bytearray()
    while len(data) < source.size_bytes:
        data += source.read(len(data), min(MIB, source.size_bytes - len(data)))
    check_bytes(scan, bytes(data), inside)


def check_bytes(scan: Scan, data: bytes, inside: str) -> None:
    """Note each class that runs code. Bytes that are not JSON are not read by Keras either."""
    if data.count(b"{") + data.count(b"[") > _MAX_CONTAINERS:
        scan.note(Verdict.NOT_SCANNED, "its JSON has too many parts", inside)
        return
    # HDF5 may pad a text with zeros, which belong to the text in UTF-16.
    for text in {data, data.rstrip(b"\0")}:
        try:
            value = json.loads(text, object_pairs_hook=_Pairs)
        except RecursionError:
            scan.note(Verdict.NOT_SCANNED, "its JSON is nested too deeply", inside)
            return
        except ValueError:
            continue
        for pairs in _objects(value):
            _check_object(scan, pairs, inside)


def _objects(value: Any) -> Iterator[_Pairs]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _Pairs):
            yield part
            waiting += [inner for _, inner in part]
        elif isinstance(part, list):
            waiting += part


def _check_object(scan: Scan, pairs: _Pairs, inside: str) -> None:
    names = _values(pairs, "class_name")
    modules = _values(pairs, "module")
    for name in names:
        short = name.rpartition(">")[2].rpartition(".")[2]
        if short in _RUNNING:
            _note(scan, Verdict.DANGEROUS, _RUNNING[short], inside, f"keras.{short}")
        for module in modules:
            _check_pair(scan, module, name, inside)
    if "lambda" in _values(pairs, "function_type"):
        _note(scan, Verdict.DANGEROUS, _RUNNING["Lambda"], inside, "keras.Lambda")


def _values(pairs: _Pairs, key: str) -> list[str]:
    return [value for name, value in pairs if name == key and isinstance(value, str)]


def _check_pair(scan: Scan, module: str, name: str, inside: str) -> None:
    if not module or (module == "builtins" and name in _PLAIN_BUILTINS):
        return
    if _PLAIN_MODULE.match(module) and _CLASS.match(name):
        return
    verdict, why = judge_global(module, name)
    if verdict is Verdict.ALLOWLISTED:
        return
    if module.partition(".")[0] in ("keras", "tensorflow") and verdict is not Verdict.DANGEROUS:
        verdict, why = Verdict.DANGEROUS, "of Keras, and not among its layers and their parts"
    _note(scan, verdict, f"Keras imports it: {why}", inside, f"{module}.{name}")


def _note(scan: Scan, verdict: Verdict, why: str, inside: str, name: str) -> None:
    scan.found.note(Finding(verdict, why, inside, None, None, name))
