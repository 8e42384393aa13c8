"""LightGBM: `lightgbm.train` with its evaluations as series. The scikit-learn interface calls it too."""

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
    wrap,
)
from modelyard.sdk.runs.block import current_run


class LightgbmAutologger:
    name = "lightgbm"
    module = "lightgbm"

    def install(self, module: ModuleType) -> None:
        before = module.train
        wrap(module, "train", _noting_train)
        for name in ("lightgbm.engine", "lightgbm.sklearn"):
            inner = sys.modules.get(name)
            if inner is not None and getattr(inner, "train", None) is before:
                inner.train = module.train  # type: ignore[attr-defined]


def _noting_train(train: Callable[..., Any]) -> Callable[..., Any]:
    def noted(params: Any, train_set: Any, *args: Any, **options: Any) -> Any:
        outermost = not is_paused()
        # Building the dataset discards the data that it was built from.
        source, label = getattr(train_set, "data", None), getattr(train_set, "label", None)
        options["callbacks"] = [*(options.get("callbacks") or []), _note_round]
        with paused():
            booster = train(params, train_set, *args, **options)
        if outermost:
            frame = caller_outside("lightgbm")
            quietly("lightgbm.train", lambda: _note_train(booster, params, source, label, args, options, frame))
        return booster

    return noted


def _note_train(
    booster: Any, params: Any, source: Any, label: Any, args: Any, options: Any, frame: Any
) -> None:
    run = current_run()
    rounds = args[0] if args else options.get("num_boost_round", 100)
    log_params(run, {**dict(params), "num_boost_round": rounds})
    notice_model(booster, head(source))
    log_training_data(run, source, label, frame)


def _note_round(env: Any) -> None:
    quietly("lightgbm's evaluations", lambda: _log_round(env))


def _log_round(env: Any) -> None:
    run = current_run()
    for data, metric, value, *_ in env.evaluation_result_list or ():
        run.log_metric(f"{'train' if data == 'training' else data}:{metric}", value, env.iteration)
