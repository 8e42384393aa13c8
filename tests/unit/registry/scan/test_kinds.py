"""Keras models and HDF5 files as their libraries write them; kinds of code that are named and not looked for."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from typing import Any

import pytest

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import FileScan, Skim, Verdict, needs_scan, scan
from modelyard.registry.scan.hdf5 import read_hdf5
from modelyard.registry.scan.rules import read_file
from tests.support import model_files
from tests.support.bad_files import tarred, trap, zipped
from tests.support.libraries import library


def found_in(data: bytes) -> FileScan:
    return scan(BytesSource(data), read_hdf5)


def hdf5(attributes: dict[str, Any] | None = None, userblock: int = 0, **datasets: Any) -> bytes:
    made = io.BytesIO()
    with library("h5py").File(made, "w", userblock_size=userblock) as opened:
        for name, value in (attributes or {}).items():
            opened.attrs[name] = value
        for name, value in datasets.items():
            opened.create_dataset(name, data=value)
    return made.getvalue()


def model_config(**layer: Any) -> str:
    dense = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": None}
    return json.dumps({"class_name": "Sequential", "config": {"layers": [dense, layer]}})


def test_a_keras_model_without_code_is_no_code() -> None:
    initializer = {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": None}}
    function = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
    config = model_config(
        module="keras.src.layers.core.dense", class_name="Dense", config=[initializer, function]
    )
    assert found_in(zipped(config.encode(), "config.json")).verdict is Verdict.NO_CODE
    assert found_in(hdf5({"model_config": config, "keras_version": "3.0", "layer_names": [b"a", b"b"]})).verdict is Verdict.NO_CODE  # fmt: skip


def test_a_plain_weights_file_is_no_code() -> None:
    numpy = library("numpy")
    weights = hdf5(
        {"layer_names": [b"dense"], "backend": "torch"}, kernel=numpy.ones((40, 30)), bias=numpy.ones(3)
    )
    found = found_in(weights)
    assert (found.verdict, found.kinds) == (Verdict.NO_CODE, ["hdf5"])


@pytest.mark.parametrize(
    ("layer", "verdict"),
    [
        ({"class_name": "Lambda"}, Verdict.DANGEROUS),
        ({"module": "keras.layers", "class_name": "Lambda"}, Verdict.DANGEROUS),
        ({"class_name": "my>Lambda"}, Verdict.DANGEROUS),
        ({"class_name": "__lambda__"}, Verdict.DANGEROUS),
        ({"class_name": "TorchModuleWrapper"}, Verdict.DANGEROUS),
        ({"class_name": "TFSMLayer"}, Verdict.DANGEROUS),
        ({"config": {"function_type": "lambda"}}, Verdict.DANGEROUS),
        ({"module": "builtins", "class_name": "exec"}, Verdict.DANGEROUS),
        ({"module": "os", "class_name": "system"}, Verdict.DANGEROUS),
        ({"module": "keras.utils", "class_name": "get_file"}, Verdict.DANGEROUS),
        ({"module": "keras.saving", "class_name": "load_model"}, Verdict.DANGEROUS),
        ({"module": "keras.src.saving.saving_lib", "class_name": "load_model"}, Verdict.DANGEROUS),
        ({"module": "my_corp.layers", "class_name": "Attention"}, Verdict.UNKNOWN),
    ],
)
def test_what_keras_imports_is_judged(layer: dict[str, Any], verdict: Verdict) -> None:
    config = model_config(**layer)
    escaped = "".join(f"\\u{ord(c):04x}" if c.isalpha() else c for c in "Lambda")
    assert found_in(zipped(config.encode("utf-16"), "config.json")).verdict is verdict
    for text in (config, config.replace('"Lambda"', f'"{escaped}"')):
        assert found_in(zipped(text.encode(), "config.json")).verdict is verdict
        assert found_in(hdf5({"model_config": text})).verdict is verdict
        assert found_in(hdf5({"model_config": text.encode()})).verdict is verdict


def test_of_two_keys_with_one_name_either_counts() -> None:
    config = model_config(class_name="Lambda")
    for name in (
        '"class_name": "Dense", "class_name": "Lambda"',
        '"class_name": "Lambda", "class_name": "Dense"',
    ):
        text = config.replace('"class_name": "Lambda"', name)
        assert found_in(zipped(text.encode(), "config.json")).verdict is Verdict.DANGEROUS


def test_pickles_within_hdf5_are_found() -> None:
    """PyTables unpickles attributes and arrays of objects."""
    numpy, h5py = library("numpy"), library("h5py")
    assert found_in(hdf5({"object": numpy.void(trap())})).verdict is Verdict.DANGEROUS
    assert found_in(hdf5({"object": trap(0).replace(b"\0", b"")})).verdict is Verdict.DANGEROUS
    made = io.BytesIO()
    with h5py.File(made, "w") as opened:
        kind = h5py.vlen_dtype(numpy.dtype("u1"))
        values = opened.create_dataset("objects", (1,), dtype=kind)
        values[0] = numpy.frombuffer(trap(), dtype="u1")
    assert found_in(made.getvalue()).verdict is Verdict.DANGEROUS


@pytest.mark.parametrize("block", [512, 1024, 8192])
def test_hdf5_behind_a_user_block_is_found(block: int) -> None:
    data = hdf5({"model_config": model_config(class_name="Lambda")}, userblock=block)
    assert needs_scan(Skim.of(BytesSource(data)))
    assert found_in(data).verdict is Verdict.DANGEROUS
    assert found_in(hdf5(userblock=block)).verdict is Verdict.NOT_SCANNED


def test_a_broken_hdf5_file_is_not_scanned() -> None:
    data = hdf5({"model_config": model_config(class_name="Lambda")})
    assert found_in(data[:300]).verdict is Verdict.NOT_SCANNED
    assert scan(BytesSource(data)).verdict is Verdict.NOT_SCANNED


# --- kinds ---------------------------------------------------------------------------------------------


def gguf(key: bytes) -> bytes:
    value = b"{{ messages }}"
    pair = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(value)) + value
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair


def saved_model() -> bytes:
    graph = b"\x0a\x05serve" * 40
    return b"\x08\x01\x12" + bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7]) + graph


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (gguf(b"tokenizer.chat_template"), "chat_template"),
        (b'{"chat_template": "{{ messages }}"}', "chat_template"),
        (b'{"chat\\u005ftemplate": "{{ messages }}"}', "chat_template"),
        (b'{"a": "' + b"x" * 5000 + b'", "chat_template": "{{ messages }}"}', "chat_template"),
        (saved_model(), "savedmodel"),
    ],
)
def test_kinds_of_code_are_named(data: bytes, kind: str) -> None:
    found = found_in(data)
    assert needs_scan(Skim.of(BytesSource(data)))
    assert (found.verdict, kind in found.kinds) == (Verdict.NO_CODE, True)


@pytest.mark.parametrize(
    "data", [gguf(b"tokenizer.other"), b'{"a": 1}', b"\x08\x01\x12\x05abc", b'{"chat_template": ""}']
)
def test_kinds_that_are_not_there_are_not_named(data: bytes) -> None:
    found = found_in(data)
    assert found.verdict is Verdict.NO_CODE
    assert not {"chat_template", "savedmodel", "torchscript"} & set(found.kinds)


def test_torchscript_is_named() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        opened.writestr("m/code/__torch__.py", "class M: ...")
        opened.writestr("m/constants.pkl", pickle.dumps((), 2))
    assert "torchscript" in found_in(made.getvalue()).kinds


def test_files_as_their_libraries_write_them_are_not_held() -> None:
    verdicts = {name: found_in(data).verdict for name, data in model_files.every_file().items()}
    assert set(verdicts.values()) == {Verdict.NO_CODE, Verdict.ALLOWLISTED}, verdicts


def _streamed_zip() -> bytes:
    """Written to what cannot be sought: sizes and checksums stand behind each member."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *arguments: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    made = Pipe()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.txt", "words " * 100)
        opened.writestr("b.txt", "more")
    return made.getvalue()


