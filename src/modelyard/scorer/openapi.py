"""The OpenAPI document of a deployment, made from the signature of the version that serves."""

from __future__ import annotations

from typing import Any

from modelyard.scorer.columns import Columns, Entry
from modelyard.scorer.frames import JSON
from modelyard.scorer.protocols.base import Names

_FAMILIES = {"text": "string", "time": "string"}


def document(names: Names, columns: Columns, outputs: list[Entry], methods: list[str]) -> dict[str, Any]:
    """Return OpenAPI 3.1 of the paths that a program would call."""
    row = _row(columns)
    output = _schema(outputs[0], columns) if len(outputs) == 1 else {}
    model = f"/v2/models/{names.url}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": names.deployment,
            "version": str(names.revision),
            "description": f"Predictions of {names.model}, revision {names.revision} of {names.deployment}.",
        },
        "paths": {
            "/predict": {
                "post": {
                    "summary": "Predict one row, or a list of rows",
                    "operationId": "predict",
                    "parameters": [_output_parameter(methods)],
                    "requestBody": _body(
                        {
                            "oneOf": [
                                {"$ref": "#/components/schemas/Row"},
                                _list({"$ref": "#/components/schemas/Row"}),
                            ]
                        }
                    ),
                    "responses": _responses({"$ref": "#/components/schemas/Prediction"}),
                }
            },
            "/invocations": {
                "post": {
                    "summary": "Predict as MLflow's scoring server does",
                    "operationId": "invocations",
                    "requestBody": _body({"type": "object"}),
                    "responses": _responses({"$ref": "#/components/schemas/Predictions"}),
                }
            },
            f"/v1/models/{names.url}:predict": {
                "post": {
                    "summary": "Predict by KServe's v1 protocol",
                    "operationId": "predict_v1",
                    "requestBody": _body({"type": "object", "required": ["instances"]}),
                    "responses": _responses({"$ref": "#/components/schemas/Predictions"}),
                }
            },
            f"{model}/infer": {
                "post": {
                    "summary": "Predict by the Open Inference Protocol v2",
                    "operationId": "infer",
                    "requestBody": _body({"type": "object", "required": ["inputs"]}),
                    "responses": _responses({"type": "object"}),
                }
            },
            model: {
                "get": {
                    "summary": "Describe the model",
                    "operationId": "describe",
                    "responses": _responses({"type": "object"}),
                }
            },
        },
        "components": {
            "schemas": {
                "Row": row,
                "Prediction": {
                    "type": "object",
                    "properties": {
                        "prediction": output,
                        "predictions": _list(output),
                        "prediction_id": {"type": "string"},
                        "deployment": {"type": "string"},
                        "model": {"type": "string"},
                        "revision": {"type": "integer"},
                    },
                },
                "Predictions": {"type": "object", "properties": {"predictions": _list(output)}},
                "Error": {
                    "type": "object",
                    "required": ["error", "code"],
                    "properties": {
                        "error": {"type": "string"},
                        "code": {"type": "string"},
                        "column": {"type": "string"},
                        "row": {"type": "integer"},
                    },
                },
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _row(columns: Columns) -> dict[str, Any]:
    if columns.is_free:
        return _list({"type": "number"})
    return {
        "type": "object",
        "required": columns.names,
        "properties": {entry.name: _schema(entry, columns) for entry in columns.entries},
        "additionalProperties": False,
    }


def _schema(entry: Entry, columns: Columns) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": entry.dtype}
    kind = _FAMILIES.get(entry.family)
    if entry.packed.startswith("float"):
        kind = "number"
    elif entry.packed == "bool":
        kind = "boolean"
    elif entry.packed != JSON:
        kind = "integer"
    if kind is not None:
        schema["type"] = [kind, "null"] if columns.missing and kind in ("number", "string") else kind
    for size in reversed(entry.tail):
        bounds = {} if size is None else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **bounds}
    return schema


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _responses(schema: dict[str, Any]) -> dict[str, Any]:
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    return {
        "200": {"description": "The answer", "content": {"application/json": {"schema": schema}}},
        "400": {"description": "The request is wrong; the error names column and row", **error},
        "413": {"description": "The request is too large", **error},
        "500": {"description": "The model failed", **error},
        "503": {"description": "Nothing serves, or too many requests wait", **error},
    }


def _output_parameter(methods: list[str]) -> dict[str, Any]:
    return {
        "name": "output",
        "in": "query",
        "required": False,
        "description": "What to return",
        "schema": {"type": "string", "enum": methods, "default": "predict"},
    }
