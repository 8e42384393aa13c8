"""Which tensors of two files differ, and by how much."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from modelyard.agent.tensors import compare_files
from modelyard.domain.reproduction import TensorGap


def safetensors(path: Path, tensors: dict[str, Any]) -> Path:
    save_file(tensors, path)
    return path


def npz(path: Path, tensors: dict[str, Any]) -> Path:
    np.savez(path, **tensors)
    return path


def skops(path: Path, tensors: dict[str, Any]) -> Path:
    """Like an archive of an object, whose members are named by addresses."""
    with zipfile.ZipFile(path, "w") as archive:
        nodes = {}
        for name, array in tensors.items():
            with archive.open(f"{id(array)}.npy", "w") as member:
                np.save(member, array)
            nodes[name] = {"__loader__": "NdArrayNode", "__id__": id(array), "file": f"{id(array)}.npy"}
        archive.writestr("schema.json", json.dumps({"__id__": id(nodes), "content": {"content": nodes}}))
    return path


FORMS = [(safetensors, "safetensors"), (npz, "npz"), (skops, "skops")]
W = np.array([1.0, 2.0, float("nan")], "f4")


@pytest.mark.parametrize(("write", "suffix"), FORMS)
@pytest.mark.parametrize(
    ("before", "after", "gaps"),
    [
        ({"w": W}, {"w": W.copy()}, []),
        ({"w": W}, {"w": np.array([1.0, 2.5, float("nan")], "f4")}, [TensorGap("w", 0.25)]),
        ({"w": W}, {"w": np.array([1.0, float("nan"), 2.0], "f4")}, [("w", "not finite")]),
        ({"w": W}, {"w": W.astype("f8")}, [("w", "type")]),
        ({"w": W}, {"w": W[:2]}, [("w", "shape")]),
        ({"n": np.array([1, 2])}, {"n": np.array([1, 3])}, [("n", "other values")]),
        ({"z": np.zeros(2)}, {"z": np.array([0.0, -0.0])}, []),
        ({"z": np.zeros(2)}, {"z": np.ones(2)}, [("z", "zero")]),
        ({"w": W, "old": W * 2}, {"w": W, "renamed": W.copy()}, [("old", "missing"), ("renamed", "new")]),
    ],
)
def test_what_differs(
    tmp_path: Path, write: Any, suffix: str, before: dict[str, Any], after: dict[str, Any], gaps: list[Any]
) -> None:
    found, _ = compare_files(
        write(tmp_path / f"before.{suffix}", before), write(tmp_path / f"after.{suffix}", after)
    )
    named = [gap for gap in found if gap.name != "object"]
    assert len(named) == len(gaps)
    for gap, wanted in zip(named, gaps, strict=True):
        if isinstance(wanted, TensorGap):
            assert gap == wanted
        else:
            assert (gap.name, gap.gap, wanted[1] in gap.why) == (wanted[0], None, True)
    # The rest of a skops object is the same unless its parts have other names.
    assert [gap.name for gap in found if gap.name == "object"] == (
        ["object"] if suffix == "skops" and len(after) > 1 else []
    )


@pytest.mark.parametrize(("write", "suffix"), FORMS)
def test_the_digest_is_of_the_tensors_alone(tmp_path: Path, write: Any, suffix: str) -> None:
    paths = [write(tmp_path / f"{name}.{suffix}", {"w": W.copy()}) for name in "ab"]
    other = write(tmp_path / f"c.{suffix}", {"w": W * 2})
    digests = [compare_files(paths[0], path)[1] for path in (*paths, other)]
    assert digests[0] == digests[1] != digests[2]


def test_halves_of_floats_are_numbers(tmp_path: Path) -> None:
    def write(name: str, halves: list[int]) -> Path:
        data = np.array(halves, "<u2").tobytes()
        header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + data)
        return path

    # 1.0 and 2.0, then 1.0 and 2.5.
    found, _ = compare_files(write("a", [0x3F80, 0x4000]), write("b", [0x3F80, 0x4020]))
    assert found == [TensorGap("w", 0.25)]


@pytest.mark.parametrize("suffix", ["safetensors", "npz", "skops"])
def test_a_broken_file_is_an_error_that_the_caller_expects(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        compare_files(path, path)
