from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard.blobs import open_store
from modelyard.blobs.filesystem import FilesystemStore
from modelyard.blobs.memory import MemoryStore
from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidRequest


def test_paths_and_file_urls_name_folders(tmp_path: Path):
    folder = tmp_path / "with space"
    for url in (str(folder), f"file://{tmp_path}/with%20space", f"file://localhost{tmp_path}/with%20space"):
        store = open_store(url)
        assert isinstance(store, FilesystemStore)
        store.put([b"abc"], Digest.of(b"abc"))
    assert [path.name for path in tmp_path.iterdir()] == ["with space"]


def test_a_relative_path_and_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    open_store("data")
    open_store("~/data")
    assert (tmp_path / "data/blobs/format").exists()
    assert (tmp_path / "home/data/blobs/format").exists()


def test_memory():
    assert isinstance(open_store("memory://"), MemoryStore)


@pytest.mark.parametrize("url", ["", "ftp://host/x", "file://host/x", "gs://bucket"])
def test_what_names_no_store_is_refused(url: str):
    with pytest.raises(InvalidRequest):
        open_store(url)


def test_a_missing_obstore_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch):
    real_import = builtins.__import__

    def without_obstore(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "obstore":
            raise ModuleNotFoundError(f"No module named {name!r}", name="obstore")
        return real_import(name, *args, **kwargs)

    for module in [m for m in sys.modules if m.startswith("modelyard.blobs.s3")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("modelyard.blobs.s3", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_obstore)
    with pytest.raises(InvalidRequest, match=r'pip install "modelyard\[s3\]"'):
        open_store("s3://bucket/")
