"""What each kind of model expects and returns: from tensors to the arguments of `predict`, and from its result to tensors.

This module runs in workers: it needs the standard library and what the saver of the model needs. NumPy and pandas are used
where the environment has them. The loader file is the only thing that is believed about a folder; nothing in it runs code.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelyard.scorer.frames import JSON, PACKED, Tensor

PREDICT, PROBABILITIES = "predict", "predict_proba"
_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float"}


class CannotServe(Exception):
    """This version cannot answer; the text says why."""


class Flavour:
    """A loaded model. inputs: entries of its signature; []: there is none."""

    def __init__(self, model: Any, framework: str, signature: Mapping[str, Any] | None) -> None:
        self.model, self.framework = model, framework
        self.inputs: list[Mapping[str, Any]] = list((signature or {}).get("inputs") or [])
        self.outputs: list[Mapping[str, Any]] = list((signature or {}).get("outputs") or [])
        names = _safely(lambda: getattr(model, "feature_names_in_", None))
        self.names: list[str] = [] if names is None else [str(name) for name in names]
        self._is_table = bool(self.inputs) and all(len(entry.get("shape") or []) == 1 for entry in self.inputs)
        self._wants_frame = bool(self.names) and importlib.util.find_spec("pandas") is not None

    def described(self) -> dict[str, Any]:
        """Return what the front should know: methods, number of features, whether missing values are accepted."""
        features = _safely(lambda: getattr(self.model, "n_features_in_", None))
        return {
            "framework": self.framework,
            "class": f"{type(self.model).__module__}.{type(self.model).__qualname__}",
            "methods": [name for name in (PREDICT, PROBABILITIES) if self.has(name)],
            "features": features if isinstance(features, int) else None,
            "names": self.names,
            "missing": self.takes_missing(),
        }

    def has(self, method: str) -> bool:
        return callable(_safely(lambda: getattr(self.model, method, None)))

    def takes_missing(self) -> bool:
        """Return whether NaN is accepted in numbers, as far as the model tells."""
        tags = _safely(lambda: self.model.__sklearn_tags__())
        found = _safely(lambda: tags.input_tags.allow_nan)
        return bool(found) if isinstance(found, bool) else False

    def predict(self, tensors: Sequence[Tensor], method: str) -> list[Tensor]:
        return self.tensors_of(getattr(self.model, method)(self.argument(tensors)), method)

    # --- arguments -----------------------------------------------------------------------------------

    def argument(self, tensors: Sequence[Tensor]) -> Any:
        """Return what `predict` gets: a frame or an array of columns, one array, or arrays by name."""
        if not self._is_table:
            arrays = {tensor.name: array_of(tensor) for tensor in tensors}
            return next(iter(arrays.values())) if len(arrays) == 1 else arrays
        columns = [str(entry["name"]) for entry in self.inputs]
        if self._wants_frame:
            return self._frame(columns, tensors)
        if len(tensors) == 1 and tensors[0].tail:
            matrix = array_of(tensors[0])
            order = self._order(columns)
            return matrix if order is None else matrix[:, order]
        numpy = _numpy()
        found = [array_of(tensor) for tensor in tensors]
        order = self._order(columns)
        found = found if order is None else [found[at] for at in order]
        if any(tensor.dtype == JSON for tensor in tensors):
            return numpy.column_stack([each.astype(object) for each in found])
        return numpy.column_stack(found)

    def _order(self, columns: list[str]) -> list[int] | None:
        """Return the positions of the model's columns in the signature; None: the same order."""
        if not self.names or self.names == columns or set(self.names) - set(columns):
            return None
        return [columns.index(name) for name in self.names]

    def _frame(self, columns: list[str], tensors: Sequence[Tensor]) -> Any:
        import pandas  # type: ignore[import-untyped,unused-ignore]

        if len(tensors) == 1 and tensors[0].tail:
            frame = pandas.DataFrame(array_of(tensors[0]), columns=columns, copy=False)
        else:
            types = {str(entry["name"]): str(entry["dtype"]) for entry in self.inputs}
            frame = pandas.DataFrame({t.name: _column(pandas, t, types.get(t.name, "")) for t in tensors})
        return frame if self.names == columns or set(self.names) - set(columns) else frame[self.names]

    # --- results -------------------------------------------------------------------------------------

    def tensors_of(self, result: Any, method: str) -> list[Tensor]:
        if isinstance(result, Mapping):
            return [tensor_of(str(name), value) for name, value in result.items()]
        if hasattr(result, "columns") and hasattr(result, "items"):
            return [tensor_of(str(name), column) for name, column in result.items()]
        told = [str(entry.get("name", "")) for entry in self.outputs]
        name = told[0] if method == PREDICT and len(told) == 1 else method
        return [tensor_of(name, result)]


class XgboostBooster(Flavour):
    """xgboost.Booster predicts on its own kind of matrix."""

    def takes_missing(self) -> bool:
        return True

    def predict(self, tensors: Sequence[Tensor], method: str) -> list[Tensor]:
        import xgboost

        data = self.argument(tensors)
        names = self.model.feature_names if not hasattr(data, "columns") else None
        return self.tensors_of(self.model.predict(xgboost.DMatrix(data, feature_names=names)), method)


