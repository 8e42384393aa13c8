"""ONNX: a protobuf message, walked by field number; weights are skipped, not read.

Source: onnx.proto (field numbers), protobuf encoding (wire types).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.ranged import Cursor, Malformed, Source

_MAX_TEXT_BYTES = 64 * 1024
_MAX_TYPE_DEPTH = 6
_MAX_VALUES = 1000
_MAX_RANK = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
    16: "bfloat16", 17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz",
    21: "uint4", 22: "int4", 23: "float4_e2m1", 24: "float8_e8m0",
}  # fmt: skip


def read(source: Source, draft: Draft) -> None:
    draft.format, draft.framework = "onnx", "onnx"
    cursor = Cursor(source)
    opsets: dict[str, int] = {}
    metadata: dict[str, str] = {}
    has_graph = False
    for number, wire, value in _fields(cursor, cursor.end):
        if number == 1 and wire == _VARINT:
            draft.details["ir_version"] = value
        elif number in (2, 3) and wire == _BYTES:
            draft.details["producer" if number == 2 else "producer_version"] = _text(cursor, value)
        elif number == 8 and wire == _BYTES:
            domain, version = _opset(cursor, value)
            if len(opsets) < _MAX_VALUES:
                opsets[domain or "ai.onnx"] = version
        elif number == 14 and wire == _BYTES:
            key, text = _pair(cursor, value)
            if len(metadata) < _MAX_VALUES:
                metadata[key] = text
        elif number == 7 and wire == _BYTES:
            has_graph = True
            _graph(cursor, value, draft)
    draft.details["opsets"], draft.details["metadata"] = opsets, metadata
    if not has_graph:
        draft.problems.append("the model has no graph")


def _fields(cursor: Cursor, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each field up to `end`: number, wire type, and the varint or the end of a byte field.

    The cursor is at the first byte of a byte field when it is yielded, and moves to its end before the next one, so
    the caller may read as much of it as it wants.
    """
    while cursor.position < end:
        cursor.budget.step()
        tag = _varint(cursor)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise Malformed(f"a field at {cursor.position} has the number 0")
        if wire == _VARINT:
            yield number, wire, _varint(cursor)
        elif wire == _BYTES:
            length = _varint(cursor)
            stop = cursor.position + length
            if stop > end:
                raise Malformed(f"a field of {length} bytes at {cursor.position} reaches past {end}")
            yield number, wire, stop
            cursor.skip(stop - cursor.position)
        elif wire in (_FIXED64, _FIXED32):
            cursor.skip(8 if wire == _FIXED64 else 4)
            yield number, wire, 0
        else:
            raise Malformed(f"a field at {cursor.position} has the wire type {wire}")
    if cursor.position != end:
        raise Malformed(f"a field reaches past its message at {end}")


def _varint(cursor: Cursor) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = cursor.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF
    raise Malformed(f"a number at {cursor.position} has more than ten bytes")


def _text(cursor: Cursor, stop: int) -> str:
    data = cursor.read_capped(stop - cursor.position, _MAX_TEXT_BYTES)
    return "" if data is None else data.decode("utf-8", "replace")


def _opset(cursor: Cursor, stop: int) -> tuple[str, int]:
    domain, version = "", 0
    for number, wire, value in _fields(cursor, stop):
        if number == 1 and wire == _BYTES:
            domain = _text(cursor, value)
        elif number == 2 and wire == _VARINT:
            version = value
    return domain, version


def _pair(cursor: Cursor, stop: int) -> tuple[str, str]:
    pair = ["", ""]
    for number, wire, value in _fields(cursor, stop):
        if number in (1, 2) and wire == _BYTES:
            pair[number - 1] = _text(cursor, value)
    return pair[0], pair[1]


def _graph(cursor: Cursor, stop: int, draft: Draft) -> None:
    inputs: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    weights: set[str] = set()
    nodes = 0
    for number, wire, value in _fields(cursor, stop):
        if wire != _BYTES:
            continue
        if number == 1:
            nodes += 1
        elif number == 2:
            draft.architecture = _text(cursor, value) or None
        elif number == 5:
            weights.add(_initializer(cursor, value, draft))
        elif number in (11, 12):
            values = inputs if number == 11 else outputs
            if len(values) < _MAX_VALUES:
                values.append(_value_info(cursor, value))
            else:
                draft.note_truncated("signature")
    draft.details["nodes"] = nodes
    # Before IR version 4 every initializer had to be listed among the inputs too.
    inputs = [x for x in inputs if x["name"] not in weights]
    draft.signature = {"inputs": inputs, "outputs": outputs}


