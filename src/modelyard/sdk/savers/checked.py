"""A loaded model whose `predict` first checks its input, and names the columns that do not fit.

The object keeps its type, and everything that depends on it (converters, pickle, clone) works as before: the methods
of its class are replaced by ones that look up whether this object is checked. Copies are not. Classes that cannot
be changed, such as those of compiled modules, stay unchanged. Fitting the object again ends the check.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from modelyard.domain.errors import SignatureMismatch
from modelyard.domain.signature import check_inputs, lawful_entries, say_problems
from modelyard.sdk.savers.signature import describe_data

CHECKED = ("predict", "predict_proba")

_signatures: dict[int, Mapping[str, Any]] = {}
"""id of a living object → the signature it is checked by."""
_prepared = weakref.WeakSet[type]()


def with_checked_predict(model: Any, signature: Mapping[str, Any] | None) -> Any:
    """Return the same object; nothing changes without valid inputs in the signature, or without `predict`."""
    if not signature or not signature.get("inputs") or not lawful_entries(signature["inputs"]):
        return model
    if isinstance(model, type) or not callable(getattr(model, "predict", None)):
        return model
    try:
        _prepare(type(model))
        weakref.finalize(model, _signatures.pop, id(model), None).atexit = False
    except TypeError:
        return model
    _signatures[id(model)] = signature
    return model


def check_data(signature: Mapping[str, Any], data: Any, where: str) -> None:
    """Check the data; data without names, types or shapes is accepted. Raises SignatureMismatch."""
    found = describe_data(data)
    problems = check_inputs(signature, found) if found is not None else []
    if problems:
        raise SignatureMismatch(where=where, problems=say_problems(problems))


def _prepare(cls: type) -> None:
    """Replace the methods of a class, so that they check marked objects. Raises TypeError if it cannot be changed."""
    if cls in _prepared:
        return
    around = dict.fromkeys(CHECKED, _checking) | {"fit": _forgetting}
    for name, wrap in around.items():
        if hasattr(cls, name):
            setattr(cls, name, _Method(name, cls, wrap))
    _prepared.add(cls)


class _Method:
    """A wrapper around the method of this name that the class has or inherits."""

    def __init__(self, name: str, cls: type, around: Callable[[Any, str, Any], Any]) -> None:
        self._name, self._cls, self._around = name, cls, around
        self._own = vars(cls).get(name)

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        # An object without the original method (scikit-learn's available_if) does not have this one either.
        if self._own is not None:
            found = self._own.__get__(obj, owner)
        else:
            found = getattr(super(self._cls, owner if obj is None else obj), self._name)
        return found if obj is None or id(obj) not in _signatures else self._wrapped(obj, found)

    def _wrapped(self, obj: Any, bound: Callable[..., Any]) -> Callable[..., Any]:
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
