"""What the intake scan reads, met at the HTTP door: harmful files are held, harmless ones are served."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from tests.support.door import Door
from tests.support.harmful_files import harmful_files
from tests.support.promotion import policy
from tests.support.registry import unique
from tests.support.services import ServiceMissing, skip_or_fail

# One of each kind; all of them are walked in tests/unit/registry/scan/test_harmful.py.
HARMFUL = (
    "pickle: many steps first", "pickle: hexadecimal INT", "pickle: INT as C reads it", "joblib's old format",
    "joblib of lzma with an odd dictionary", "lzma.open of a cut LZMA alone", "npz whose stream breaks later",
    "npz that counts less", "pandas of zip behind a byte", "npy of [('a', ('|O', (1,)))]", "npy of 'object'",
    "joblib's wrapper by copyreg._reconstructor", "joblib's wrapper by a dotted name",
    "joblib's wrapper in the middle of a frame", "torch zip, protocol 0", "torch tar, behind numbers",
    "the last line has no newline, by joblib", "Keras, HDF5, escaped class", "Keras, escaped class",
)  # fmt: skip


@pytest.mark.product(3)
@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_file_is_held(door: Door, model: str, name: str) -> None:
    data = {file.name: file.data for file in harmful_files()}.get(name)
    if data is None:
        skip_or_fail(ServiceMissing("the library that makes this file is not installed"))
    made = door.register(model, data)
    assert (made["scan"], made["quarantined"]) == ("dangerous", True)
    place = f"models/{made['model']}/versions/{made['version']}"
    (file,) = door.get(f"{place}/scan").json()["files"]
    assert door.get(f"{place}/files/{file['path']}").status_code == 409


def header(length: int) -> bytes:
    entry = {unique("w"): {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    return struct.pack("<Q", length) + json.dumps(entry).encode().ljust(length) + bytes(4)


@pytest.mark.parametrize("words", ["clicks platform", "cat random", "call email sms", "click typing", "first"])
def test_a_word_list_is_served(door: Door, model: str, words: str) -> None:
    made = door.register(model, "\n".join([*words.split(), unique("x")]).encode())
    assert (made["scan"], made["quarantined"]) == ("no_code", False)


@pytest.mark.parametrize("length", [128, 384, 2176, 65_664])
def test_safetensors_is_served_whatever_its_header_length(door: Door, model: str, length: int) -> None:
    made = door.register(model, header(length))
    assert (made["scan"], made["quarantined"]) == ("no_code", False)


def test_malformed_safetensors_is_held_by_its_bytes_whatever_its_first_name(door: Door, model: str) -> None:
    sent = door.send(header(160) + b"x")
    for path in ("notes.txt", "model.safetensors"):
        answer = door.call("POST", f"models/{model}/versions", json={"files": [{**sent, "path": path}]})
        assert (answer.json()["scan"], answer.json()["quarantined"]) == ("dangerous", True)


def test_a_gate_refuses_kinds_of_code_that_are_not_looked_for(door: Door, model: str) -> None:
    template = json.dumps({"chat_template": "{{ messages }}", "x": unique("x")}).encode()
    made = door.register(model, template)
    assert made["scan"] == "no_code"
    (file,) = door.get(f"models/{model}/versions/{made['version']}/scan").json()["files"]
    assert (file["verdict"], file["kinds"]) == ("no_code", ["chat_template"])
    for rule, passes in (("scan: {}", True), ("scan: {refuse_kinds: [chat_template]}", False)):
        put = door.call("PUT", f"models/{model}/policy", json={"text": policy(rule, to="staging")})
        assert put.status_code in (200, 201), put.text
        ask = {"stage": "staging", "version": made["version"], "dry_run": True}
        verdict: dict[str, Any] = door.call("POST", f"models/{model}/promotions", json=ask).json()["verdict"]
        assert verdict["passed"] is passes
