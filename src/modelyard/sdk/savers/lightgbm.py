"""LightGBM boosters and their scikit-learn wrappers, as LightGBM's own text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid, NoSaver
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
from modelyard.sdk.savers.values import decode_parameters, decode_value, encode_parameters, encode_value

FILE = "model.txt"
_WRAPPERS = ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")


class LightgbmSaver:
    name = "lightgbm"
    priority = 50

    def claims(self, obj: object) -> bool:
        names = class_names(obj)
        return "lightgbm.Booster" in names or any(f"lightgbm.{wrapper}" in names for wrapper in _WRAPPERS)

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        wrapper = next((c.__name__ for c in type(obj).__mro__ if _is_wrapper(c)), None)
        lost: list[str] = []
        extra: dict[str, Any] = {"wrapper": wrapper}
        if wrapper is None:
            booster = obj
        else:
            what = f"the estimator {class_path_of(obj)}"
            if not obj.__sklearn_is_fitted__():
                raise NoSaver(what=what, reason="it is not fitted", fix="Fit it first")
            booster = obj.booster_
            extra["parameters"], callables = encode_parameters(obj.get_params(deep=False))
            lost += [f"the parameter {name} of {wrapper}" for name in callables]
            lost += ["evals_result_"] if obj.evals_result_ else []
            if type(obj).__name__ != wrapper:
                lost.append(f"the class {class_path_of(obj)} (it becomes {wrapper})")
            if wrapper == "LGBMClassifier":
                try:
                    extra["classes"] = encode_value(obj.classes_)
                except ValueError as error:
                    raise NoSaver(what=what, reason=f"its class labels cannot be written ({error})") from error
                if callable(obj.objective_):
                    # Such a classifier predicts raw scores; its labels depend on a function that cannot be saved.
                    raise NoSaver(what=what, reason="its objective is a function", fix="Save its booster_")
        if booster.current_iteration() > booster.best_iteration > 0:
            lost.append(
                f"the trees after the best iteration ({booster.best_iteration}), which predictions ignore"
            )
        extra["best_iteration"] = booster.best_iteration
        signature = infer_signature(example) if wrapper is None else predicted_signature(obj, example)
        booster.save_model(str(folder / FILE))
        return SavedModel(
            framework="lightgbm",
            class_path=class_path_of(obj),
            files=(FILE,),
            versions=versions_of("lightgbm", "scikit-learn", "numpy"),
            signature=signature,
            extra=extra | ({"not_restored": lost} if lost else {}),
        )

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        take_options(options)
        path = spec.only_file(folder, ".txt")
        lightgbm = require("lightgbm", "this model")
        booster = lightgbm.Booster(model_file=str(path))
        best = spec.extra.get("best_iteration")
        booster.best_iteration = best if type(best) is int else -1
        wrapper = spec.extra.get("wrapper")
        if wrapper is None:
            return booster
        if wrapper not in _WRAPPERS:
            raise Invalid(reason=f"{wrapper!r} is not a wrapper class of LightGBM")
        model = getattr(lightgbm, wrapper)(**decode_parameters(spec.extra.get("parameters")))
        classes = decode_value(spec.extra.get("classes")) if wrapper == "LGBMClassifier" else None
        return _fitted(model, booster, classes)


def _fitted(model: Any, booster: Any, classes: Any) -> Any:
    """Put a booster into an unfitted wrapper.

    LightGBM has no public function for this; these are the attributes that its own fit() sets. Tests compare
    every wrapper's predictions with the original's.
    """
    model._Booster = booster
    model._n_features = model._n_features_in = booster.num_feature()
    model._best_iteration = booster.best_iteration
    model.fitted_ = True
    if classes is None:
        defaults = {"LGBMRegressor": "regression", "LGBMRanker": "lambdarank"}
        model._objective = model.objective or defaults[type(model).__name__]
        return model
    encoder = require("lightgbm.compat", "this model")._LGBMLabelEncoder().fit(classes)
    model._le, model._classes, model._n_classes = encoder, encoder.classes_, len(encoder.classes_)
    model._class_map = dict(zip(encoder.classes_, encoder.transform(encoder.classes_), strict=True))
    model._objective = model.objective or ("multiclass" if len(classes) > 2 else "binary")
    return model


def _is_wrapper(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "lightgbm" and cls.__name__ in _WRAPPERS
