"""Infer a signature from example data: names, dtypes and shapes, with the first dimension left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard.domain.errors import Invalid


def infer_signature(example: Any, output: Any = None) -> dict[str, Any] | None:
    """Return {"inputs": [...], "outputs": [...]} with entries {name, dtype, shape}; None without an example.

    A DataFrame has one entry per column, a mapping one per key, an array a single one. In a shape, None is any size;
    the first dimension is rows. Raises Invalid for any other data.
    """
    if example is None:
        return None
    return {
        "inputs": _entries(example, "input"),
        "outputs": [] if output is None else _entries(output, "output"),
    }


def predicted_signature(model: Any, example: Any) -> dict[str, Any] | None:
    """Infer a signature with the outputs of `model.predict(example)`. Raises Invalid if the two do not fit."""
    if example is None:
        return None
    if not hasattr(model, "predict"):
        return infer_signature(example)
    try:
        output = model.predict(example)
    except (ValueError, TypeError, KeyError) as error:
        raise Invalid(reason=f"the example does not fit the model: {error}") from error
    return infer_signature(example, output)


def describe_data(data: Any) -> list[dict[str, Any]] | None:
    """Return names, dtypes and shapes in the form of a signature; None for data without them."""
    try:
        return _entries(data, "input")
    except (Invalid, TypeError, ValueError):
        return None


def _entries(data: Any, name: str) -> list[dict[str, Any]]:
    columns = getattr(data, "columns", None)
    if columns is not None and hasattr(data, "dtypes"):
        return [_column(column, dtype) for column, dtype in zip(columns, data.dtypes, strict=True)]
    if isinstance(data, Mapping):
        return [_array(str(key), value) for key, value in data.items()]
    return [_array(str(getattr(data, "name", None) or name), data)]


def _column(name: Any, column_dtype: Any) -> dict[str, Any]:
    dtype = str(column_dtype).lower()
    # Texts have the dtype `object` in older pandas, and `str` or `string` in newer.
    dtype = "string" if dtype in ("str", "string") or dtype.startswith("string[") else dtype
    return {"name": str(name), "dtype": dtype, "shape": [None]}


def _array(name: str, value: Any) -> dict[str, Any]:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or shape is None:
        raise Invalid(
            reason=f"an example of type {type(value).__name__} has no dtype and shape",
            fix="Pass a DataFrame, an array, or a dict of arrays",
        )
    word = str(dtype).removeprefix("torch.")
    if getattr(dtype, "kind", "") in ("U", "S", "T"):
        word = "string"
    sizes = [int(size) for size in shape]
    return {"name": name, "dtype": word, "shape": [None, *sizes[1:]] if sizes else []}
