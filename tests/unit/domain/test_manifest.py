from __future__ import annotations

import json

import pytest

from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidManifest, InvalidPath
from modelyard.domain.manifest import File, Manifest

A, B = Digest.of(b"a"), Digest.of(b"b")


def test_the_canonical_bytes_are_a_modelpack_manifest_and_never_change() -> None:
    """A golden value: the person who changes it changes the identity of every version ever registered."""
    manifest = Manifest.of([File("model.safetensors", B, 1), File("README.md", A, 1)])
    assert manifest.digest == "sha256:33603a9460b296ec1aa20a9a87d5aa4ade0119cfcf8c7c25430d1ea82c36fa34"
    body = json.loads(manifest.canonical_bytes)
    assert body["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert [layer["mediaType"] for layer in body["layers"]] == [
        "application/vnd.cncf.model.doc.v1.raw",
        "application/vnd.cncf.model.weight.v1.raw",
    ]
    assert body["config"]["digest"] == Digest.of(manifest.config_bytes)
    assert json.loads(manifest.config_bytes)["modelfs"]["diffIds"] == [A, B]


def test_equal_files_in_any_order_are_one_manifest() -> None:
    files = [File("b", B, 1), File("a/x", A, 1), File("a/y", B, 1)]
    assert Manifest.of(files).digest == Manifest.of(reversed(files)).digest


def test_a_manifest_comes_back_from_its_bytes() -> None:
    manifest = Manifest.of([File("a b/ü.bin", A, 3), File("c", B, 0)])
    assert Manifest.from_bytes(manifest.canonical_bytes) == manifest


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a"), ("a", "A"), ("Dir/x", "dir/y"), ("a", "a/b"), ("A", "a/b"), ("straße", "STRASSE")],
)
def test_paths_that_one_file_system_cannot_hold_apart_are_refused(first: str, second: str) -> None:
    with pytest.raises(InvalidPath):
        Manifest.of([File(first, A, 1), File(second, A, 1)])


def test_other_faults_of_a_manifest() -> None:
    with pytest.raises(InvalidManifest):
        Manifest.of([])
    with pytest.raises(InvalidManifest):
        Manifest.of([File("a", A, -1)])
    with pytest.raises(InvalidManifest):
        Manifest.of([File("a", A, 1), File("b", A, 2)])
    with pytest.raises(InvalidManifest):
        Manifest.of([File(str(n), A, 1) for n in range(4)], max_files=3)
