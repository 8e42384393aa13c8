"""Source bundles: what is on disk, one digest for equal content, and unpacking that writes nowhere else."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid, SecretFiles, UnlawfulFile
from modelyard.sdk import source_bundle
from modelyard.sdk.source_bundle import find_sources, make_bundle, unpack_bundle


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def names(folder: Path) -> list[str]:
    return [file.path for file in find_sources(folder)]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_a_repository_gives_tracked_changed_and_untracked_files_but_not_ignored_ones(tmp_path: Path) -> None:
    write(tmp_path, **{"train.py": "1", "gone.py": "1", ".gitignore": "*.csv\n", ".github/ci.yml": "on: push"})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    write(tmp_path, **{"train.py": "2", "new/helper.py": "3", "rows.csv": "4", "notes.txt": "5"})
    write(tmp_path, **{".modelyardignore": "notes.txt\n"})
    (tmp_path / "gone.py").unlink()
    assert names(tmp_path) == [".github/ci.yml", ".gitignore", ".modelyardignore", "new/helper.py", "train.py"]
    make_bundle(tmp_path, tmp_path.parent / "source.tar")
    with tarfile.open(tmp_path.parent / "source.tar") as tar:
        content = tar.extractfile("train.py")
        assert content is not None
        assert content.read() == b"2"
    # A folder of the repository is a source by itself.
    assert names(tmp_path / "new") == ["helper.py"]


def test_without_a_repository_the_built_in_list_and_the_ignore_file_count(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "train.py": "1",
            ".venv/a.py": "x",
            "node_modules/b.js": "x",
            "__pycache__/c.pyc": "x",
            ".modelyard-agent/d": "x",
            ".modelyardignore": "data/\n*.bin\n!keep.bin\n",
            "data/rows.csv": "x",
            "a.bin": "x",
            "keep.bin": "x",
        },
    )
    assert names(tmp_path) == ["keep.bin", "train.py"]


def test_equal_content_has_an_equal_digest(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one, **{"b.py": "b", "a/é.py": "a"})
    write(other, **{"a/é.py": "a"})
    write(other, **{"b.py": "b"})
    os.utime(other / "b.py", (1, 1))
    first = make_bundle(one, tmp_path / "1.tar")
    second = make_bundle(other, tmp_path / "2.tar")
    assert (first.digest, first.files) == (second.digest, 2)
    (other / "b.py").chmod(0o755)
    assert make_bundle(other, tmp_path / "3.tar").digest != first.digest


def test_it_comes_out_as_it_went_in(tmp_path: Path) -> None:
    source = write(tmp_path / "source", **{"run.sh": "#!/bin/sh", "a/b.py": "b"})
    (source / "run.sh").chmod(0o700)
    (source / "link.py").symlink_to("a/b.py")
    made = make_bundle(source, tmp_path / "source.tar")
    assert unpack_bundle(made.path, made.digest, tmp_path / "out") == 3
    assert (tmp_path / "out" / "a" / "b.py").read_text() == "b"
    assert not (tmp_path / "out" / "link.py").is_symlink()
    assert (tmp_path / "out" / "link.py").read_text() == "b"
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o100


def test_secrets_and_links_that_leave_the_folder_are_refused_by_name(tmp_path: Path) -> None:
    source = write(tmp_path / "source", **{"train.py": "1", ".env": "KEY=1"})
    with pytest.raises(SecretFiles, match=r"\.env") as refused:
        make_bundle(source, tmp_path / "source.tar")
    assert ".modelyardignore" in refused.value.fix
    assert "allow" not in refused.value.fix
    (source / ".env").unlink()
    write(tmp_path, **{"outside.txt": "x"})
    (source / "link").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(UnlawfulFile, match="outside the folder"):
        make_bundle(source, tmp_path / "source.tar")


def test_limits_are_named_with_the_largest_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, **{"data/rows.csv": "x" * 2000, "train.py": "1"})
    monkeypatch.setattr(source_bundle, "MAX_BUNDLE_BYTES", 1000)
    with pytest.raises(Invalid, match=r"data \(2") as refused:
        find_sources(tmp_path)
    assert ".modelyardignore" in refused.value.fix
    monkeypatch.setattr(source_bundle, "MAX_BUNDLE_BYTES", 10_000)
    monkeypatch.setattr(source_bundle, "MAX_BUNDLE_FILES", 1)
    with pytest.raises(Invalid, match="1 files"):
        find_sources(tmp_path)


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize(
    "entry",
    [
        _entry("../out.txt"),
        _entry("/out.txt"),
        _entry("a/../../out.txt"),
        _entry("link", tarfile.SYMTYPE, "/etc"),
        _entry("link", tarfile.LNKTYPE, "good.txt"),
        _entry("device", tarfile.CHRTYPE),
        _entry("pipe", tarfile.FIFOTYPE),
        _entry("folder", tarfile.DIRTYPE),
        _entry(".git/hooks/post-checkout"),
        _entry("good.txt"),
        _entry("good.txt/below"),
    ],
    ids=lambda entry: f"{entry.name}-{entry.type!r}",
)
def test_hostile_bundles_are_not_unpacked(tmp_path: Path, entry: tarfile.TarInfo) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.addfile(_entry("good.txt"))
        tar.addfile(entry)
    (tmp_path / "source.tar").write_bytes(raw.getvalue())
    with pytest.raises(Invalid, match="cannot be unpacked"):
        unpack_bundle(tmp_path / "source.tar", Digest.of(raw.getvalue()), tmp_path / "deep" / "out")
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and "out" not in path.parent.parts]
    assert [path.name for path in outside] == ["source.tar"]


def test_other_bytes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "source.tar").write_bytes(b"other")
    with pytest.raises(Invalid, match="has the digest"):
        unpack_bundle(tmp_path / "source.tar", Digest.of(b"bundle"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(Invalid, match="not a tar"):
        unpack_bundle(tmp_path / "source.tar", Digest.of(b"other"), tmp_path / "out")