class Trees(Flavour):
    """XGBoost and LightGBM in the form of scikit-learn, and LightGBM's booster: missing values are their own branch."""

    def takes_missing(self) -> bool:
        return True


class OnnxSession(Flavour):
    """An onnxruntime session; its inputs and outputs have names."""

    def has(self, method: str) -> bool:
        return method == PREDICT

    def predict(self, tensors: Sequence[Tensor], method: str) -> list[Tensor]:
        wanted = self.model.get_inputs()
        argument = self.argument(tensors)
        given = argument if isinstance(argument, dict) else {wanted[0].name: argument}
        if len(wanted) > 1 and self._is_table:
            given = {tensor.name: array_of(tensor) for tensor in tensors}
        names = [output.name for output in self.model.get_outputs()]
        return [tensor_of(name, value) for name, value in zip(names, self.model.run(None, given), strict=True)]


class TransformersModel(Flavour):
    """A model of transformers: tensors by name go in, and the tensors of its output come out."""

    def has(self, method: str) -> bool:
        return method == PREDICT

    def predict(self, tensors: Sequence[Tensor], method: str) -> list[Tensor]:
        import torch

        given = {tensor.name: torch.from_numpy(array_of(tensor).copy()) for tensor in tensors}
        with torch.inference_mode():
            result = self.model(**given)
        found = {name: value for name, value in dict(result).items() if isinstance(value, torch.Tensor)}
        rows = tensors[0].rows
        return [tensor_of(name, value) for name, value in found.items() if value.ndim and len(value) == rows]


def flavour_of(folder: Path, signature: Mapping[str, Any] | None) -> Flavour:
    """Load the model in a folder. Raises CannotServe, and the errors of the savers."""
    from modelyard.sdk.savers.base import read_loader
    from modelyard.sdk.savers.folder import load_model

    spec = read_loader(folder)
    options: dict[str, Any] = {"as_session": True} if spec.saver == "onnx" else {}
    if spec.saver == "pytorch":
        raise CannotServe(
            "a PyTorch module is kept as weights without its code, so it cannot predict by itself. Push it as ONNX: "
            "torch.onnx.export"
        )
    _one_thread(spec.saver)
    # The front checks the data before it is sent.
    model = load_model(folder, trust=False, check=False, **options)
    flavour = _class_for(spec.saver, model)(model, spec.framework, signature or spec.signature)
    if not flavour.has(PREDICT):
        raise CannotServe(f"an object of type {type(model).__name__} has no method predict")
    return flavour


def _class_for(saver: str, model: Any) -> type[Flavour]:
    if saver == "onnx":
        return OnnxSession
    if saver == "transformers":
        return TransformersModel
    if saver == "xgboost":
        return XgboostBooster if type(model).__name__ == "Booster" else Trees
    return Trees if saver == "lightgbm" else Flavour


def _one_thread(saver: str) -> None:
    """The variables of `launch` hold for the rest; torch has its own pool."""
    if saver == "transformers" and importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


# --- arrays ------------------------------------------------------------------------------------------


def array_of(tensor: Tensor) -> Any:
    numpy = _numpy()
    if tensor.dtype == JSON:
        found = numpy.empty(len(tensor.data), dtype=object)
        found[:] = tensor.data
        return found if not tensor.tail else numpy.array(tensor.data, dtype=object)
    array = numpy.frombuffer(tensor.data, dtype=f"<{PACKED[tensor.dtype]}")
    return array.reshape((-1, *tensor.tail)) if tensor.tail else array


def _column(pandas: Any, tensor: Tensor, dtype: str) -> Any:
    if tensor.dtype != JSON:
        return array_of(tensor)
    if dtype.startswith("datetime"):
        return pandas.to_datetime(pandas.Series(tensor.data), utc="utc" in dtype.lower())
    return pandas.Series(tensor.data, dtype=dtype if dtype in ("string", "category") else object)


def tensor_of(name: str, value: Any) -> Tensor:
    """Return a result as a tensor: packed if its type has such a form, otherwise one JSON value for each row."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "toarray"):
        value = value.toarray()
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if not hasattr(value, "dtype"):
        if not isinstance(value, list | tuple):
            raise CannotServe(f"the model returned a {type(value).__name__} instead of rows")
        if importlib.util.find_spec("numpy") is None or any(isinstance(row, Mapping) for row in value):
            return Tensor(name, JSON, (), [plain(row) for row in value])
        value = _numpy().asarray(value)
    if value.ndim == 0:
        raise CannotServe("the model returned one value instead of rows")
    kind = _KINDS.get(value.dtype.kind)
    dtype = kind if kind == "bool" else f"{kind}{value.dtype.itemsize * 8}"
    if dtype not in PACKED:
        return Tensor(name, JSON, (), [plain(row) for row in value.tolist()])
    if value.dtype.byteorder == ">":
        value = value.astype(value.dtype.newbyteorder("<"))
    return Tensor(name, dtype, value.shape[1:], value.tobytes())


def plain(value: Any) -> Any:
    """Return a value as JSON; NaN and infinity have none and become null."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return plain(value.tolist()) if hasattr(value, "tolist") else str(value)


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise CannotServe("the environment of this version has no NumPy") from None
    return numpy


def _safely(ask: Any) -> Any:
    """Return None where asking raises: attributes of models may be computed."""
    try:
        return ask()
    except Exception:  # noqa: BLE001 - models raise anything
        return None
