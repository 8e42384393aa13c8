"""PyTorch: loops that call `loss.backward()` and an optimizer's `step()`.

The loss is read at most a few times a second, because reading a value from an accelerator waits for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from modelyard.sdk.autolog.base import is_paused, log_params, notice_model, quietly, reference, wrap
from modelyard.sdk.runs.block import current_run

LOSS_SECONDS = 0.1
_MOST_EXACT_STEPS = 100
"""Number of first steps that are all logged, so that short trainings are complete."""

_asked: list[Callable[[], Any]] = []
"""The module whose parameters were last requested, from which an optimizer is built."""


class PytorchAutologger:
    name = "pytorch"
    module = "torch.optim"

    def install(self, module: ModuleType) -> None:
        torch: Any = sys.modules["torch"]
        wrap(torch.nn.Module, "parameters", _noting_parameters)
        wrap(module.Optimizer, "__init__", _noting_optimizer)
        wrap(torch.Tensor, "backward", _Losses().noting)


def _noting_parameters(parameters: Callable[..., Any]) -> Callable[..., Any]:
    def noted(self: Any, *args: Any, **options: Any) -> Any:
        if not is_paused():
            _asked[:] = [reference(self)]
        return parameters(self, *args, **options)

    return noted


def _noting_optimizer(init: Callable[..., None]) -> Callable[..., None]:
    def noted(self: Any, params: Any, defaults: Any, *args: Any, **options: Any) -> None:
        init(self, params, defaults, *args, **options)
        if not is_paused():
            quietly("the optimizer", lambda: _note_optimizer(self, defaults))

    return noted


def _note_optimizer(optimizer: Any, defaults: Any) -> None:
    run = current_run()
    run.log_param("optimizer", type(optimizer).__name__)
    log_params(run, {name: value for name, value in defaults.items() if value is not None})
    module = _asked[0]() if _asked else None
    if module is not None:
        run.log_param("module", type(module).__qualname__)
        run.log_param("parameters", sum(p.numel() for p in module.parameters()))
        notice_model(module)


class _Losses:
    """Samples of the loss: every one of the first steps, then one at intervals."""

    def __init__(self) -> None:
        self._step = -1
        self._run = ""
        self._last = 0.0

    def noting(self, backward: Callable[..., Any]) -> Callable[..., Any]:
        def noted(tensor: Any, *args: Any, **options: Any) -> Any:
            result = backward(tensor, *args, **options)
            if not is_paused():
                quietly("the loss", lambda: self._note(tensor))
            return result

        return noted

    def _note(self, loss: Any) -> None:
        run = current_run()
        if run.id != self._run:
            self._run, self._step = run.id, -1
        self._step += 1
        now = time.monotonic()
        if loss.numel() == 1 and (self._step < _MOST_EXACT_STEPS or now - self._last > LOSS_SECONDS):
            self._last = now
            run.log_metric("loss", loss.detach(), self._step)
