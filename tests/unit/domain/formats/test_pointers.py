"""Pointers are recognised by their content, and parts that files name and a version lacks are named."""

from __future__ import annotations

import json

import pytest

from modelyard.domain.formats import read_facts, summarise
from modelyard.domain.formats.facts import FormatFacts
from modelyard.domain.formats.ranged import BytesSource

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4" * 64 + b"\nsize 12345\n"
DVC = b"outs:\n- md5: a304afb96060aad90176268345e10355\n  size: 37\n  path: weights.bin\n"


def problems(files: dict[str, bytes]) -> list[str]:
    facts = {path: read_facts(path, BytesSource(data)) for path, data in files.items()}
    found = summarise({path: each for path, each in facts.items() if each is not None}, files)
    return list(found.get("problems", []))


@pytest.mark.parametrize(
    "path",
    [
        "model.safetensors",
        "pytorch_model.bin",
        "model.onnx",
        "m.gguf",
        "m.pkl",
        "m.keras",
        "a/b.npz",
        "m.json",
        "x.tar",
    ],
)
def test_a_git_lfs_pointer_names_the_command_whatever_its_name_promises(path: str) -> None:
    (problem,) = problems({path: LFS})
    assert problem.startswith(f"{path}: it is a pointer of Git LFS")
    assert "git lfs pull" in problem


def test_a_dvc_pointer_asks_for_the_file_that_it_names() -> None:
    (problem,) = problems({"models/weights.bin.dvc": DVC})
    assert problem == (
        "models/weights.bin.dvc: it names weights.bin, which is not among the files; "
        "bring it with: dvc pull, and push again"
    )
    assert problems({"models/weights.bin.dvc": DVC, "models/weights.bin": b"x"}) == []


@pytest.mark.parametrize(
    "data", [b"version https://example.org/\noid x", b"outs: []\n", b"outs:\n  - path: a\n", b""]
)
def test_other_small_texts_are_no_pointers(data: bytes) -> None:
    assert not any("pointer" in problem for problem in problems({"m.txt": data, "m.npz": data}))


def test_missing_shards_are_named_by_the_index_and_by_their_numbers() -> None:
    index = json.dumps(
        {"weight_map": {"a": "m-00001-of-00003.safetensors", "b": "m-00003-of-00003.safetensors"}}
    )
    files = {"in/m.safetensors.index.json": index.encode(), "in/m-00001-of-00003.safetensors": b""}
    missing = [problem for problem in problems(files) if "not among the files" in problem]
    assert ["m-00002" in missing[0], "m-00003" in missing[1], len(missing)] == [True, True, 2]
    assert all("push the whole folder" in problem for problem in missing)
    whole = {f"v1.5-q-0000{n}-of-00002.gguf": b"" for n in (1, 2)}
    assert not any("among" in problem for problem in problems(whole))
    whole.popitem()
    assert any("q-00002-of-00002.gguf" in problem for problem in problems(whole))


def test_external_data_of_onnx_that_is_not_there_is_named() -> None:
    facts = FormatFacts("onnx", 10, details={"external_files": ["m.onnx_data"]})
    assert "problems" not in summarise({"a/m.onnx": facts}, ["a/m.onnx", "a/m.onnx_data"])
    (problem,) = summarise({"a/m.onnx": facts}, ["a/m.onnx", "m.onnx_data"])["problems"]
    assert problem.startswith("a/m.onnx: it names m.onnx_data, which is not among the files")
