"""XGBoost models as JSON or UBJSON: objective, features and trees, without the trees themselves.

Source: XGBoost's "Introduction to Model IO" and its JSON schema; UBJSON draft 12.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.ranged import Budget, Cursor, Malformed, Source, load_json, read_exactly

_HEAD_BYTES = 512 * 1024
_TAIL_BYTES = 256 * 1024
_MAX_DEPTH = 32
_MAX_TEXT_BYTES = 64 * 1024
_MAX_LIST = 5000
_NUMBERS = {
    b"i": struct.Struct(">b"), b"U": struct.Struct(">B"), b"I": struct.Struct(">h"), b"l": struct.Struct(">i"),
    b"L": struct.Struct(">q"), b"d": struct.Struct(">f"), b"D": struct.Struct(">d"),
}  # fmt: skip
_CONSTANTS = {b"Z": None, b"T": True, b"F": False, b"N": None}
# Objects below these keys are the bulk of the file and hold no fact that is kept.
_SKIPPED = ("trees", "weights", "cats", "trees_to_update")


def looks_like_json(head: bytes) -> bool:
    return b'"learner"' in head[:400] and head.lstrip()[:1] == b"{"


def looks_like_ubj(head: bytes) -> bool:
    return head[:1] == b"{" and head[1:2] in _NUMBERS and b"learner" in head[:40]


def read_json(source: Source, draft: Draft) -> None:
    """Read the facts at both ends of the file; the trees between them are skipped."""
    draft.format, draft.framework = "xgboost-json", "xgboost"
    if source.size_bytes <= _HEAD_BYTES + _TAIL_BYTES:
        _take(load_json(read_exactly(source, 0, source.size_bytes), "the model"), draft)
        return
    head = read_exactly(source, 0, _HEAD_BYTES)
    tail = read_exactly(source, source.size_bytes - _TAIL_BYTES, _TAIL_BYTES)
    booster = {"model": {"gbtree_model_param": _value_after(head, b'"gbtree_model_param"')}}
    booster["name"] = _value_after(tail, b'"name"', before=b'"learner_model_param"')
    learner = {
        "gradient_booster": booster,
        "feature_names": _value_after(head, b'"feature_names"'),
        "attributes": _value_after(head, b'"attributes"'),
        "learner_model_param": _value_after(tail, b'"learner_model_param"'),
        "objective": _value_after(tail, b'"objective"'),
    }
    _take({"learner": learner, "version": _value_after(tail, b'"version"')}, draft)


def _value_after(data: bytes, key: bytes, before: bytes | None = None) -> Any:
    """Return the JSON value of the last such key (ahead of `before`); None if it is absent or cut off."""
    end = len(data) if before is None else max(data.rfind(before), 0)
    at = data.rfind(key, 0, end)
    if at < 0:
        return None
    text = data[at + len(key) :].decode("utf-8", "replace").lstrip(": \n\r\t")
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def read_ubj(source: Source, draft: Draft) -> None:
    draft.format, draft.framework = "xgboost-ubj", "xgboost"
    cursor = Cursor(source, Budget())
    if cursor.read(1) != b"{":
        raise Malformed("the file is not a UBJSON object")
    found: dict[str, Any] = {}
    try:
        _object(cursor, found, 0)
    finally:
        _take(found, draft)


def _object(cursor: Cursor, found: dict[str, Any], depth: int, keep: bool = True) -> None:
    """Fill `found` member by member, so that members before a fault are kept."""
    if depth > _MAX_DEPTH:
        raise Malformed("the model is nested too deeply")
    while True:
        cursor.budget.step()
        marker = cursor.read(1)
        if marker == b"}":
            return
        key = _text(cursor, marker) or ""
        kept = keep and key not in _SKIPPED
        kind = cursor.read(1)
        if kind == b"{" and kept:
            inner: dict[str, Any] = {}
            found[key] = inner
            _object(cursor, inner, depth + 1)
        else:
            value = _value(cursor, kind, depth + 1, kept)
            if kept:
                found[key] = value


def _text(cursor: Cursor, marker: bytes) -> str | None:
    length = _integer(cursor, marker)
    data = cursor.read_capped(length, _MAX_TEXT_BYTES)
    return None if data is None else data.decode("utf-8", "replace")


def _integer(cursor: Cursor, marker: bytes) -> int:
    if marker not in _NUMBERS or marker in b"dD":
        raise Malformed(f"a length at {cursor.position} is not an integer")
    value = cursor.unpack(_NUMBERS[marker])
    if value < 0:
        raise Malformed(f"a length at {cursor.position} is negative")
    return int(value)


def _value(cursor: Cursor, kind: bytes, depth: int, keep: bool) -> Any:
    cursor.budget.step()
    if kind in _NUMBERS:
        return cursor.unpack(_NUMBERS[kind])
    if kind in _CONSTANTS:
        return _CONSTANTS[kind]
    if kind == b"S":
        return _text(cursor, cursor.read(1))
    if kind == b"C":
        return cursor.read(1).decode("latin-1")
    if kind == b"{":
        inner: dict[str, Any] = {}
        _object(cursor, inner, depth, keep)
        return inner
    if kind == b"[":
        return _list(cursor, depth, keep)
    raise Malformed(f"a value at {cursor.position} has the unknown type {kind!r}")


def _list(cursor: Cursor, depth: int, keep: bool) -> list[Any]:
    if depth > _MAX_DEPTH:
        raise Malformed("the model is nested too deeply")
    item = cursor.read(1)
    typed = None
    if item == b"$":
        typed = cursor.read(1)
        item = cursor.read(1)
    if item == b"#":
        length = _integer(cursor, cursor.read(1))
        if typed in _NUMBERS and typed is not None:
            cursor.skip(length * _NUMBERS[typed].size)
            return []
        found: list[Any] = []
        for _ in range(length):
            value = _value(cursor, typed or cursor.read(1), depth + 1, keep)
            if keep and len(found) < _MAX_LIST:
                found.append(value)
        return found
    if typed is not None:
        raise Malformed(f"a typed list at {cursor.position} has no length")
    found = []
    while item != b"]":
        value = _value(cursor, item, depth + 1, keep)
        if keep and len(found) < _MAX_LIST:
            found.append(value)
        item = cursor.read(1)
    return found


def _take(model: Any, draft: Draft) -> None:
    learner = _map(_map(model).get("learner"))
    parameters = _map(learner.get("learner_model_param"))
    booster = _map(learner.get("gradient_booster"))
    # DART keeps its trees one level deeper.
    inner = _map(_map(booster.get("gbtree")).get("model")) or _map(booster.get("model"))
    trees = _map(inner.get("gbtree_model_param"))
    objective = _map(learner.get("objective")).get("name")
    draft.details["objective"] = objective if isinstance(objective, str) else None
    draft.details["features"] = _count(parameters.get("num_feature"))
    draft.details["classes"] = _count(parameters.get("num_class")) or None
    draft.details["trees"] = _count(trees.get("num_trees"))
    name = booster.get("name")
    draft.details["booster"] = draft.architecture = name if isinstance(name, str) else None
    names = learner.get("feature_names")
    if isinstance(names, list):
        draft.details["feature_names"] = [n for n in names if isinstance(n, str)]
    version = _map(model).get("version")
    if isinstance(version, list) and all(type(x) is int for x in version):
        draft.details["framework_version"] = ".".join(str(x) for x in version[:4])
    if draft.details["objective"] is None:
        draft.problems.append("the model names no objective")


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    """Parse a number, which XGBoost writes as text."""
    text = str(value) if isinstance(value, (str, int)) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None
