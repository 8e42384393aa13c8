"""Finding autologgers, and waiting for the imports of their frameworks."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from modelyard.domain.errors import Invalid
from modelyard.sdk.autolog import all_autologgers, autolog, discovery
from modelyard.sdk.autolog.base import Autologger

ROOT = Path(__file__).resolve().parents[4]


def test_the_built_in_list_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["modelyard.autologgers"] == discovery.BUILT_IN
    assert all(isinstance(each, Autologger) for each in all_autologgers())


def test_an_unknown_framework_is_refused() -> None:
    with pytest.raises(Invalid, match="no autologger 'sklern'"):
        autolog(["sklern"])


def test_a_plug_in_that_does_not_start_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Point:
        name, value = "broken", "nowhere:Broken"

        def load(self) -> ModuleType:
            raise ImportError("no such module")

    monkeypatch.setattr(discovery, "entry_points", lambda group: [Point()])
    discovery.all_autologgers.cache_clear()
    try:
        assert {each.name for each in discovery.all_autologgers()} == set(discovery.BUILT_IN)
        assert "'broken'" in caplog.text
    finally:
        discovery.all_autologgers.cache_clear()


def test_nothing_is_imported_for_it_and_later_imports_are_noticed(tmp_path: Path) -> None:
    """In an interpreter of its own: a made-up framework stands for one that is imported later."""
    (tmp_path / "frame").mkdir()
    (tmp_path / "frame" / "__init__.py").write_text("from frame.inner import value\n")
    (tmp_path / "frame" / "inner.py").write_text("value = 1\n")
    code = """
import sys
from modelyard.sdk.autolog import autolog
from modelyard.sdk.autolog.imports import when_imported
autolog()
heavy = {"sklearn", "torch", "xgboost", "lightgbm", "transformers", "numpy"} & set(sys.modules)
assert not heavy, heavy
seen = []
when_imported("frame.inner", lambda module: seen.append((module.__name__, module.value)))
assert seen == []
import frame
assert seen == [("frame.inner", 1)]
assert type(frame.inner.__spec__.loader).__name__ == "SourceFileLoader"
when_imported("frame", lambda module: seen.append(module.__name__))
assert seen[1] == "frame"
import importlib.resources, pkgutil
assert importlib.resources.files("frame").joinpath("inner.py").is_file()
try:
    import frame.missing
except ModuleNotFoundError as error:
    assert error.name == "frame.missing"
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
