"""transformers: the logs of a Trainer, its arguments, and its model."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from modelyard.sdk.autolog.base import is_paused, log_params, notice_model, paused, quietly, wrap
from modelyard.sdk.runs.block import current_run

_NOT_METRICS = ("epoch", "step", "total_flos")


class TransformersAutologger:
    name = "transformers"
    module = "transformers.trainer"

    def install(self, module: ModuleType) -> None:
        wrap(module.Trainer, "__init__", lambda init: _adding_callback(init, module))
        wrap(module.Trainer, "train", _noting_train)


def _adding_callback(init: Callable[..., None], module: ModuleType) -> Callable[..., None]:
    def noted(self: Any, *args: Any, **options: Any) -> None:
        with paused():
            init(self, *args, **options)
        quietly("the trainer", lambda: self.add_callback(_callback(module)))

    return noted


def _noting_train(train: Callable[..., Any]) -> Callable[..., Any]:
    def noted(self: Any, *args: Any, **options: Any) -> Any:
        if is_paused():
            return train(self, *args, **options)
        # The loop belongs to the trainer, whose losses come through the callback.
        with paused():
            result = train(self, *args, **options)
        quietly("the trainer's model", lambda: notice_model(self.model))
        return result

    return noted


def _callback(module: ModuleType) -> Any:
    class Notes(module.TrainerCallback):  # type: ignore[misc, name-defined]
        """Logs arguments when the training begins, and numbers whenever the trainer logs."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            quietly("the trainer's arguments", lambda: log_params(current_run(), _arguments(args)))

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            quietly("the trainer's log", lambda: _log(logs or {}, state.global_step))

    return Notes()


def _arguments(args: Any) -> dict[str, Any]:
    """Return arguments that are not empty, without tokens, which the library blanks out itself."""
    told = args.to_sanitized_dict() if hasattr(args, "to_sanitized_dict") else args.to_dict()
    return {name: value for name, value in told.items() if value not in (None, "", [], {}, "None")}


def _log(logs: dict[str, Any], step: int) -> None:
    run = current_run()
    for name, value in logs.items():
        if name not in _NOT_METRICS and isinstance(value, int | float):
            split, word = (
                ("validation", name.removeprefix("eval_")) if name.startswith("eval_") else ("train", name)
            )
            run.log_metric(f"{split}:{word.removeprefix('train_')}", value, step)