def _initializer(cursor: Cursor, stop: int, draft: Draft) -> str:
    """Count one weight; returns its name. Raises Malformed."""
    shape: list[int] = []
    name, kind, external = "", 0, False
    for number, wire, value in _fields(cursor, stop):
        if number == 1 and wire == _VARINT:
            shape.append(value)
        elif number == 1 and wire == _BYTES:
            while cursor.position < value and len(shape) <= _MAX_RANK:
                shape.append(_varint(cursor))
        elif number == 2 and wire == _VARINT:
            kind = value
        elif number == 8 and wire == _BYTES:
            name = _text(cursor, value)
        elif number == 13 and wire == _BYTES:
            _external_file(_pair(cursor, value), draft)
        elif number == 14 and wire == _VARINT:
            external = value == 1
        if len(shape) > _MAX_RANK:
            raise Malformed(f"tensor {name[:100]!r} has more than {_MAX_RANK} dimensions")
    draft.add_tensor(name, _DTYPES.get(kind, f"onnx type {kind}"), shape)
    if external:
        draft.details["external_tensors"] = draft.details.get("external_tensors", 0) + 1
    return name


def _external_file(pair: tuple[str, str], draft: Draft) -> None:
    key, location = pair
    if key != "location":
        return
    files: list[str] = draft.details.setdefault("external_files", [])
    if location not in files and len(files) < 100:
        files.append(location)
    outside = location.startswith(("/", "\\")) or ":" in location or ".." in location.split("/")
    message = "external data lies outside the model's folder"
    if outside and message not in draft.problems:
        draft.problems.append(message)


def _value_info(cursor: Cursor, stop: int) -> dict[str, Any]:
    found: dict[str, Any] = {"name": "", "dtype": "unknown"}
    for number, wire, value in _fields(cursor, stop):
        if number == 1 and wire == _BYTES:
            found["name"] = _text(cursor, value)
        elif number == 2 and wire == _BYTES:
            found.update(_type(cursor, value, 0))
    return found


def _type(cursor: Cursor, stop: int, depth: int) -> dict[str, Any]:
    if depth > _MAX_TYPE_DEPTH:
        raise Malformed("a type is nested too deeply")
    found: dict[str, Any] = {"dtype": "unknown"}
    for number, wire, value in _fields(cursor, stop):
        if wire != _BYTES:
            continue
        if number in (1, 8):
            found = _tensor_type(cursor, value)
        elif number in (4, 9):
            inner = [
                _type(cursor, end, depth + 1) for n, w, end in _fields(cursor, value) if (n, w) == (1, _BYTES)
            ]
            found = {"dtype": f"sequence({inner[0]['dtype'] if inner else 'unknown'})"}
        elif number == 5:
            found = _map_type(cursor, value, depth)
    return found


def _map_type(cursor: Cursor, stop: int, depth: int) -> dict[str, Any]:
    key, inner = "unknown", "unknown"
    for number, wire, value in _fields(cursor, stop):
        if number == 1 and wire == _VARINT:
            key = _DTYPES.get(value, "unknown")
        elif number == 2 and wire == _BYTES:
            inner = _type(cursor, value, depth + 1)["dtype"]
    return {"dtype": f"map({key}, {inner})"}


def _tensor_type(cursor: Cursor, stop: int) -> dict[str, Any]:
    found: dict[str, Any] = {"dtype": "unknown"}
    for number, wire, value in _fields(cursor, stop):
        if number == 1 and wire == _VARINT:
            found["dtype"] = _DTYPES.get(value, f"onnx type {value}")
        elif number == 2 and wire == _BYTES:
            found["shape"] = [
                _dimension(cursor, end) for n, w, end in _fields(cursor, value) if (n, w) == (1, _BYTES)
            ]
            if len(found["shape"]) > _MAX_RANK:
                raise Malformed(f"a value has more than {_MAX_RANK} dimensions")
    return found


def _dimension(cursor: Cursor, stop: int) -> int | str | None:
    size: int | str | None = None
    for number, wire, value in _fields(cursor, stop):
        if number == 1 and wire == _VARINT:
            size = value
        elif number == 2 and wire == _BYTES:
            size = _text(cursor, value) or None
    return size
