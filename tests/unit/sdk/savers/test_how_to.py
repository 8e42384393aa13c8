"""The example in docs/how-to/add-a-saver.md works as it stands."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from modelyard.domain.errors import Invalid
from modelyard.sdk.savers import LOADER_FILE, all_savers, discovery, find_saver, load_model, save_model

PAGE = Path(__file__).parents[4] / "docs/how-to/add-a-saver.md"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def test_the_example_saver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_models.py").write_text(block("python"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    ((name, target),) = tomllib.loads(block("toml"))["project"]["entry-points"][discovery.GROUP].items()
    point = importlib.metadata.EntryPoint(name, target, discovery.GROUP)
    monkeypatch.setattr(discovery, "entry_points", lambda group: [point])
    all_savers.cache_clear()
    try:
        model = importlib.import_module("acme_models").LookupModel({"a": 0.1, "b": 2.0})
        assert find_saver(model).name == name
        folder = tmp_path / "model"
        save_model(model, folder)
        assert load_model(folder) == model
        assert load_model(folder).predict(["b", "a"]) == [2.0, 0.1]
        (folder / "table.json").write_text("{}")
        with pytest.raises(Invalid, match="not the table"):
            load_model(folder)
        loader = json.loads((folder / LOADER_FILE).read_text())
        (folder / LOADER_FILE).write_text(json.dumps(loader | {"files": ["../acme_models.py"]}))
        with pytest.raises(Invalid):
            load_model(folder)
    finally:
        sys.modules.pop("acme_models", None)
        all_savers.cache_clear()
