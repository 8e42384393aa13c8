"""FormatFacts: the facts read from one file, small enough to be kept with every version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.domain.formats.ranged import Malformed

MAX_TENSORS = 2000
MAX_PROBLEMS = 20
MAX_DTYPES = 64
_MAX_TEXT = 500
_MAX_ITEMS = 500
_MAX_DEPTH = 6
_MAX_RANK = 64
_MAX_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TensorFact:
    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class FormatFacts:
    """The facts of one file. None: the format does not contain the fact, or it was not reached.

    parameters: number of elements over all tensors; dtypes: elements by dtype (`float32`, `Q4_K`).
    tensors: the first 2,000; `truncated` names what was not taken whole (`tensors`, `header`, `stream`).
    signature: {"inputs": [...], "outputs": [...]}, each entry {name, dtype, shape}; in a shape, None is
    any size and a string is a named size.
    problems: how the file contradicts its format, in words for people.
    """

    format: str
    size_bytes: int
    framework: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    tensor_count: int | None = None
    dtypes: Mapping[str, int] = field(default_factory=dict)
    tensors: tuple[TensorFact, ...] = ()
    licence: str | None = None
    signature: Mapping[str, Any] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    truncated: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the known facts, as lists and scalars that canonical JSON accepts."""
        found: dict[str, Any] = {"format": self.format, "size_bytes": self.size_bytes}
        for name in ("framework", "architecture", "parameters", "tensor_count", "licence"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        if self.dtypes:
            found["dtypes"] = dict(self.dtypes)
        if self.tensors:
            found["tensors"] = [[t.name, t.dtype, list(t.shape)] for t in self.tensors]
        if self.signature is not None:
            found["signature"] = dict(self.signature)
        if self.details:
            found["details"] = dict(self.details)
        if self.truncated:
            found["truncated"] = list(self.truncated)
        if self.problems:
            found["problems"] = list(self.problems)
        return found

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FormatFacts:
        """Return the facts that `to_json` wrote."""
        return cls(
            format=value["format"],
            size_bytes=value["size_bytes"],
            framework=value.get("framework"),
            architecture=value.get("architecture"),
            parameters=value.get("parameters"),
            tensor_count=value.get("tensor_count"),
            dtypes=dict(value.get("dtypes", {})),
            tensors=tuple(TensorFact(n, d, tuple(s)) for n, d, s in value.get("tensors", [])),
            licence=value.get("licence"),
            signature=value.get("signature"),
            details=dict(value.get("details", {})),
            truncated=tuple(value.get("truncated", ())),
            problems=tuple(value.get("problems", ())),
        )


@dataclass
class Draft:
    """Facts under construction: a reader fills them step by step, so facts read before a fault are kept."""

    format: str
    size_bytes: int
    framework: str | None = None
    architecture: str | None = None
    licence: str | None = None
    signature: dict[str, Any] | None = None
    details: dict[str, Any] = field(default_factory=dict)
    truncated: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    not_this_format: bool = False
    """The file does not have the format that its name suggests, which is not a fault."""
    tensor_count: int | None = None
    parameters: int | None = None
    _dtypes: dict[str, int] = field(default_factory=dict)
    _tensors: list[TensorFact] = field(default_factory=list)

    def add_tensor(self, name: str, dtype: str, shape: Sequence[int]) -> int:
        """Count a tensor; returns its number of elements. Raises Malformed for an absurd shape."""
        elements = count_elements(shape)
        self.tensor_count = (self.tensor_count or 0) + 1
        self.parameters = (self.parameters or 0) + elements
        if dtype not in self._dtypes and len(self._dtypes) >= MAX_DTYPES:
            dtype = "other"
        self._dtypes[dtype] = self._dtypes.get(dtype, 0) + elements
        if len(self._tensors) < MAX_TENSORS:
            self._tensors.append(TensorFact(name, dtype, tuple(shape)))
        else:
            self.note_truncated("tensors")
        return elements

    def note_truncated(self, what: str) -> None:
        if what not in self.truncated:
            self.truncated.append(what)

    def finish(self) -> FormatFacts:
        return FormatFacts(
            format=self.format,
            size_bytes=self.size_bytes,
            framework=self.framework,
            architecture=clean_text(self.architecture) if self.architecture else None,
            parameters=self.parameters,
            tensor_count=self.tensor_count,
            dtypes={clean_text(name): count for name, count in self._dtypes.items()},
            tensors=tuple(TensorFact(clean_text(t.name), clean_text(t.dtype), t.shape) for t in self._tensors),
            licence=clean_text(self.licence) if self.licence else None,
            signature=clean_value(self.signature) if self.signature else None,
            details=clean_value({k: v for k, v in self.details.items() if v not in (None, [], {}, "")}),
            truncated=tuple(self.truncated),
            problems=tuple(clean_text(p) for p in self.problems[:MAX_PROBLEMS]),
        )


def count_elements(shape: Sequence[int]) -> int:
    """Return the number of elements. Raises Malformed if a dimension or the product is not a possible size."""
    if len(shape) > _MAX_RANK:
        raise Malformed(f"a tensor has {len(shape)} dimensions")
    elements = 1
    for size in shape:
        if not 0 <= size <= _MAX_INTEGER:
            raise Malformed("a tensor has an impossible dimension")
        elements *= size
    if elements > _MAX_INTEGER:
        raise Malformed("a tensor has more elements than any file can hold")
    return elements


def clean_text(text: str) -> str:
    """Return a short text that UTF-8 can encode: lone surrogates and control characters become '?'."""
    short = text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    return "".join(c if c >= " " and not "\ud800" <= c <= "\udfff" and c != "\x7f" else "?" for c in short)


def clean_value(value: Any, depth: int = 0) -> Any:
    """Return a JSON value cut to size: texts, items and depth capped, no NaN, no integer beyond 64 bits."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MAX_INTEGER else "more than 64 bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return clean_text(value)
    if depth >= _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        items = list(value.items())[:_MAX_ITEMS]
        return {clean_text(str(k)): clean_value(v, depth + 1) for k, v in items}
    return [clean_value(v, depth + 1) for v in list(value)[:_MAX_ITEMS]]
