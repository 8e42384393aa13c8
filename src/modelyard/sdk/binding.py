"""Functions whose first argument, the current session or run, is found at each call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


def bind(function: Callable[Concatenate[T, P], R], find: Callable[[], T], module: str) -> Callable[P, R]:
    """Return a public function of `module` that calls `function` with the result of `find` as its first argument.

    Its parameters and documentation are stated once, at `function`; help() and editors show them without the first.
    """

    @functools.wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(find(), *args, **kwargs)

    signature = inspect.signature(function)
    _, *given = signature.parameters.values()
    bound.__signature__ = signature.replace(parameters=given)  # type: ignore[attr-defined]
    bound.__module__, bound.__qualname__ = module, function.__name__
    return bound