def _tar_with_links() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        folder, file, link = tarfile.TarInfo("m"), tarfile.TarInfo("m/a.txt"), tarfile.TarInfo("m/b.txt")
        folder.type, file.size, link.type, link.linkname = tarfile.DIRTYPE, 5, tarfile.SYMTYPE, "a.txt"
        opened.addfile(folder)
        opened.addfile(file, io.BytesIO(b"words"))
        opened.addfile(link)
    return made.getvalue()


def _several_arrays() -> bytes:
    numpy = library("numpy")
    made = io.BytesIO()
    for dtype in ("<f8", ">i2", "?", "S5", "<U3", "<M8[ns]", "c16", [("a", "<f4"), ("b", "u1", (2, 2))]):
        numpy.save(made, numpy.zeros((3, 2), dtype=dtype))
    return made.getvalue()


def test_unusual_files_of_libraries_are_not_held() -> None:
    numpy, h5py = library("numpy"), library("h5py")
    compressed = io.BytesIO()
    numpy.savez_compressed(compressed, a=numpy.ones(9), b=numpy.zeros((2, 2)))
    files = {
        "streamed zip": _streamed_zip(),
        "tar with links": _tar_with_links(),
        "arrays in a row": _several_arrays(),
        "savez_compressed": compressed.getvalue(),
        "pickles in a row": pickle.dumps([1]) + pickle.dumps({"a": numpy.float64(1)}) + pickle.dumps("x"),
        "empty attribute": hdf5({"a": h5py.Empty("S1"), "b": 3, "c": [1.5, 2.5], "d": "text"}),
        "tar of a zip": tarred(zipped(b"words", method=zipfile.ZIP_STORED)),
        "empty zip": b"PK\5\6" + bytes(18),
        "gzip of words": gzip.compress(b"words") + gzip.compress(b"more"),
    }
    verdicts = {name: found_in(data).verdict for name, data in files.items()}
    assert {n: v for n, v in verdicts.items() if v not in (Verdict.NO_CODE, Verdict.ALLOWLISTED)} == {}


@pytest.mark.parametrize("path", ["chat_template.jinja", "additional_chat_templates/tool.JINJA", "prompt.j2"])
def test_a_template_of_its_own_is_named(path: str) -> None:
    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    assert found_in(template.encode()).verdict is Verdict.NO_CODE
    assert read_file(path, "").code_kinds == ["chat_template"]
    assert read_file(f"{path}.txt", "").code_kinds == []
