"""XGBoost boosters and their scikit-learn wrappers, as XGBoost's own UBJSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid
from modelyard.sdk.savers.base import (
    LoaderSpec,
    SavedModel,
    Trust,
    class_names,
    class_path_of,
    require,
    take_options,
    versions_of,
)
from modelyard.sdk.savers.signature import infer_signature, predicted_signature
from modelyard.sdk.savers.values import decode_parameters, encode_parameters

FILE = "model.ubj"
_WRAPPERS = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")


class XgboostSaver:
    name = "xgboost"
    priority = 50

    def claims(self, obj: object) -> bool:
        names = class_names(obj)
        return "xgboost.Booster" in names or any(f"xgboost.{wrapper}" in names for wrapper in _WRAPPERS)

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        wrapper = next((c.__name__ for c in type(obj).__mro__ if _is_wrapper(c)), None)
        extra: dict[str, Any] = {"wrapper": wrapper}
        lost: list[str] = []
        if wrapper is not None:
            extra["parameters"], callables = encode_parameters(obj.get_params(deep=False))
            lost += [f"the parameter {name} of {wrapper}" for name in callables]
            if type(obj).__name__ != wrapper:
                lost.append(f"the class {class_path_of(obj)} (it becomes {wrapper})")
        signature = infer_signature(example) if wrapper is None else predicted_signature(obj, example)
        obj.save_model(folder / FILE)
        return SavedModel(
            framework="xgboost",
            class_path=class_path_of(obj),
            files=(FILE,),
            versions=versions_of("xgboost", "scikit-learn", "numpy"),
            signature=signature,
            extra=extra | ({"not_restored": lost} if lost else {}),
        )

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        take_options(options)
        path = spec.only_file(folder, ".ubj")
        xgboost = require("xgboost", "this model")
        wrapper = spec.extra.get("wrapper")
        if wrapper is None:
            return xgboost.Booster(model_file=path)
        if wrapper not in _WRAPPERS:
            raise Invalid(reason=f"{wrapper!r} is not a wrapper class of XGBoost")
        parameters = decode_parameters(spec.extra.get("parameters"))
        model = getattr(xgboost, wrapper)(**parameters)
        model.load_model(path)
        # load_model replaces some parameters by fitted values; restore the user's.
        return model.set_params(**parameters)


def _is_wrapper(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "xgboost" and cls.__name__ in _WRAPPERS
