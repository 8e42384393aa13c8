"""Which saver is asked, without importing what is not there, and what a tampered loader file can do."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import Invalid, InvalidPath, ModelyardError, NoSaver
from modelyard.sdk.savers import (
    LOADER_FILE,
    Saver,
    all_savers,
    discovery,
    find_loader,
    find_saver,
    infer_signature,
    load_model,
    save_model,
)
from modelyard.sdk.savers.values import decode_value, encode_value
from tests.support import model_files
from tests.support.libraries import library

PROJECT = Path(__file__).parents[4]


@pytest.fixture
def fresh_discovery() -> Iterator[None]:
    all_savers.cache_clear()
    yield
    all_savers.cache_clear()


def test_built_in_savers_are_declared_as_entry_points() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert declared["modelyard.savers"] == discovery.BUILT_IN


def test_every_saver_keeps_the_protocol() -> None:
    savers = all_savers()
    assert {s.name for s in savers} >= set(discovery.BUILT_IN)
    assert all(isinstance(s, Saver) for s in savers)
    assert [s.priority for s in savers] == sorted((s.priority for s in savers), reverse=True)


def test_no_framework_is_imported_by_asking() -> None:
    script = (
        "import sys\n"
        "from modelyard.sdk.savers import find_saver, all_savers, infer_signature\n"
        "from modelyard.domain.errors import NoSaver\n"
        "for thing in (3, {}, {'a': 1}, [], object(), type):\n"
        "    try:\n"
        "        find_saver(thing)\n"
        "        sys.exit('claimed')\n"
        "    except NoSaver:\n"
        "        pass\n"
        "heavy = {'numpy', 'sklearn', 'torch', 'xgboost', 'lightgbm', 'onnx', 'transformers', 'skops', 'pandas'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip() == ""


def test_the_most_special_saver_wins() -> None:
    assert find_saver(model_files.pipeline()).name == "scikit-learn"
    assert find_saver(library("xgboost").XGBClassifier()).name == "xgboost"
    assert find_saver(library("lightgbm").LGBMRegressor()).name == "lightgbm"
    assert find_saver(model_files.network()).name == "pytorch"
    assert find_saver(model_files.network().state_dict()).name == "pytorch"


class Broken:
    def __init__(self) -> None:
        raise RuntimeError("no licence key")


class Hollow:
    name = "hollow"


class Impostor:
    name = "scikit-learn"
    priority = 99

    def claims(self, obj: object) -> bool:
        return True

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> Any:
        raise AssertionError

    def load(self, folder: Path, spec: Any, *, trust: Any, options: Any) -> Any:
        raise AssertionError


@pytest.mark.parametrize(("attribute", "words"), [("Broken", "no licence key"), ("Hollow", "lacks parts")])
def test_a_plugin_that_does_not_start_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, fresh_discovery: None, attribute: str, words: str
) -> None:
    point = importlib.metadata.EntryPoint("extra", f"{__name__}:{attribute}", discovery.GROUP)
    monkeypatch.setattr(discovery, "entry_points", lambda group: [point])
    with pytest.warns(UserWarning, match=words):
        names = {s.name for s in all_savers()}
    assert names == set(discovery.BUILT_IN)


@pytest.mark.parametrize("point_name", ["scikit-learn", "other"])
def test_no_plugin_takes_over_a_built_in_name(
    monkeypatch: pytest.MonkeyPatch, fresh_discovery: None, point_name: str
) -> None:
    point = importlib.metadata.EntryPoint(point_name, f"{__name__}:Impostor", discovery.GROUP)
    monkeypatch.setattr(discovery, "entry_points", lambda group: [point])
    assert not any(isinstance(s, Impostor) for s in all_savers())


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    save_model(model_files.logistic(), folder)
    assert load_model(folder) is not None
    (tmp_path / "outside.skops").write_bytes((folder / "model.skops").read_bytes())
    (folder / "link.skops").symlink_to(tmp_path / "outside.skops")
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    (folder / "other.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    return folder


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"files": ["../outside.skops"]}, InvalidPath),
        ({"files": ["link.skops"]}, InvalidPath),
        ({"files": ["linked/outside.skops"]}, InvalidPath),
        ({"files": ["/etc/hostname"]}, InvalidPath),
        ({"files": ["a\\..\\b.skops"]}, InvalidPath),
        ({"files": ["missing.skops"]}, InvalidPath),
        ({"files": ["linked"]}, InvalidPath),
        ({"files": ["other.pkl"]}, Invalid),
        ({"files": ["model.skops", "other.pkl"]}, Invalid),
        ({"files": []}, Invalid),
        ({"files": "model.skops"}, Invalid),
        ({"files": [3]}, Invalid),
        ({"saver": "pickle"}, Invalid),
        ({"saver": "pickle", "files": ["other.pkl"]}, Invalid),
        ({"saver": "xgboost"}, Invalid),
        ({"saver": "transformers"}, Invalid),
        ({"saver": "os"}, NoSaver),
        ({"saver": None}, Invalid),
        ({"format_version": 2}, Invalid),
        ({"versions": {"numpy": 3}}, Invalid),
        ({"extra": []}, Invalid),
        ({"signature": 3}, Invalid),
    ],
)
def test_a_tampered_loader_file_is_refused(
    saved: Path, change: dict[str, Any], error: type[ModelyardError]
) -> None:
    path = saved / LOADER_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(error):
        load_model(saved)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"saver": "scikit-learn"}'])
def test_a_broken_loader_file_is_refused(saved: Path, text: str) -> None:
    (saved / LOADER_FILE).write_text(text)
    with pytest.raises(Invalid):
        find_loader(saved)


@pytest.mark.parametrize("wrapper", ["Booster.__init__", "os.system", 3, "train"])
@pytest.mark.parametrize("saver", ["xgboost", "lightgbm"])
def test_a_wrapper_class_is_one_of_a_list(tmp_path: Path, saver: str, wrapper: object) -> None:
    library(saver)
    file = {"xgboost": "m.ubj", "lightgbm": "m.txt"}[saver]
    data = model_files.xgboost_file("ubj") if saver == "xgboost" else model_files.lightgbm_file()
    (tmp_path / file).write_bytes(data)
    loader = {
        "format_version": 1, "saver": saver, "framework": saver, "class": "x", "versions": {}, "files": [file],
        "signature": None, "extra": {"wrapper": wrapper},
    }  # fmt: skip
    (tmp_path / LOADER_FILE).write_text(json.dumps(loader))
    with pytest.raises(Invalid, match="not a wrapper class"):
        load_model(tmp_path)


def test_a_folder_without_a_loader_file(tmp_path: Path) -> None:
    with pytest.raises(NoSaver, match=r"modelyard\.json"):
        find_loader(tmp_path)


def test_values_are_exact() -> None:
    numpy = library("numpy")
    for value in (1, -(2**70), 0.1, float("inf"), True, None, "ä", (1, (2.5,)), [1, "x"], {0: 0.5, "a": (1,)}):
        assert decode_value(json.loads(json.dumps(encode_value(value)))) == value
        assert type(decode_value(encode_value(value))) is type(value)
    for array in (numpy.array([1, 2], "int8"), numpy.array([0.1, numpy.nan]), numpy.array(["a", "bcd"])):
        again = decode_value(json.loads(json.dumps(encode_value(array))))
        assert again.dtype == array.dtype
        assert numpy.array_equal(again, array, equal_nan=array.dtype.kind == "f")
    for value in (print, object(), numpy.ones((2, 2)), 1j, {1: print}):
        with pytest.raises(ValueError, match="no exact form"):
            encode_value(value)
    for value in ({"a": 1}, {"$float": "1"}, {"$array": [1], "dtype": "O8"}, {"$tuple": 3}):
        with pytest.raises(Invalid):
            decode_value(value)


def test_signatures() -> None:
    numpy, pandas = library("numpy"), library("pandas")
    assert infer_signature(None) is None
    columns = {"x": numpy.ones((4, 2), "int32"), "y": numpy.array(["a", "b"])}
    assert infer_signature(columns) == {
        "inputs": [
            {"name": "x", "dtype": "int32", "shape": [None, 2]},
            {"name": "y", "dtype": "string", "shape": [None]},
        ],
        "outputs": [],
    }
    frame = pandas.DataFrame({"t": pandas.to_datetime(["2020-01-01"]), "c": pandas.Categorical(["a"])})
    found = infer_signature(frame, numpy.ones(3))
    assert found is not None
    assert [x["name"] for x in found["inputs"]] == ["t", "c"]
    assert found["inputs"][1]["dtype"] == "category"
    assert found["outputs"] == [{"name": "output", "dtype": "float64", "shape": [None]}]
    with pytest.raises(Invalid, match="list"):
        infer_signature([1, 2])
