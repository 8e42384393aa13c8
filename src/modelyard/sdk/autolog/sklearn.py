"""scikit-learn: `fit` of the outermost estimator, `score`, and the functions of `sklearn.metrics`.

Libraries with scikit-learn's interface (XGBoost, LightGBM, CatBoost) have estimators too, which are logged here;
their own autologgers add the curves.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

from modelyard.sdk.autolog.base import (
    caller_outside,
    head,
    is_paused,
    log_params,
    log_training_data,
    name_in,
    notice_model,
    paused,
    quietly,
    reference,
    replace_in_main,
    wrap,
)
from modelyard.sdk.runs.block import current_run

MAX_SCORED_ROWS = 200_000
_PREPARED = "_modelyard_prepared"
_trained_on: list[Callable[[], Any]] = []
"""The target and the input of the last fit; metrics on them are metrics on the training split."""


class SklearnAutologger:
    name = "scikit-learn"
    module = "sklearn.base"

    def install(self, module: ModuleType) -> None:
        base = module.BaseEstimator
        # Most estimators inherit their `score` from one of the mixins.
        waiting = [
            base,
            *(cls for cls in vars(module).values() if isinstance(cls, type) and "score" in vars(cls)),
        ]
        while waiting:
            cls = waiting.pop()
            _wrap_class(cls)
            waiting.extend(cls.__subclasses__())
        own = vars(base).get("__init_subclass__")
        if hasattr(own, _PREPARED):
            return

        def prepared(cls: Any, /, **options: Any) -> None:
            if own is None:
                super(base, cls).__init_subclass__(**options)
            else:
                own.__func__(cls, **options)
            _wrap_class(cls)

        setattr(prepared, _PREPARED, True)
        base.__init_subclass__ = classmethod(prepared)


def _wrap_class(cls: type) -> None:
    if "fit" in vars(cls):
        wrap(cls, "fit", _noting_fit)
    if "score" in vars(cls):
        wrap(cls, "score", _noting_score)


def _noting_fit(fit: Callable[..., Any]) -> Callable[..., Any]:
    def noted(self: Any, *args: Any, **options: Any) -> Any:
        if is_paused():
            return fit(self, *args, **options)
        with paused():
            fitted = fit(self, *args, **options)
        # Only a fitted object that predicts is a model; a scaler is not.
        if hasattr(self, "predict"):
            data = args[0] if args else options.get("X")
            target = args[1] if len(args) > 1 else options.get("y")
            frame = caller_outside("sklearn", "xgboost", "lightgbm")
            quietly(f"fit of {type(self).__name__}", lambda: _note_fit(self, data, target, frame))
        return fitted

    return noted


def _note_fit(estimator: Any, data: Any, target: Any, frame: FrameType | None) -> None:
    run = current_run()
    run.log_param("estimator", f"{type(estimator).__module__}.{type(estimator).__qualname__}")
    log_params(run, estimator.get_params(deep=True))
    model = estimator
    if hasattr(estimator, "best_params_"):
        log_params(run, {f"best_{name}": value for name, value in estimator.best_params_.items()})
        run.log_metric("validation:best_score", estimator.best_score_)
        model = getattr(estimator, "best_estimator_", estimator)
    _trained_on[:] = [reference(value) for value in (data, target) if value is not None]
    notice_model(model, head(data))
    quietly("the training data", lambda: log_training_data(run, data, target, frame))
    rows = getattr(data, "shape", [0])[0]
    if hasattr(estimator, "score") and 0 < rows <= MAX_SCORED_ROWS:
        quietly("the training score", lambda: _log_training_score(estimator, data, target))


def _log_training_score(estimator: Any, data: Any, target: Any) -> None:
    value = estimator.score(data) if target is None else estimator.score(data, target)
    current_run().log_metric(f"train:{_word_for_score(estimator)}", value)


def _word_for_score(estimator: Any) -> str:
    kind = getattr(estimator, "_estimator_type", None)
    if hasattr(estimator, "scoring") and estimator.scoring is not None:
        return "score"
    if kind is None and hasattr(estimator, "__sklearn_tags__"):
        kind = estimator.__sklearn_tags__().estimator_type
    return {"classifier": "accuracy", "regressor": "r2"}.get(str(kind), "score")


def _noting_score(score: Callable[..., Any]) -> Callable[..., Any]:
    def noted(self: Any, *args: Any, **options: Any) -> Any:
        if is_paused():
            return score(self, *args, **options)
        with paused():
            value = score(self, *args, **options)
        if isinstance(value, numbers.Real):
            truth = args[1] if len(args) > 1 else options.get("y", args[0] if args else None)
            frame = caller_outside("sklearn")
            quietly("score", lambda: _log_measured(_word_for_score(self), value, truth, frame))
        return value

    return noted


# --- sklearn.metrics -------------------------------------------------------------------------------------


class SklearnMetricsAutologger:
    name = "scikit-learn-metrics"
    module = "sklearn.metrics"

    def install(self, module: ModuleType) -> None:
        for name in module.__all__:
            function = getattr(module, name)
            # Functions that compare with a truth; no classes, displays or function factories.
            if isinstance(function, type) or not re.search(r"(_score|_error|_loss|_deviance|auc)\Z", name):
                continue
            wrap(module, name, lambda original, name=name: _noting_metric(original, name))  # type: ignore[misc]
            replace_in_main(function, getattr(module, name))


def _noting_metric(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    word = name.removesuffix("_score")

    def noted(*args: Any, **options: Any) -> Any:
        value = function(*args, **options)
        if not is_paused() and isinstance(value, numbers.Real):
            frame = caller_outside()
            package = "" if frame is None else str(frame.f_globals.get("__name__", "")).partition(".")[0]
            # Scores that a library computes for its own use are not logged.
            if package not in ("sklearn", "xgboost", "lightgbm", "imblearn"):
                truth = args[0] if args else options.get("y_true")
                quietly(name, lambda: _log_measured(word, value, truth, frame))
        return value

    return noted


def _log_measured(word: str, value: Any, truth: Any, frame: FrameType | None) -> None:
    split = split_of(truth, frame)
    current_run().log_metric(f"{split}:{word}" if split else word, value)


def split_of(truth: Any, frame: FrameType | None) -> str:
    """Return the split of measured data: `train` for the data of the fit, otherwise the split in its name."""
    if truth is not None and any(known() is truth for known in _trained_on):
        return "train"
    name = (name_in(frame, truth) or "").lower()
    for split, words in (
        ("test", ("test", "holdout")),
        ("validation", ("val", "valid", "dev")),
        ("train", ("train",)),
    ):
        if any(re.search(rf"(\A|_|\d){word}", name) for word in words):
            return split
    return ""
