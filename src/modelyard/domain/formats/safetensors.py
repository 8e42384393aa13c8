"""safetensors: eight bytes of length, a JSON header, then the tensors without gaps.

Source: the format's own README, "Format"; the limits are those of its reference reader.
"""

from __future__ import annotations

import struct
from typing import Any

from modelyard.domain.formats.facts import Draft, count_elements
from modelyard.domain.formats.ranged import MIB, Malformed, Source, load_json, read_exactly

MAX_HEADER_BYTES = 100_000_000
MAX_HEADER_BYTES_READ = 16 * MIB
_LENGTH = struct.Struct("<Q")

_BITS = {
    "BOOL": ("bool", 8), "U8": ("uint8", 8), "I8": ("int8", 8), "I16": ("int16", 16), "U16": ("uint16", 16),
    "I32": ("int32", 32), "U32": ("uint32", 32), "I64": ("int64", 64), "U64": ("uint64", 64),
    "F16": ("float16", 16), "BF16": ("bfloat16", 16), "F32": ("float32", 32), "F64": ("float64", 64),
    "C64": ("complex64", 64), "F8_E5M2": ("float8_e5m2", 8), "F8_E4M3": ("float8_e4m3", 8),
    "F8_E8M0": ("float8_e8m0", 8), "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8), "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F6_E2M3": ("float6_e2m3", 6), "F6_E3M2": ("float6_e3m2", 6), "F4": ("float4", 4),
}  # fmt: skip
_FRAMEWORKS = {"pt": "pytorch", "tf": "tensorflow", "keras": "keras"}


def read(source: Source, draft: Draft) -> None:
    draft.format = "safetensors"
    (length,) = _LENGTH.unpack(read_exactly(source, 0, 8))
    if length > MAX_HEADER_BYTES:
        raise Malformed(f"the header claims {length} bytes, at most {MAX_HEADER_BYTES} are valid")
    if 8 + length > source.size_bytes:
        raise Malformed(f"the header claims {length} bytes, the file has {source.size_bytes}")
    if length > MAX_HEADER_BYTES_READ:
        draft.note_truncated("header")
        return
    raw = read_exactly(source, 8, length)
    if raw[:1] != b"{":
        raise Malformed("the header does not begin with '{'")
    header = load_json(raw, "the header", unique_keys=True)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or any(not isinstance(v, str) for v in metadata.values()):
        draft.problems.append("__metadata__ is not a map of texts")
    else:
        draft.details["metadata"] = metadata
        draft.framework = _FRAMEWORKS.get(metadata.get("format", ""))
    draft.tensor_count = draft.parameters = 0
    spans = [_take_tensor(name, entry, draft) for name, entry in header.items()]
    _check_spans(sorted(spans), source.size_bytes - 8 - length)


def _take_tensor(name: str, entry: Any, draft: Draft) -> tuple[int, int]:
    """Return the tensor's [start, end) in the data. Raises Malformed."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise Malformed(f"tensor {name[:100]!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise Malformed(f"tensor {name[:100]!r} has a shape or offsets that are not sizes")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise Malformed(f"tensor {name[:100]!r} has an unknown dtype")
    word, bits = _BITS[dtype]
    start, end = offsets
    if end < start or (end - start) * 8 != count_elements(shape) * bits:
        raise Malformed(f"tensor {name[:100]!r} has offsets that do not fit its shape")
    draft.add_tensor(name, word, shape)
    return start, end


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(x) is int and x >= 0 for x in value)


def _check_spans(spans: list[tuple[int, int]], data_bytes: int) -> None:
    position = 0
    for start, end in spans:
        if start != position:
            raise Malformed("the tensors overlap or leave a gap")
        position = end
    if position < data_bytes:
        raise Malformed(f"{data_bytes - position} bytes after the last tensor belong to none")
    if position > data_bytes:
        raise Malformed(f"the file lacks {position - data_bytes} bytes of its tensors")
