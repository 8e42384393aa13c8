"""OpenAPI 3.1, made from the route table and the wire types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from modelyard.doors.errors import PROBLEM_TYPE, STATUS
from modelyard.doors.table import RouteSpec, RouteTable
from modelyard.wire.base import Problem

_PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
_REF = "#/components/schemas/{name}"
_ETAG = {"ETag": {"schema": {"type": "string"}}}


def build_openapi(tables: Iterable[RouteTable], release: str) -> dict[str, Any]:
    """Return the whole document."""
    tables = list(tables)
    specs = [(table.tag, spec) for table in tables for spec in table.specs]
    types = [kind for _, spec in specs for kind in (spec.query, spec.body, *spec.returns) if _is_struct(kind)]
    types = list(dict.fromkeys(types))
    found, components = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    # Two types with the same name get longer schema names, so a type's name is not always that of its schema.
    refs = dict(zip(types, found, strict=False))
    paths: dict[str, Any] = {}
    for tag, spec in specs:
        path = _PARAMETER.sub(r"{\1}", spec.path)
        paths.setdefault(path, {})[spec.method.lower()] = _operation(tag, spec, components, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Modelyard",
            "version": release,
            "description": "The native API of the Modelyard model registry. Errors are RFC 9457 problem details.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(table.tag for table in tables)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Problem": {
                    "description": "The problem, and the next step",
                    "content": {PROBLEM_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
                }
            },
        },
        "security": [{"token": []}],
    }


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _operation(
    tag: str, spec: RouteSpec, components: dict[str, Any], refs: dict[Any, dict[str, Any]]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": spec.operation,
        "tags": [tag],
        "summary": spec.summary,
        "parameters": _parameters(spec, components, refs),
        "responses": _responses(spec, refs),
    }
    if spec.public:
        operation["security"] = []
    if spec.body is not None:
        schema = refs[spec.body]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif spec.takes_bytes:
        schema = {"type": "string", "format": "binary"}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/octet-stream": {"schema": schema}},
        }
    return operation


def _parameters(
    spec: RouteSpec, components: dict[str, Any], refs: dict[Any, dict[str, Any]]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer"} if kind == "number" else {"type": "string"},
        }
        for name, kind in _PARAMETER.findall(spec.path)
    ]
    if spec.query is not None:
        schema = components[refs[spec.query]["$ref"].rpartition("/")[2]]
        required = set(schema.get("required", []))
        found.extend(
            {"name": name, "in": "query", "required": name in required, "schema": shape}
            for name, shape in schema["properties"].items()
        )
    if spec.has_etag:
        found.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    found.extend(
        {"name": name, "in": "header", "required": True, "schema": {"type": kind}}
        for name, kind in spec.headers.items()
    )
    return found


def _responses(spec: RouteSpec, refs: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": spec.summary}
    if isinstance(spec.returns, str):
        # JSON Schema cannot describe the bytes of another media type.
        is_bytes = spec.returns == "application/octet-stream"
        success["content"] = {
            spec.returns: {"schema": {"type": "string", "format": "binary"} if is_bytes else {}}
        }
    elif spec.returns:
        schemas = [refs[kind] for kind in spec.returns]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        success["content"] = {"application/json": {"schema": schema}}
    responses = {str(spec.status): success}
    if spec.has_etag:
        success["headers"] = _ETAG
        responses["304"] = {"description": "The caller's copy is current", "headers": _ETAG}
    for status, meaning in spec.also.items():
        responses[str(status)] = {**success, "description": meaning}
    for status in sorted({*STATUS.values(), 412, 416, 429}):
        responses.setdefault(str(status), {"$ref": "#/components/responses/Problem"})
    return responses
