"""Which files of a folder are pushed, and how they are read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from modelyard.domain.errors import FileChanged, Invalid, InvalidManifest, InvalidPath, UnlawfulFile
from modelyard.sdk.files import find_files, hash_file, read_rules
from modelyard.sdk.parallel import Stop


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


def found(folder: Path) -> list[str]:
    return [file.path for file in find_files(folder)]


def test_a_folder_gives_its_files_by_path(tmp_path: Path) -> None:
    write(tmp_path, "b.bin", "a/z.txt", "a/b.txt")
    assert found(tmp_path) == ["a/b.txt", "a/z.txt", "b.bin"]


def test_a_file_stands_under_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, "deep/model.onnx")
    assert found(tmp_path / "deep/model.onnx") == ["model.onnx"]


def test_what_no_model_needs_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "m.bin", ".git/config", "src/__pycache__/x.pyc", ".venv/bin/python", ".DS_Store")
    write(tmp_path, ".cache/modelyard/pulled.json", "sub/.cache/kept")
    assert found(tmp_path) == ["m.bin", "sub/.cache/kept"]


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ("*.log\n", ["keep.bin", "logs/x.txt"]),
        ("logs/\n", ["a.log", "keep.bin"]),
        ("# a remark\n\n*.log\n!a.log\n", ["a.log", "keep.bin", "logs/x.txt"]),
        ("/a.log\n", ["keep.bin", "logs/b.log", "logs/x.txt"]),
        ("logs/*.log\n", ["a.log", "keep.bin", "logs/x.txt"]),
        ("**/x.txt\n", ["a.log", "keep.bin", "logs/b.log"]),
        ("logs/**\n", ["a.log", "keep.bin"]),
        ("[ab].log\n", ["keep.bin", "logs/x.txt"]),
        ("?.log\n", ["keep.bin", "logs/x.txt"]),
    ],
)
def test_the_ignore_file_is_read_like_gitignore(tmp_path: Path, rules: str, left: list[str]) -> None:
    write(tmp_path, "keep.bin", "a.log", "logs/b.log", "logs/x.txt")
    (tmp_path / ".modelyardignore").write_text(rules)
    assert found(tmp_path) == left


def test_no_ignore_file_ignores_nothing(tmp_path: Path) -> None:
    assert not read_rules(tmp_path / "missing")("a.log", False)


def test_links_are_refused_and_named(tmp_path: Path) -> None:
    write(tmp_path, "m.bin")
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(UnlawfulFile) as refused:
        find_files(tmp_path)
    assert refused.value.fields["path"] == "link"


def test_a_linked_folder_is_refused_too(tmp_path: Path) -> None:
    write(tmp_path, "m/m.bin")
    (tmp_path / "m/sub").symlink_to(tmp_path)
    with pytest.raises(UnlawfulFile):
        find_files(tmp_path / "m")


@pytest.mark.parametrize("target", ["blob9f", "../store/blob9f"])
def test_a_named_link_keeps_its_name_and_gives_the_bytes_of_its_target(tmp_path: Path, target: str) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "m" / target).write_bytes(b"weights")
    (tmp_path / "m/model.gguf").symlink_to(target)
    (file,) = find_files(tmp_path / "m/model.gguf")
    assert file.path == "model.gguf"
    assert file.source.read_bytes() == b"weights"
    file.check_unchanged()


def test_the_named_folder_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a.bin")
    (tmp_path / "newest").symlink_to("real")
    assert [file.path for file in find_files(tmp_path / "newest")] == ["a.bin"]


@pytest.mark.parametrize(
    ("place", "link", "target"),
    [
        ("models--x/snapshots/abc", "config.json", "../../blobs/12ab"),
        ("models--x/snapshots/abc", "sub/model.safetensors", "../../../blobs/12ab"),
        ("checkpoints", "last.ckpt", "epoch=3.ckpt"),
        ("repo/models", "weights.bin", "../.dvc/cache/files/md5/ab/cd"),
    ],
)
def test_links_into_the_folder_or_its_own_cache_are_followed(
    tmp_path: Path, place: str, link: str, target: str
) -> None:
    folder = tmp_path / place
    (folder / link).parent.mkdir(parents=True)
    kept = Path(os.path.normpath((folder / link).parent / target))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"weights")
    (folder / link).symlink_to(target)
    files = {file.path: file.source.read_bytes() for file in find_files(folder)}
    assert files[link] == b"weights"


@pytest.mark.parametrize("target", ["../../secret", "../../blobs", "../../../other/blobs/12ab", "nowhere"])
def test_other_links_of_a_snapshot_are_refused(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "models--x/snapshots/abc"
    folder.mkdir(parents=True)
    for name in ("models--x/secret", "models--x/blobs/12ab", "other/blobs/12ab"):
        write(tmp_path, name)
    (folder / "config.json").symlink_to(target)
    with pytest.raises(UnlawfulFile):
        find_files(folder)


def test_an_executable_file_is_known_as_one(tmp_path: Path) -> None:
    write(tmp_path, "run.sh")
    write(tmp_path, "m.bin")
    (tmp_path / "run.sh").chmod(0o755)
    assert [file.path for file in find_files(tmp_path) if file.is_executable] == ["run.sh"]


def test_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnlawfulFile):
        find_files(tmp_path)


def test_nothing_to_push_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest):
        find_files(tmp_path)
    with pytest.raises(Invalid):
        find_files(tmp_path / "missing")


def test_unlawful_names_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "a\nb").write_text("x")
    with pytest.raises(InvalidPath):
        find_files(tmp_path)


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    (tmp_path / "w.bin").write_bytes(data)
    told: list[int] = []
    digest = hash_file(find_files(tmp_path)[0], Stop(), told.append)
    assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert sum(told) == len(data)


def test_a_file_that_changed_since_it_was_found_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "w.bin")
    file = find_files(tmp_path)[0]
    (tmp_path / "w.bin").write_text("something longer")
    with pytest.raises(FileChanged):
        hash_file(file, Stop(), lambda _: None)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(FileChanged):
        file.check_unchanged()
