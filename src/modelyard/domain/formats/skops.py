"""skops: a zip whose schema.json describes an estimator as a tree of typed nodes."""

from __future__ import annotations

from typing import Any

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.ranged import MIB, Budget, Malformed, Source, load_json
from modelyard.domain.formats.zips import list_members, read_member

MAX_SCHEMA_BYTES = 16 * MIB
MAX_TYPES = 500
_FRAMEWORKS = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm"}


def read(source: Source, draft: Draft) -> None:
    draft.format = "skops"
    schema_member = next((m for m in list_members(source) if m.name == "schema.json"), None)
    if schema_member is None:
        raise Malformed("the zip has no schema.json")
    schema = load_json(read_member(source, schema_member, MAX_SCHEMA_BYTES), "schema.json")
    if not isinstance(schema, dict):
        raise Malformed("schema.json is not an object")
    top = _type_of(schema)
    if top is not None:
        draft.details["class"] = top
        draft.architecture = top.rpartition(".")[2]
        draft.framework = _FRAMEWORKS.get(top.partition(".")[0])
    for key, name in (("_skops_version", "skops_version"), ("protocol", "protocol")):
        if isinstance(schema.get(key), (str, int)):
            draft.details[name] = schema[key]
    types = _types_in(schema)
    draft.details["types"] = sorted(types)[:MAX_TYPES]
    if len(types) > MAX_TYPES:
        draft.note_truncated("types")
    if draft.framework is None:
        roots = {t.partition(".")[0] for t in types}
        draft.framework = next((word for root, word in _FRAMEWORKS.items() if root in roots), None)


def _types_in(schema: dict[str, Any]) -> set[str]:
    budget = Budget()
    types: set[str] = set()
    waiting: list[Any] = [schema]
    while waiting:
        budget.step()
        node = waiting.pop()
        if isinstance(node, dict):
            found = _type_of(node)
            if found is not None:
                types.add(found)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return types


def _type_of(node: dict[str, Any]) -> str | None:
    module, name = node.get("__module__"), node.get("__class__")
    return f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else None
