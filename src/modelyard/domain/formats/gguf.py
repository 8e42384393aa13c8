"""GGUF: key-value metadata, tensor descriptions, then aligned tensor data.

Source: the GGUF specification in ggml's docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import struct
from typing import Any

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.licence import spdx_of_word
from modelyard.domain.formats.ranged import Budget, Cursor, Malformed, Source

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_MAX_KEYS = 20_000
_MAX_TENSORS = 200_000
_MAX_KEY_BYTES = 65_535
_MAX_NAME_BYTES = 1024
_MAX_TEXT_BYTES = 64 * 1024
_MAX_ARRAY_DEPTH = 4
_STRING, _ARRAY = 8, 9
# A vocabulary of 250,000 words with its merges is half a million strings.
_MAX_STEPS = 2_000_000

_SCALARS = {
    0: struct.Struct("<B"), 1: struct.Struct("<b"), 2: struct.Struct("<H"), 3: struct.Struct("<h"),
    4: struct.Struct("<I"), 5: struct.Struct("<i"), 6: struct.Struct("<f"), 7: struct.Struct("<?"),
    10: struct.Struct("<Q"), 11: struct.Struct("<q"), 12: struct.Struct("<d"),
}  # fmt: skip

# ggml type: (name, elements in a block, bytes of a block)
_TYPES = {
    0: ("float32", 1, 4), 1: ("float16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136), 24: ("int8", 1, 1), 25: ("int16", 1, 2),
    26: ("int32", 1, 4), 27: ("int64", 1, 8), 28: ("float64", 1, 8), 29: ("IQ1_M", 256, 56),
    30: ("bfloat16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
    26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip


def read(source: Source, draft: Draft) -> None:
    draft.format, draft.framework = "gguf", "gguf"
    cursor = Cursor(source, Budget(max_steps=_MAX_STEPS))
    if cursor.read(4) != b"GGUF":
        raise Malformed("the file does not begin with 'GGUF'")
    version = cursor.unpack(_U32)
    draft.details["gguf_version"] = version
    if version not in (2, 3):
        raise Malformed(f"GGUF version {version} is not read (2 and 3 are, little-endian)")
    tensors, keys = cursor.unpack(_U64), cursor.unpack(_U64)
    if keys > _MAX_KEYS or tensors > _MAX_TENSORS:
        raise Malformed(f"the file claims {keys} keys and {tensors} tensors")
    found = _read_keys(cursor, keys)
    _take_keys(found, draft)
    alignment = found.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= 1 << 20 or alignment % 8:
        raise Malformed("general.alignment is not a multiple of 8")
    draft.tensor_count = draft.parameters = 0
    ends = [_take_tensor(cursor, draft, alignment) for _ in range(tensors)]
    data_start = cursor.position + -cursor.position % alignment
    if ends and data_start + max(ends) > source.size_bytes:
        raise Malformed(f"the file lacks {data_start + max(ends) - source.size_bytes} bytes of its tensors")


def _read_keys(cursor: Cursor, count: int) -> dict[str, Any]:
    """Read scalars and short texts unchanged; of an array only the length, as {"length": n}."""
    found: dict[str, Any] = {}
    for _ in range(count):
        cursor.budget.step()
        key_bytes = cursor.unpack(_U64)
        if key_bytes > _MAX_KEY_BYTES:
            raise Malformed(f"a key claims {key_bytes} bytes")
        key = cursor.read(key_bytes).decode("utf-8", "replace")
        if key in found:
            raise Malformed(f"the key {key[:100]!r} appears twice")
        found[key] = _read_value(cursor, cursor.unpack(_U32), 0)
    return found


def _read_value(cursor: Cursor, kind: int, depth: int) -> Any:
    if kind in _SCALARS:
        return cursor.unpack(_SCALARS[kind])
    if kind == _STRING:
        text = cursor.read_capped(cursor.unpack(_U64), _MAX_TEXT_BYTES)
        return None if text is None else text.decode("utf-8", "replace")
    if kind != _ARRAY or depth >= _MAX_ARRAY_DEPTH:
        raise Malformed(f"a value has the unknown type {kind}")
    item, length = cursor.unpack(_U32), cursor.unpack(_U64)
    if item in _SCALARS:
        cursor.skip(length * _SCALARS[item].size)
    else:
        for _ in range(length):
            cursor.budget.step()
            if item == _STRING:
                cursor.skip(cursor.unpack(_U64))
            else:
                _read_value(cursor, item, depth + 1)
    return {"length": length}


def _take_keys(found: dict[str, Any], draft: Draft) -> None:
    def text(key: str) -> str | None:
        value = found.get(key)
        return value if isinstance(value, str) else None

    architecture = text("general.architecture")
    draft.architecture = architecture
    licence = text("general.license")
    draft.licence = spdx_of_word(licence) if licence else None
    file_type = found.get("general.file_type")
    if type(file_type) is int:
        draft.details["quantization"] = _FILE_TYPES.get(file_type, f"file type {file_type}")
    for name in ("context_length", "block_count", "embedding_length"):
        value = found.get(f"{architecture}.{name}")
        if type(value) is int:
            draft.details[name] = value
    draft.details["name"] = text("general.name")
    draft.details["tokenizer"] = text("tokenizer.ggml.model")
    tokens = found.get("tokenizer.ggml.tokens")
    if isinstance(tokens, dict):
        draft.details["vocabulary_size"] = tokens["length"]
    for key in ("split.no", "split.count"):
        if type(found.get(key)) is int:
            draft.details[key.replace(".", "_")] = found[key]
    draft.details["licence_keys"] = {
        key: value
        for key, value in found.items()
        if key.startswith("general.license") and isinstance(value, str)
    }


def _take_tensor(cursor: Cursor, draft: Draft, alignment: int) -> int:
    """Return where the tensor ends in the data. Raises Malformed."""
    cursor.budget.step()
    name_bytes = cursor.unpack(_U64)
    if name_bytes > _MAX_NAME_BYTES:
        raise Malformed(f"a tensor's name claims {name_bytes} bytes")
    name = cursor.read(name_bytes).decode("utf-8", "replace")
    rank = cursor.unpack(_U32)
    if rank > 8:
        raise Malformed(f"tensor {name[:100]!r} has {rank} dimensions")
    # GGUF lists the fastest dimension first; every other format here lists it last.
    shape = [cursor.unpack(_U64) for _ in range(rank)][::-1]
    kind, offset = cursor.unpack(_U32), cursor.unpack(_U64)
    if offset % alignment:
        raise Malformed(f"tensor {name[:100]!r} is not aligned")
    word, block, block_bytes = _TYPES.get(kind, (f"ggml type {kind}", 1, 0))
    elements = draft.add_tensor(name, word, shape)
    if elements % block:
        raise Malformed(f"tensor {name[:100]!r} does not fill whole blocks of {word}")
    return int(offset + elements // block * block_bytes)
