"""Rows in JSON: the form that a person types, KServe's v1 protocol, and MLflow's scoring server.

Sources: KServe "V1 Inference Protocol"; MLflow "Local Inference Spec".
"""

from __future__ import annotations

from typing import Any

from modelyard.scorer.columns import Inputs
from modelyard.scorer.frames import Tensor
from modelyard.scorer.http import JSON_TYPE
from modelyard.scorer.protocols.base import Call, Target, Told, Written, encode, method_of, read_json, values_of
from modelyard.scorer.refusals import Refusal, bad

_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def read_typed(told: Told, target: Target) -> Call:
    """Read `{"age": 41, …}`, or a list of such objects."""
    value = read_json(told.body)
    if not isinstance(value, dict | list):
        raise bad("the body is neither an object of columns nor a list of rows", "wrong_type")
    is_one = isinstance(value, dict)
    names = told.names
    about = {
        "prediction_id": told.prediction_id,
        "deployment": names.deployment,
        "model": names.model,
        "revision": names.revision,
    }

    def write(outputs: list[Tensor]) -> Written:
        values = values_of(outputs)
        found = {"prediction": values[0]} if is_one else {"predictions": values}
        return encode({**found, **about}), JSON_TYPE, b""

    rows: list[Any] = [value] if isinstance(value, dict) else value
    return Call(target.columns.from_rows(rows), write, method_of(told.query, target))


def read_v1(told: Told, target: Target) -> Call:
    """Read `{"instances": […]}`."""
    value = read_json(told.body)
    if not isinstance(value, dict) or not (keys := [key for key in ("instances", "inputs") if key in value]):
        raise bad('the body is not an object with "instances"', "wrong_type")
    return Call(_inputs_of(value[keys[0]], keys[0], target), _predictions)


def read_invocations(told: Told, target: Target) -> Call:
    """Read `{"dataframe_split": {"columns", "data"}}`, `dataframe_records`, `instances` or `inputs`."""
    kind = told.header(b"content-type").partition(";")[0].strip().lower()
    if kind not in ("", JSON_TYPE, "application/x-www-form-urlencoded"):
        raise Refusal(415, "unknown_type", f"the body is {kind}; this deployment reads application/json")
    value = read_json(told.body)
    keys = [key for key in _FORMS if isinstance(value, dict) and key in value]
    if len(keys) != 1:
        raise bad(f"the body is not an object with one of {', '.join(_FORMS)}", "wrong_type")
    if value.get("params"):
        raise bad("this model takes no `params`", "unknown_params")
    key, data = keys[0], value[keys[0]]
    if key != "dataframe_split":
        return Call(_inputs_of(data, key, target), _predictions)
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise bad("`dataframe_split` is not an object with `columns` and `data`", "wrong_type")
    columns = data.get("columns")
    if columns is None:
        return Call(target.columns.from_rows(data["data"]), _predictions)
    if not isinstance(columns, list):
        raise bad("`columns` is not a list of names", "wrong_type")
    return Call(target.columns.from_split(columns, data["data"]), _predictions)


def mlflow_refusal(refusal: Refusal) -> dict[str, Any]:
    code = "BAD_REQUEST" if refusal.status < 500 else "INTERNAL_ERROR"
    return {"error_code": code, "message": refusal.text}


def _inputs_of(data: Any, key: str, target: Target) -> Inputs:
    if isinstance(data, dict) and key == "inputs":
        return target.columns.from_mapping(data)
    if not isinstance(data, list):
        raise bad(f"`{key}` is not a list of rows", "wrong_type")
    return target.columns.from_rows(data)


def _predictions(outputs: list[Tensor]) -> Written:
    return encode({"predictions": values_of(outputs)}), JSON_TYPE, b""
