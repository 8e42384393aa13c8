"""Open Inference Protocol v2 over HTTP, with the binary tensor extension.

A body is JSON alone, or JSON followed by raw tensors; then the header Inference-Header-Content-Length says where the JSON
ends, and each tensor in it how many bytes are its own. Sources: kserve/open-inference-protocol; Triton "Binary Tensor Data
Extension".
"""

from __future__ import annotations

import math
import struct
from typing import Any

import msgspec

from modelyard import __version__
from modelyard.scorer.columns import Columns, Entry, Given
from modelyard.scorer.flavours import PREDICT, PROBABILITIES
from modelyard.scorer.frames import ITEM_BYTES, JSON, Tensor
from modelyard.scorer.http import JSON_TYPE
from modelyard.scorer.protocols.base import Call, Target, Told, Written, checked_method, encode
from modelyard.scorer.refusals import bad

HEADER = b"inference-header-content-length"
_DATATYPES = {
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
    JSON: "BYTES",
}
_DTYPES = {word: dtype for dtype, word in _DATATYPES.items()}
_MOST_DIMENSIONS = 16
_LENGTH = struct.Struct("<I")


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: dict[str, Any] = {}


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Infer(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(_Infer)


# --- requests ----------------------------------------------------------------------------------------


def read(told: Told, target: Target) -> Call:
    """Read an inference request. Raises Refusal for anything that does not add up."""
    end = _end_of_json(told)
    try:
        asked = _decoder.decode(told.body[:end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad(f"the body is not a valid inference request: {error}", "invalid_json") from None
    inputs = target.columns.from_tensors(_given(asked.inputs, told.body[end:]))
    method = _method(asked.outputs, target)
    is_binary = bool(asked.parameters.get("binary_data_output", False))
    about = {
        "model_name": told.names.url,
        "model_version": told.names.version,
        "id": asked.id or told.prediction_id,
    }

    def write(outputs: list[Tensor]) -> Written:
        return _written(about, _chosen(outputs, asked.outputs), is_binary, asked.outputs)

    return Call(inputs, write, method)


def _end_of_json(told: Told) -> int:
    text = told.header(HEADER).strip()
    if not text:
        return len(told.body)
    if not text.isdecimal() or len(text) > 12 or int(text) > len(told.body):
        raise bad(
            f"Inference-Header-Content-Length is {text[:20]!r}, which is not a number of bytes within the body of "
            f"{len(told.body)}",
            "invalid_binary",
        )
    return int(text)


def _given(inputs: list[_Input], raw: bytes) -> list[Given]:
    found: list[Given] = []
    start = 0
    for each in inputs:
        dtype = _DTYPES.get(each.datatype)
        if dtype is None:
            raise bad(
                f"input {each.name!r}: the datatype {each.datatype[:20]!r} is not supported", "wrong_type"
            )
        shape = tuple(each.shape)
        if len(shape) > _MOST_DIMENSIONS or any(size < 0 for size in shape):
            raise bad(f"input {each.name!r}: the shape is not valid", "wrong_shape")
        count = math.prod(shape)
        size = each.parameters.get("binary_data_size")
        if size is None:
            data: bytes | list[Any] = _from_json(each, dtype, count)
        else:
            if type(size) is not int or size < 0 or each.data is not None:
                raise bad(f"input {each.name!r}: binary_data_size is not valid", "invalid_binary")
            if size > len(raw) - start:
                raise bad(
                    f"input {each.name!r} announces {size} bytes; {len(raw) - start} are left in the body",
                    "invalid_binary",
                )
            data = _from_binary(each, dtype, count, raw[start : start + size])
            start += size
        found.append(Given(each.name, dtype, shape, data))
    if start != len(raw):
        raise bad(
            f"{len(raw) - start} bytes after the JSON belong to no input; the sizes do not add up",
            "invalid_binary",
        )
    return found


def _from_json(each: _Input, dtype: str, count: int) -> list[Any]:
    if not isinstance(each.data, list):
        raise bad(f"input {each.name!r} has no data", "no_data")
    flat: list[Any] = []
    _flatten(each.data, flat, 0)
    if len(flat) != count:
        raise bad(
            f"input {each.name!r} has {len(flat)} values; its shape {each.shape} means {count}", "wrong_shape"
        )
    return flat


def _flatten(value: list[Any], flat: list[Any], depth: int) -> None:
    if depth > _MOST_DIMENSIONS:
        raise bad("the data is nested too deeply", "wrong_shape")
    for each in value:
        if type(each) is list:
            _flatten(each, flat, depth + 1)
        else:
            flat.append(each)


def _from_binary(each: _Input, dtype: str, count: int, piece: bytes) -> bytes | list[Any]:
    if dtype != JSON:
        wanted = count * ITEM_BYTES[dtype]
        if len(piece) != wanted:
            raise bad(
                f"input {each.name!r} has {len(piece)} bytes; its shape {each.shape} of {each.datatype} means {wanted}",
                "invalid_binary",
            )
        return piece
    texts: list[Any] = []
    start = 0
    while start < len(piece):
        if len(piece) - start < _LENGTH.size:
            raise bad(f"input {each.name!r} ends within a length", "invalid_binary")
        (size,) = _LENGTH.unpack_from(piece, start)
        start += _LENGTH.size
        if size > len(piece) - start:
            raise bad(f"input {each.name!r} has a text longer than its bytes", "invalid_binary")
        try:
            texts.append(piece[start : start + size].decode())
        except UnicodeDecodeError:
            raise bad(f"input {each.name!r} has a text that is not UTF-8", "wrong_type") from None
        start += size
    if len(texts) != count:
        raise bad(f"input {each.name!r} has {len(texts)} texts; its shape means {count}", "wrong_shape")
    return texts


def _method(outputs: list[_Output] | None, target: Target) -> str:
    """Return the method that the names of the wanted outputs mean; other names are those of the model."""
    names = {output.name for output in outputs or ()}
    methods = names & {PREDICT, PROBABILITIES}
    if len(methods) > 1:
        raise bad("ask for predict and predict_proba in two requests", "unknown_output")
    return checked_method(methods.pop(), target) if methods else PREDICT


# --- answers -----------------------------------------------------------------------------------------


def _chosen(outputs: list[Tensor], wanted: list[_Output] | None) -> list[Tensor]:
    if not wanted:
        return outputs
    by_name = {tensor.name: tensor for tensor in outputs}
    if len(outputs) == len(wanted) == 1 and wanted[0].name in (PREDICT, PROBABILITIES):
        return [outputs[0]._replace(name=wanted[0].name)]
    for output in wanted:
        if output.name not in by_name:
            raise bad(f"there is no output {output.name!r}; there is {', '.join(by_name)}", "unknown_output")
    return [by_name[output.name] for output in wanted]


def _written(
    about: dict[str, Any], outputs: list[Tensor], is_binary: bool, wanted: list[_Output] | None
) -> Written:
    asked = {output.name: output.parameters.get("binary_data") for output in wanted or ()}
    entries, pieces = [], []
    for tensor in outputs:
        entry: dict[str, Any] = {
            "name": tensor.name,
            "datatype": _DATATYPES[tensor.dtype],
            "shape": [tensor.rows, *tensor.tail],
        }
        own = asked.get(tensor.name)
        if own if isinstance(own, bool) else is_binary:
            piece = _raw(tensor)
            entry["parameters"] = {"binary_data_size": len(piece)}
            pieces.append(piece)
        else:
            entry["data"] = [_text(value) for value in tensor.data] if tensor.dtype == JSON else tensor.values()
        entries.append(entry)
    told = encode({**about, "outputs": entries})
    if not pieces:
        return told, JSON_TYPE, b""
    headers = b"inference-header-content-length: %d\r\n" % len(told)
    return b"".join([told, *pieces]), "application/octet-stream", headers


def _raw(tensor: Tensor) -> bytes:
    if tensor.dtype != JSON:
        return bytes(tensor.data)
    texts = [_text(value).encode() for value in tensor.data]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


# --- descriptions ------------------------------------------------------------------------------------


def server() -> dict[str, Any]:
    return {"name": "modelyard", "version": __version__, "extensions": ["binary_tensor_data"]}


def model(url: str, version: str, framework: str, columns: Columns, outputs: list[Entry]) -> dict[str, Any]:
    return {
        "name": url,
        "versions": [version],
        "platform": framework,
        "inputs": [_described(entry) for entry in columns.entries],
        "outputs": [_described(entry) for entry in outputs],
    }


def _described(entry: Entry) -> dict[str, Any]:
    sizes = [-1 if size is None else size for size in entry.tail]
    return {"name": entry.name, "datatype": _DATATYPES[entry.packed], "shape": [-1, *sizes]}
