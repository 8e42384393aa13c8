"""Name the kinds of code that the scan does not inspect: chat templates, TorchScript, SavedModel.

Each runs in its own interpreter (Jinja's sandbox, TorchScript's, TensorFlow's graph), so the verdict does not
change; a gate may refuse them by kind.
"""

from __future__ import annotations

import json
from typing import Any

from modelyard.domain.formats.ranged import MIB
from modelyard.domain.scanning.context import File, Scan

_GGUF = b"GGUF"
_GGUF_TEMPLATE = b"tokenizer.chat_template"
_MAX_GGUF_METADATA_BYTES = 256 * MIB
_MAX_JSON_BYTES = 16 * MIB
_SAVED_MODEL = b"\x08\x01\x12"
"""saved_model_schema_version: 1, then meta_graphs. Source: tensorflow/core/protobuf/saved_model.proto."""


def may_hold(head: bytes, size_bytes: int) -> bool:
    """Return whether a file with this head must be opened to tell its kinds."""
    if head[:4] == _GGUF or head[:3] == _SAVED_MODEL:
        return True
    if head.lstrip()[:1] != b"{" or size_bytes > _MAX_JSON_BYTES:
        return False
    return size_bytes > len(head) or b"template" in head or b"\\u" in head


def note_kinds(scan: Scan, file: File) -> None:
    head = file.skim.head
    if head[:4] == _GGUF:
        _note_gguf(scan, file)
    elif head[:3] == _SAVED_MODEL:
        _note_saved_model(scan, file)
    elif head.lstrip()[:1] == b"{" and file.source.size_bytes <= _MAX_JSON_BYTES:
        _note_json(scan, file)


def _note_gguf(scan: Scan, file: File) -> None:
    previous = b""
    for at in range(0, min(file.source.size_bytes, _MAX_GGUF_METADATA_BYTES), MIB):
        block = previous + file.source.read(at, MIB)
        if _GGUF_TEMPLATE in block:
            scan.found.note_kind("chat_template")
            return
        previous = block[-len(_GGUF_TEMPLATE) :]


def _note_saved_model(scan: Scan, file: File) -> None:
    """Note a SavedModel if meta graphs fill the file to its end."""
    position = 2
    for _ in range(100):
        field = file.source.read(position, 11)
        if field[:1] != b"\x12":
            return
        size = next((at for at, byte in enumerate(field[1:], start=1) if byte < 0x80), 10)
        length = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(field[1 : size + 1]))
        position += 1 + size + length
        if position == file.source.size_bytes:
            scan.found.note_kind("savedmodel")
            return


def _note_json(scan: Scan, file: File) -> None:
    data = b"".join(file.source.read(at, MIB) for at in range(0, file.source.size_bytes, MIB))
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict) and value.get("chat_template"):
        scan.found.note_kind("chat_template")
