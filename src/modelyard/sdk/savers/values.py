"""Parameters and labels as JSON and back, exactly: integers, floats with nan and inf, tuples, arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from modelyard.domain.errors import Invalid
from modelyard.sdk.savers.base import require

_ARRAY_DTYPE = re.compile(r"[<>|=]?[biufU]\d{1,6}|object")


def encode_value(value: Any) -> Any:
    """Encode a value. Raises ValueError for values without an exact form here (functions, objects)."""
    if value is None or isinstance(value, bool | str):
        return value
    if hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        value = value.item()
        return encode_value(value)
    if isinstance(value, int) and type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, list):
        return [encode_value(v) for v in value]
    if type(value) is tuple:
        return {"$tuple": [encode_value(v) for v in value]}
    if type(value) is dict:
        return {"$dict": [[encode_value(k), encode_value(v)] for k, v in value.items()]}
    if (
        hasattr(value, "dtype")
        and len(getattr(value, "shape", ())) == 1
        and _ARRAY_DTYPE.fullmatch(value.dtype.str)
    ):
        return {"$array": [encode_value(v) for v in value.tolist()], "dtype": value.dtype.str}
    if hasattr(value, "dtype") and value.dtype == object and len(value.shape) == 1:
        return {"$array": [encode_value(v) for v in value.tolist()], "dtype": "object"}
    raise ValueError(f"a {type(value).__name__} has no exact form in JSON")


def decode_value(value: Any) -> Any:
    """Decode a value. Raises Invalid for anything that `encode_value` cannot have returned."""
    if isinstance(value, list):
        return [decode_value(v) for v in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$float": "nan" | "inf" | "-inf" as word, **rest} if not rest:
            return float(word)
        case {"$tuple": list(items), **rest} if not rest:
            return tuple(decode_value(v) for v in items)
        case {"$dict": list(items), **rest} if not rest:
            return {decode_value(k): decode_value(v) for k, v in items}
        case {"$array": list(items), "dtype": str(dtype), **rest} if not rest and _ARRAY_DTYPE.fullmatch(dtype):
            numpy = require("numpy", "a saved parameter")
            return numpy.array([decode_value(v) for v in items], dtype=dtype)
    raise Invalid(reason="a saved parameter has an unknown form")


def encode_parameters(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters that have an exact form, and the names of the others."""
    encoded: dict[str, Any] = {}
    lost: list[str] = []
    for name, value in parameters.items():
        try:
            encoded[name] = encode_value(value)
        except ValueError:
            lost.append(name)
    return encoded, lost


def decode_parameters(encoded: Any) -> dict[str, Any]:
    if not isinstance(encoded, dict):
        raise Invalid(reason="the saved parameters are not a JSON object")
    return {name: decode_value(value) for name, value in encoded.items()}
