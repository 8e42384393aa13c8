"""What an autologger is, and what all of them need."""

from __future__ import annotations

import functools
import logging
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
"""Larger inputs are not read again by themselves; `my.log_input` reads what it is given."""
_MARK = "_modelyard_original"
_EXAMPLE_ROWS = 5


@runtime_checkable
class Autologger(Protocol):
    """Built without arguments. Importing its module must import no framework."""

    name: str
    module: str
    """Once this module is imported, `install` is called with it."""

    def install(self, module: ModuleType) -> None:
        """Wrap what the framework calls to train. May be called again, and then does nothing."""
        ...


def head(data: Any) -> Any:
    """Return the first rows of a frame or an array, for an example; None for anything else."""
    try:
        if hasattr(data, "head"):
            return data.head(_EXAMPLE_ROWS)
        return data[:_EXAMPLE_ROWS].copy() if hasattr(data, "shape") else None
    except Exception:  # noqa: BLE001 - an example is a courtesy, whatever a library makes of a slice
        return None


# --- not disturbing the training -------------------------------------------------------------------------


_warned: set[str] = set()


def quietly(what: str, work: Callable[[], object]) -> None:
    """Do it, without a word of it to be noted, and let nothing of it reach the training."""
    if not switch.on:
        return
    try:
        with paused():
            work()
    except Exception as error:  # noqa: BLE001 - autologging never breaks a training
        if what not in _warned:
            _warned.add(what)
            logger.warning("autolog: %s was not noted: %s: %s", what, type(error).__name__, error)
            with suppress(Exception):
                current_run().note(f"Autolog of {what} failed: {type(error).__name__}: {error}")


def wrap(owner: Any, name: str, make: Callable[[F], F]) -> None:
    """Replace an attribute by what `make` makes of it, once."""
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
    """A method that is there only for some objects (scikit-learn's `available_if`)."""

    def __init__(self, original: Any, make: Callable[..., Any]) -> None:
        self._original, self._make = original, make

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # Raises AttributeError where there is no such method, as ever.
        bound = self._original.__get__(instance, owner)
        if instance is None:
            return bound
        noted = self._make(lambda _, *args, **options: bound(*args, **options))
        return functools.wraps(bound)(functools.partial(noted, instance))


def replace_in_main(before: Any, after: Any) -> None:
    """Replace a function in a notebook that said `from package import name` before autologging."""
    main = vars(sys.modules["__main__"])
    for name, value in list(main.items()):
        if value is before:
            main[name] = after


# --- what is said ----------------------------------------------------------------------------------------


def log_params(run: Run, params: Mapping[str, Any]) -> None:
    """Those that have a short form; objects by the name of their class. Lists of objects are left out."""
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
    """Describe the training's input with its target, under the name the user's code has for it.

    Nothing when the run was told of its inputs already, or the data is large.
    """
    if run.inputs or data is None or _size(data) > MAX_DATA_BYTES:
        return
    name = name_in(frame, data) or "training data"
    run.log_input(with_target(data, target), name=name, split="train")


def _size(data: Any) -> int:
    usage = getattr(data, "memory_usage", None)
    if callable(usage):
        return int(usage().sum())
    return int(getattr(data, "nbytes", 0))


def with_target(data: Any, target: Any) -> Any:
    """Return a frame or an array with the target as its last column, when that fits."""
    if target is None or not hasattr(data, "shape") or len(data.shape) != 2:
        return data
    rows = data.shape[0]
    if getattr(target, "ndim", 1) != 1 or len(target) != rows or not hasattr(target, "__array__"):
        return data
    if hasattr(data, "assign"):
        name = str(getattr(target, "name", None) or "target")
        return data if name in data.columns else data.assign(**{name: list(target)})
    numpy = sys.modules.get("numpy")
    if (
        numpy is None
        or not isinstance(data, numpy.ndarray)
        or data.dtype == object
        or target.dtype.kind not in "biuf"
    ):
        return data
    return numpy.column_stack([data, target])


def reference(value: Any) -> Callable[[], Any]:
    """Return a way to the object that does not keep it, where it allows that."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: None
