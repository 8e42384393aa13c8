"""Conversion of a noun to its wire shape, field by field where the names agree."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from modelyard.domain.names import ModelName
from modelyard.domain.times import time_text

S = TypeVar("S", bound=msgspec.Struct)


def to_wire(noun: object, shape: type[S], /, **given: Any) -> S:
    """Return the shape, filled from the noun's attributes of the same names; `given` values add to or replace them.

    A moment becomes text where the shape has text; enumerations become their values, and tuples become lists. A nested
    shape is filled from the nested noun. Raises AttributeError for a field that is neither in the noun nor given, even
    if it has a default.
    """
    for name, convert in _conversions(shape):
        if name not in given:
            value = getattr(noun, name)
            given[name] = value if convert is None else convert(value)
    return shape(**given)


def fields_of(body: msgspec.Struct, *without: str) -> dict[str, Any]:
    """Return a request's fields by name, for a use case with the same names. without: fields that the route reads."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if name not in without}


def optional_time(moment: int | None) -> str | None:
    return None if moment is None else time_text(moment)


_Conversion = Callable[[Any], Any]


@cache
def _conversions(shape: type[msgspec.Struct]) -> tuple[tuple[str, _Conversion | None], ...]:
    hints = get_type_hints(shape)
    return tuple((name, _conversion(hints[name])) for name in shape.__struct_fields__)


def _conversion(hint: Any) -> _Conversion | None:
    """Return the conversion that a value needs to fit; None: none."""
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        inner = _conversion(kinds[0]) if len(kinds) == 1 else None
        return None if inner is None else lambda value: None if value is None else inner(value)
    if hint is str:
        return _text
    if hint is bool:
        return bool
    if get_origin(hint) is list:
        each = _conversion(get_args(hint)[0])
        return list if each in (None, _text) else lambda values: [each(value) for value in values]
    if get_origin(hint) is dict:
        return dict
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return lambda value: to_wire(value, hint)
    return None


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, ModelName):
        return str(value)
    return time_text(value)
