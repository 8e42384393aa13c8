"""Harmless model files, made by the libraries themselves: (name, bytes, whether code of a library is named in it)."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import json
import lzma
import pickle
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support import model_files
from tests.support.estimators import composed_estimators, fitted_estimators
from tests.support.libraries import library
from tests.support.model_objects import every_object

_FAULTS = (TypeError, ValueError, AttributeError, pickle.PicklingError, NotImplementedError, RuntimeError)
_COMPRESSIONS: tuple[Any, ...] = (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3), ("zlib", 3))
# Objects whose pickles name what can hold anything, and which the scan does not allow for that reason.
# A lazy module that has seen no data holds bound methods of itself.
NOT_ALLOWED = ("ARIMA", "Lazy")
# Inside an old pickle, torch writes a tensor's file in a form that the scan does not follow.
_HOLDS_TENSORS = ("torch", "transformers", "Bert", "GPT2")

File = tuple[str, bytes, bool]


def pickled_files(every_protocol: bool = False) -> Iterator[File]:
    """Fitted estimators and other objects, as pickle and joblib write them."""
    sources = (fitted_estimators(), composed_estimators(), every_object())
    for number, (name, made) in enumerate(one for source in sources for one in source):
        if any(word in name for word in NOT_ALLOWED):
            continue
        protocols = range(6) if every_protocol else (number % 6, 5)
        for protocol in sorted(set(protocols)):
            if protocol < 3 and any(word in name for word in _HOLDS_TENSORS):
                continue
            with suppress(*_FAULTS):
                yield f"{name}, protocol {protocol}.pkl", pickle.dumps(made, protocol), True
        compression = _COMPRESSIONS[number % len(_COMPRESSIONS)]
        with suppress(*_FAULTS):
            yield f"{name}, {compression}.joblib", _joblib(made, compression), True
        if "torch" in name:
            for is_zip in (True, False):
                with suppress(*_FAULTS):
                    yield f"{name}, zip {is_zip}.pt", _torch(made, is_zip), True


def _joblib(made: Any, compression: Any) -> bytes:
    file = io.BytesIO()
    library("joblib").dump(made, file, compress=compression)
    return file.getvalue()


def _torch(made: Any, is_zip: bool) -> bytes:
    file = io.BytesIO()
    library("torch").save(made, file, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()


def plain_files() -> Iterator[File]:
    """Formats without code, known to the scan or not."""
    for name, data in model_files.every_file().items():
        if not name.endswith((".pkl", ".joblib", ".pt")):
            yield name, data, False
    yield from ((f"array {name}", data, False) for name, data in _arrays())
    yield from ((f"text {name}", data, False) for name, data in _texts())
    yield from ((f"weights {name}", data, False) for name, data in _weights())
    for name, pack in (
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
        ("zlib", zlib.compress),
    ):
        yield f"texts.{name}", pack(b"one two three\n" * 50), False
    yield "texts.zip", _zipped({"vocab.txt": b"one\ntwo\n", "config.json": b"{}"}), False


def _zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return file.getvalue()


def _arrays() -> Iterator[tuple[str, bytes]]:
    np = library("numpy")
    some = np.random.RandomState(0)
    for dtype in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "c8", "U5", "S5", "M8[ns]", "?"):
        for order in ("C", "F"):
            file = io.BytesIO()
            np.save(file, np.array(some.rand(4, 3) * 9, order=order).astype(dtype, order=order))
            yield f"{dtype} {order}.npy", file.getvalue()
    for write, kind in ((np.savez, "plain"), (np.savez_compressed, "compressed")):
        file = io.BytesIO()
        write(file, weights=some.rand(30, 3), bias=some.rand(3))
        yield f"{kind}.npz", file.getvalue()
    for count in (1, 10, 1000, 100_000):
        yield f"raw {count} floats.bin", some.rand(count).astype("f4").tobytes()
        yield f"raw {count} bytes.bin", some.bytes(count)
    yield "zeros.bin", bytes(5000)


def _texts() -> Iterator[tuple[str, bytes]]:
    lists = (
        "clicks platform", "cat random", "call email sms", "country locale age", "customer calendar time",
        "class token types", "click typing", "cat dog", "id email", "the a of", "Nothing In Order", "code io os",
        "copy reg", "collections counter", "cmd cgi", "false true none", "I am", "( ) .", "first second", "0 1 2 3",
    )  # fmt: skip
    for words in lists:
        for end in ("\n", "\r\n"):
            yield f"{words[:12]} {len(end)}.txt", end.join(words.split()).encode() + end.encode()
    yield "table.csv", b"column_name,time\n1,2\n"
    yield "one column.csv", b"column_name\ntime\n1\n"
    yield "card.md", b"# Model\n\nA card.\n"
    yield "notes.yaml", b"model:\n  name: x\n"
    yield "vocabulary.json", json.dumps({f"t{n}": n for n in range(300)}).encode()
    yield "merges.txt", b"#version: 0.2\n" + b"\n".join(f"a{n} b{n}".encode() for n in range(200))
    for length in range(20):
        yield f"letters {length}.txt", b"abcdefghijklmnopqrst"[: length + 1] + b"\n"
    if importlib.util.find_spec("tokenizers"):
        tokenizers = library("tokenizers")
        made = tokenizers.Tokenizer(library("tokenizers.models").WordLevel({"a": 0, "[UNK]": 1}, "[UNK]"))
        yield "tokenizer.json", made.to_str().encode()


def _weights() -> Iterator[tuple[str, bytes]]:
    for length in (128, 136, 384, 640, 1152, 2176, 65664, 197248):
        header = (
            json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(length)
        )
        yield f"header {length}.safetensors", struct.pack("<Q", length) + header + bytes(4)
    for trees in (1, 3, 20):
        for suffix in ("json", "ubj"):
            yield f"{trees} trees.{suffix}", model_files.xgboost_file(suffix, trees)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("GPT2", "Bert"):
            if importlib.util.find_spec("transformers"):
                yield from _pretrained(name, Path(folder) / name)


def _pretrained(name: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    transformers = library("transformers")
    sizes: dict[str, dict[str, int]] = {
        "GPT2": {"vocab_size": 20, "n_embd": 8, "n_layer": 1, "n_head": 2},
        "Bert": {
            "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
        },
    }  # fmt: skip
    config = getattr(transformers, f"{name}Config")(**sizes[name])
    getattr(transformers, f"{name}Model")(config).save_pretrained(folder)
    for path in sorted(folder.iterdir()):
        yield f"{name} {path.name}", path.read_bytes()
