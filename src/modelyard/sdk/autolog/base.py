"""The autologger protocol, and tools for all autologgers."""

from __future__ import annotations

import functools
import logging
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType, FunctionType, ModuleType
from typing import Any, Protocol, TypeVar, runtime_checkable

# Plug-ins find all their tools in this module.
from modelyard.sdk.notice import is_paused as is_paused
from modelyard.sdk.notice import notice_model as notice_model
from modelyard.sdk.notice import paused as paused
from modelyard.sdk.notice import switch
from modelyard.sdk.runs.block import current_run
from modelyard.sdk.runs.handle import Run

logger = logging.getLogger("modelyard")
F = TypeVar("F", bound=Callable[..., Any])

MAX_DATA_BYTES = 512 * 1024 * 1024
INPUTS_NAMED = "MODELYARD_RUN_INPUTS"
"""Variable that says that the run has inputs, of which this process does not know."""
"""Larger inputs are not read again automatically; `my.log_input` reads inputs of any size."""
_MARK = "_modelyard_original"
_EXAMPLE_ROWS = 5


@runtime_checkable
class Autologger(Protocol):
    """Support for one framework. It is built without arguments, and importing its module imports no framework."""

    name: str
    module: str
    """Once this module is imported, `install` is called with it."""

    def install(self, module: ModuleType) -> None:
        """Wrap the training functions of the framework. A second call does nothing."""
        ...


def head(data: Any) -> Any:
    """Return the first rows of a frame or an array, for an example; None for anything else."""
    try:
        if hasattr(data, "head"):
            return data.head(_EXAMPLE_ROWS)
        return data[:_EXAMPLE_ROWS].copy() if hasattr(data, "shape") else None
    except Exception:  # noqa: BLE001 - an example is a courtesy, whatever a library makes of a slice
        return None


# --- keeping out of the training's way -------------------------------------------------------------------


_warned: set[str] = set()


def quietly(what: str, work: Callable[[], object]) -> None:
    """Run the work without logging its own calls, and without letting its errors reach the training."""
    if not switch.on:
        return
    try:
        with paused():
            work()
    except Exception as error:  # noqa: BLE001 - autologging never breaks a training
        if what not in _warned:
            _warned.add(what)
            logger.warning("autolog: %s was not logged: %s: %s", what, type(error).__name__, error)
            with suppress(Exception):
                current_run().note(f"Autolog of {what} failed: {type(error).__name__}: {error}")


def wrap(owner: Any, name: str, make: Callable[[F], F]) -> None:
    """Replace an attribute by the result of `make`, only once."""
    original = vars(owner).get(name) if isinstance(owner, type) else getattr(owner, name, None)
    if original is None or hasattr(original, _MARK):
        return
    wrapper: Any
    if isinstance(owner, type) and not isinstance(original, FunctionType):
        wrapper = _Descriptor(original, make)
    else:
        wrapper = functools.wraps(original)(make(original))
    setattr(wrapper, _MARK, original)
    setattr(owner, name, wrapper)


class _Descriptor:
    """A method that only some objects have (scikit-learn's `available_if`)."""

    def __init__(self, original: Any, make: Callable[..., Any]) -> None:
        self._original, self._make = original, make

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # Raises AttributeError if there is no such method, as before.
        bound = self._original.__get__(instance, owner)
        if instance is None:
            return bound
        noted = self._make(lambda _, *args, **options: bound(*args, **options))
        return functools.wraps(bound)(functools.partial(noted, instance))


def replace_in_main(before: Any, after: Any) -> None:
    """Replace a function in a notebook that ran `from package import name` before autologging."""
    main = vars(sys.modules["__main__"])
    for name, value in list(main.items()):
        if value is before:
            main[name] = after


# --- logging ---------------------------------------------------------------------------------------------


def log_params(run: Run, params: Mapping[str, Any]) -> None:
    """Log params that have a short form; objects by the name of their class. Lists of objects are omitted."""
    for name, value in params.items():
        if _is_plain(value):
            run.log_param(name, value)
        elif not isinstance(value, list | tuple | dict):
            run.log_param(name, _words(value))


def _is_plain(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | float | str):
        return True
    if isinstance(value, list | tuple):
        return len(value) <= 100 and all(map(_is_plain, value))
    if isinstance(value, dict):
        return len(value) <= 100 and all(map(_is_plain, value.values()))
    return hasattr(value, "item") and getattr(value, "size", 1) == 1


def _words(value: Any) -> str:
    if isinstance(value, type | FunctionType):
        return value.__qualname__
    if hasattr(value, "get_params"):
        return type(value).__qualname__
    text = repr(value)
    return text if len(text) <= 200 else type(value).__qualname__


def caller_outside(*packages: str) -> FrameType | None:
    """Return the frame of the user's code that called into one of these packages."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in (*packages, "modelyard", "functools", "contextlib"):
            return frame
        frame = frame.f_back
    return None


def name_in(frame: FrameType | None, value: Any) -> str | None:
    """Return the name that the user's code has for this object."""
    if frame is None or value is None:
        return None
    for names in (frame.f_locals, frame.f_globals):
        for name, held in list(names.items()):
            if held is value and not name.startswith("_"):
                return str(name)
    return None


def log_training_data(run: Run, data: Any, target: Any, frame: FrameType | None) -> None:
    """Log the training's input with its target, under its name in the user's code.

    This does nothing if the run already has inputs, also those that another process has named. Large data is not read again,
    which is noted.
    """
    if run.inputs or data is None or os.environ.get(INPUTS_NAMED):
        return
    from modelyard.sdk.datasets.describing import name_of

    known, source = name_of(data)
    name = known or name_in(frame, data) or "training data"
    if _size(data) > MAX_DATA_BYTES:
        run.note(
            f"{name} was not read again, because it is larger than {MAX_DATA_BYTES // 2**20} MiB, so the data of this "
            f"run is not known. Name it: my.log_input(…, name={name!r})"
        )
        return
    run.log_input(data, target=target, name=name, source=source, split="train")


def _size(data: Any) -> int:
    usage = getattr(data, "memory_usage", None)
    if callable(usage):
        return int(usage().sum())
    return int(getattr(data, "nbytes", 0))


def reference(value: Any) -> Callable[[], Any]:
    """Return a function that returns the object without keeping it alive, if the object allows that."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: None
