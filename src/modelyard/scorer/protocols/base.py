"""What every protocol gets and gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs

import msgspec

from modelyard.scorer.columns import Columns, Inputs
from modelyard.scorer.flavours import PREDICT, PROBABILITIES
from modelyard.scorer.frames import JSON, Tensor
from modelyard.scorer.refusals import Refusal, bad

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Target(Protocol):
    """The revision that answers."""

    @property
    def columns(self) -> Columns: ...
    @property
    def methods(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Told:
    """A request, as far as protocols read it. names: of what answers, for the answer."""

    body: bytes
    header: Callable[[bytes], str]
    query: str
    prediction_id: str
    names: Names


@dataclass(frozen=True, slots=True)
class Names:
    """deployment: `namespace/name`; url: the same in paths. model: `namespace/name:12`."""

    deployment: str
    url: str
    model: str
    version: str
    revision: int
    framework: str = ""


Written = tuple[bytes, str, bytes]
"""Body, content type, further headers."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a request asks for. write: makes the body of the answer. Raises Refusal."""

    inputs: Inputs
    write: Callable[[list[Tensor]], Written]
    method: str = PREDICT
    headers: bytes = field(default=b"")


def read_json(body: bytes) -> Any:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not body:
            raise bad("the request has no body", "invalid_json") from None
        raise bad(f"the body is not valid JSON: {error}", "invalid_json") from None


def method_of(query: str, target: Target) -> str:
    """Return the method that `?output=` names."""
    if not query:
        return PREDICT
    asked = parse_qs(query)
    unknown = sorted(set(asked) - {"output"})
    if unknown:
        raise bad(f"there is no parameter {unknown[0]!r}; possible here: output")
    method = asked["output"][-1] if "output" in asked else PREDICT
    return checked_method(method, target)


def checked_method(method: str, target: Target) -> str:
    if method not in target.methods:
        raise bad(f"this model has no output {method!r}; it has {', '.join(target.methods)}", "unknown_output")
    return method


def values_of(outputs: list[Tensor]) -> list[Any]:
    """Return one JSON value for each row: that of the only output, or an object by name."""
    if len(outputs) == 1:
        tensor = outputs[0]
        return tensor.values() if not tensor.tail or tensor.dtype == JSON else tensor.nested()
    columns = {tensor.name: tensor.nested() if tensor.dtype != JSON else tensor.data for tensor in outputs}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


__all__ = [
    "PREDICT",
    "PROBABILITIES",
    "Call",
    "Names",
    "Refusal",
    "Target",
    "Told",
    "Written",
    "checked_method",
    "encode",
    "method_of",
    "read_json",
    "values_of",
]
