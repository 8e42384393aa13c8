"""XGBoost: `xgboost.train` with its evaluations as series. The scikit-learn interface calls it too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from modelyard.sdk.autolog.base import (
    caller_outside,
    head,
    is_paused,
    log_params,
    log_training_data,
    notice_model,
    paused,
    quietly,
    reference,
    wrap,
)
from modelyard.sdk.runs.block import current_run

_SOURCE = "_modelyard_source"


class XgboostAutologger:
    name = "xgboost"
    module = "xgboost"

    def install(self, module: ModuleType) -> None:
        before = module.train
        wrap(module, "train", lambda train: _noting_train(train, module))
        for name in ("xgboost.training", "xgboost.sklearn"):
            inner = sys.modules.get(name)
            if inner is not None and getattr(inner, "train", None) is before:
                inner.train = module.train  # type: ignore[attr-defined]
        wrap(module.DMatrix, "__init__", _keeping_source)


def _keeping_source(init: Callable[..., None]) -> Callable[..., None]:
    """Remember the input of a matrix, which cannot return it, without keeping it alive."""

    def kept(self: Any, data: Any = None, label: Any = None, **options: Any) -> None:
        if label is None:
            init(self, data, **options)
        else:
            init(self, data, label, **options)
        if not is_paused():
            setattr(self, _SOURCE, (reference(data), reference(label)))

    return kept


def _noting_train(train: Callable[..., Any], module: ModuleType) -> Callable[..., Any]:
    def noted(params: Any, dtrain: Any, *args: Any, **options: Any) -> Any:
        outermost = not is_paused()
        options["callbacks"] = [*(options.get("callbacks") or []), _curves(module)]
        with paused():
            booster = train(params, dtrain, *args, **options)
        if outermost:
            frame = caller_outside("xgboost")
            quietly("xgboost.train", lambda: _note_train(booster, params, dtrain, args, options, frame))
        return booster

    return noted


def _note_train(booster: Any, params: Any, dtrain: Any, args: Any, options: Any, frame: Any) -> None:
    run = current_run()
    rounds = args[0] if args else options.get("num_boost_round", 10)
    log_params(run, {**dict(params), "num_boost_round": rounds})
    source, label = (find() for find in getattr(dtrain, _SOURCE, (lambda: None, lambda: None)))
    notice_model(booster, head(source))
    log_training_data(run, source, label, frame)


def _curves(module: ModuleType) -> Any:
    class Curves(module.callback.TrainingCallback):  # type: ignore[misc, name-defined]
        """Logs each evaluation of each round as a point."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            quietly("xgboost's evaluations", lambda: _log_round(evals_log, epoch))
            return False

    return Curves()


def _log_round(evals_log: Any, epoch: int) -> None:
    run = current_run()
    for data, metrics in evals_log.items():
        for metric, values in metrics.items():
            value = values[-1]
            # In cross-validation a value comes with its deviation.
            run.log_metric(f"{data}:{metric}", value[0] if isinstance(value, tuple) else value, epoch)
