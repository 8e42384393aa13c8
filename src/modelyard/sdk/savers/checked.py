"""A loaded model whose `predict` says in words which column does not fit, before the model is asked.

The object gets a class made below its own and called the same: isinstance, `__class__`, attributes and every other
method are as before, and a pickle, copy, clone or save of it is one of the original class, unchecked. What
cannot have such a class (types with a layout of their own) stays as it is. Fitting it again ends the check.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from modelyard.domain.errors import SignatureMismatch
from modelyard.domain.signature import check_inputs, lawful_entries, say_problems
from modelyard.sdk.savers.signature import describe_data

CHECKED = ("predict", "predict_proba")

_signatures: dict[int, Mapping[str, Any]] = {}
"""id of a living object → the signature it is checked by."""


def with_checked_predict(model: Any, signature: Mapping[str, Any] | None) -> Any:
    """Return the same object; nothing changes without valid inputs in the signature, or without `predict`."""
    if not signature or not signature.get("inputs") or not lawful_entries(signature["inputs"]):
        return model
    if isinstance(model, type) or not callable(getattr(model, "predict", None)):
        return model
    original: Any = type(model)
    try:
        _set_class(model, _checked_class(original))
    except TypeError:
        return model
    try:
        weakref.finalize(model, _signatures.pop, id(model), None).atexit = False
    except TypeError:
        _set_class(model, original)
        return model
    _signatures[id(model)] = signature
    return model


def _set_class(model: Any, cls: type) -> None:
    """Change the class of the object. Raises TypeError where that is impossible."""
    object.__dict__["__class__"].__set__(model, cls)


def check_data(signature: Mapping[str, Any], data: Any, where: str) -> None:
    """Check the data, and let data without names, types or shapes through. Raises SignatureMismatch."""
    found = describe_data(data)
    problems = check_inputs(signature, found) if found is not None else []
    if problems:
        raise SignatureMismatch(where=where, problems=say_problems(problems))


@functools.cache
def _checked_class(original: Any) -> Any:
    """Make the subclass that checks. Raises TypeError for a class that takes no subclasses."""

    def reduce(self: Any, protocol: Any) -> Any:
        """As one of the original class, which every process can find."""
        found = super(made, self).__reduce_ex__(protocol)
        if not isinstance(found, tuple):
            return found
        function, arguments, *rest = found
        swapped = tuple(original if argument is made else argument for argument in arguments)
        return (original if function is made else function, swapped, *rest)

    body: dict[str, Any] = {
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
        "__doc__": original.__doc__,
        # For pickle, sklearn.clone and all who ask so: what they make is one of the original class.
        "__class__": property(lambda _: original),
        "__reduce_ex__": reduce,
    }
    body |= {name: _Method(name, original, _checking) for name in CHECKED if hasattr(original, name)}
    if hasattr(original, "fit"):
        body["fit"] = _Method("fit", original, _forgetting)
    made: Any = types.new_class(original.__name__, (original,), exec_body=lambda space: space.update(body))
    for value in body.values():
        if isinstance(value, _Method):
            value.made = made
    return made


class _Method:
    """A method around the original one. Where that is not there for an object, this one is not either."""

    made: type

    def __init__(self, name: str, original: type, around: Callable[[Any, str, Any], Any]) -> None:
        self._name = name
        self._original = original
        self._around = around

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        if obj is None:
            return getattr(self._original, self._name)
        bound = getattr(super(self.made, obj), self._name)
        return functools.wraps(bound)(self._around(obj, self._name, bound))


def _checking(obj: Any, name: str, bound: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        signature = _signatures.get(id(obj))
        given = arguments[0] if arguments else next(iter(named.values()), None)
        if signature is not None and given is not None:
            check_data(signature, given, name)
        return bound(*arguments, **named)

    return call


def _forgetting(obj: Any, name: str, bound: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        _signatures.pop(id(obj), None)
        return bound(*arguments, **named)

    return call
