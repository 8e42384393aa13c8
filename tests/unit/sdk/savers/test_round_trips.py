"""Every framework: train, save, load, and the same predictions to the last bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import Invalid, NoSaver, UnlawfulModel, UntrustedModel
from modelyard.domain.formats import BytesSource, FormatFacts, read_facts, summarise
from modelyard.sdk.savers import LOADER_FILE, SavedModel, load_model, save_model
from modelyard.sdk.savers.sklearn_parts import check_indices
from tests.support import model_files
from tests.support.estimators import fitted_estimators
from tests.support.libraries import library


def facts_of_folder(folder: Path) -> dict[str, Any]:
    found: dict[str, FormatFacts] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            facts = read_facts(path.name, BytesSource(path.read_bytes()))
            if facts is not None:
                found[path.name] = facts
    return summarise(found)


def predictions_elsewhere(folder: Path, method: str, rows: Any) -> Any:
    """What the model predicts after it was loaded by another process."""
    numpy = library("numpy")
    work = folder.with_name("elsewhere")
    work.mkdir()
    numpy.save(work / "rows.npy", rows)
    script = (
        "import sys, numpy, pathlib\n"
        "from modelyard.sdk.savers import load_model\n"
        "folder, work, method = sys.argv[1:]\n"
        "model = load_model(pathlib.Path(folder))\n"
        "numpy.save(work + '/out.npy', getattr(model, method)(numpy.load(work + '/rows.npy')))\n"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(folder), str(work), method],
        check=True,
        timeout=120,
    )
    return numpy.load(work / "out.npy")


def assert_same(left: Any, right: Any) -> None:
    numpy = library("numpy")
    left, right = numpy.asarray(left), numpy.asarray(right)
    assert left.dtype == right.dtype
    assert numpy.array_equal(left, right)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "model"


def rows() -> Any:
    return model_files.training_data()[0]


def test_scikit_learn(folder: Path) -> None:
    model = model_files.logistic()
    saved = save_model(model, folder, example=rows()[:3])
    assert saved.files == ("model.skops",)
    assert saved.signature == {
        "inputs": [{"name": "input", "dtype": "float64", "shape": [None, 6]}],
        "outputs": [{"name": "output", "dtype": "int64", "shape": [None]}],
    }
    assert_same(load_model(folder).predict(rows()), model.predict(rows()))
    assert_same(predictions_elsewhere(folder, "predict_proba", rows()), model.predict_proba(rows()))
    summary = facts_of_folder(folder)
    assert (summary["framework"], summary["format"]) == ("scikit-learn", "skops")
    assert summary["architecture"] == "Pipeline"
    assert summary["signature"] == saved.signature


def test_every_estimator_of_scikit_learn_loads_without_trust(tmp_path: Path) -> None:
    loaded = 0
    for name, model in fitted_estimators():
        folder = tmp_path / name
        folder.mkdir()
        try:
            save_model(model, folder)
        except NoSaver:
            assert name == "Birch", name
            continue
        again = load_model(folder)
        assert again.__class__ is type(model)
        loaded += 1
    assert loaded > 120


def test_a_tree_that_points_outside_of_itself_is_refused() -> None:
    ensemble, neighbors = library("sklearn.ensemble"), library("sklearn.neighbors")
    data, labels = model_files.training_data()
    boosted = ensemble.GradientBoostingClassifier(n_estimators=2).fit(data, labels)
    quick = ensemble.HistGradientBoostingClassifier(max_iter=2).fit(data, labels)
    near = neighbors.KNeighborsClassifier(algorithm="ball_tree").fit(data, labels)
    for model in (boosted, quick, near):
        check_indices(model, "it")
    boosted.estimators_[1, 0].tree_.children_right[0] = 10_000
    quick._predictors[0][0].nodes["left"][0] = 10_000
    state = near._tree.__getstate__()
    state[1][0] = 10_000
    near._tree.__setstate__(state)
    for model in (boosted, quick, near):
        with pytest.raises(UnlawfulModel, match="points outside"):
            check_indices(model, "it")


def test_scikit_learn_signature_of_a_frame(folder: Path) -> None:
    pandas, numpy = library("pandas"), library("numpy")
    frame = pandas.DataFrame(
        {"age": [1, 2, 3, 4], "pay": numpy.array([1, 2, 3, 4], "float32"), "city": list("abab")}
    )
    compose = library("sklearn.compose").make_column_transformer(
        (library("sklearn.preprocessing").OneHotEncoder(), ["city"]), remainder="passthrough"
    )
    regression = library("sklearn.linear_model").LinearRegression()
    model = library("sklearn.pipeline").make_pipeline(compose, regression).fit(frame, [1.0, 2.0, 3.0, 4.5])
    saved = save_model(model, folder, example=frame)
    assert saved.signature is not None
    names = [(x["name"], x["dtype"]) for x in saved.signature["inputs"]]
    assert names == [("age", "int64"), ("pay", "float32"), ("city", "string")]
    assert_same(load_model(folder).predict(frame), model.predict(frame))


def test_an_example_that_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(Invalid, match="does not fit"):
        save_model(model_files.pipeline(), folder, example=rows()[:, :2])


def test_scikit_learn_with_unknown_types_needs_trust(folder: Path) -> None:
    xgboost = library("xgboost")
    steps = (library("sklearn.preprocessing").StandardScaler(), xgboost.XGBClassifier(n_estimators=3, n_jobs=1))
    model = library("sklearn.pipeline").make_pipeline(*steps).fit(*model_files.training_data())
    saved = save_model(model, folder)
    with pytest.raises(UntrustedModel, match=r"xgboost\.sklearn\.XGBClassifier"):
        load_model(folder)
    with pytest.raises(UntrustedModel, match=r"xgboost\.core\.Booster") as refusal:
        load_model(folder, trust=["xgboost.sklearn.XGBClassifier"])
    assert "XGBClassifier" not in str(refusal.value)
    for trust in (True, saved.extra["untrusted_types"]):
        assert_same(load_model(folder, trust=trust).predict_proba(rows()), model.predict_proba(rows()))


def test_scikit_learn_with_a_lambda_is_refused_and_never_pickled_silently(folder: Path) -> None:
    transformer = library("sklearn.preprocessing").FunctionTransformer(lambda x: x)
    with pytest.raises(NoSaver, match="lambda"):
        save_model(transformer, folder)


def test_pickle_only_by_name_and_only_with_trust(tmp_path: Path) -> None:
    thing = {1, 2, 3}
    with pytest.raises(NoSaver, match=r"builtins\.set"):
        save_model(thing, tmp_path / "a")
    save_model(thing, tmp_path / "b", allow_pickle=True)
    assert (tmp_path / "b" / "model.pkl").is_file()
    with pytest.raises(UntrustedModel, match="can run code"):
        load_model(tmp_path / "b")
    assert load_model(tmp_path / "b", trust=True) == thing
    with pytest.raises(NoSaver, match="lambda"):
        save_model(lambda: 1, tmp_path / "c", allow_pickle=True)


@pytest.mark.parametrize("kind", ["XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRanker"])
def test_xgboost_wrappers(folder: Path, kind: str) -> None:
    data, labels = model_files.training_data()
    model = getattr(library("xgboost"), kind)(n_estimators=5, max_depth=3, n_jobs=1, missing=-1.0)
    if kind == "XGBRanker":
        model.fit(data, labels, group=[100, 100])
    else:
        model.fit(data, labels)
    save_model(model, folder, example=data[:3])
    loaded = load_model(folder)
    assert loaded.__class__ is type(model)
    assert loaded.get_params() == model.get_params()
    holes = data.copy()
    holes[::3, 2] = -1.0
    assert_same(loaded.predict(holes), model.predict(holes))
    if kind == "XGBClassifier":
        assert_same(predictions_elsewhere(folder, "predict_proba", holes), model.predict_proba(holes))
        assert facts_of_folder(folder)["framework"] == "xgboost"


def test_xgboost_keeps_early_stopping_and_nan_as_missing(folder: Path) -> None:
    numpy = library("numpy")
    data, labels = model_files.training_data()
    model = library("xgboost").XGBClassifier(n_estimators=60, early_stopping_rounds=2, n_jobs=1)
    model.fit(data[:120], labels[:120], eval_set=[(data[120:], labels[120:])], verbose=False)
    save_model(model, folder)
    loaded = load_model(folder)
    assert loaded.best_iteration == model.best_iteration < 59
    assert numpy.isnan(loaded.missing)
    assert_same(loaded.predict_proba(data), model.predict_proba(data))


def test_xgboost_booster(folder: Path) -> None:
    xgboost = library("xgboost")
    matrix = xgboost.DMatrix(rows(), label=model_files.training_data()[1])
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 4)
    save_model(booster, folder, example=rows())
    assert_same(load_model(folder).predict(matrix), booster.predict(matrix))


def test_what_xgboost_cannot_restore_is_said(folder: Path) -> None:
    def objective(truth: Any, guess: Any) -> tuple[Any, Any]:
        return guess - truth, truth * 0 + 1

    data, labels = model_files.training_data()
    model = library("xgboost").XGBRegressor(n_estimators=2, objective=objective, n_jobs=1)
    model.fit(data, labels.astype("float64"))
    with pytest.warns(UserWarning, match="not restore the parameter objective"):
        saved = save_model(model, folder)
    assert saved.extra["not_restored"] == ["the parameter objective of XGBRegressor"]
    assert_same(load_model(folder).predict(data), model.predict(data))


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("LGBMClassifier", [0, 1]),
        ("LGBMClassifier", ["no", "yes"]),
        ("LGBMClassifier", [7, 9, -3]),
        ("LGBMClassifier", [True, False]),
        ("LGBMClassifier", [0.0, 1.0]),
        ("LGBMRegressor", [0, 1]),
        ("LGBMRanker", [0, 1]),
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_lightgbm_wrappers(folder: Path, kind: str, labels: list[Any]) -> None:
    numpy = library("numpy")
    data, _ = model_files.training_data()
    target = numpy.array(labels)[(numpy.arange(len(data)) + (data[:, 0] > 0)) % len(labels)]
    model = getattr(library("lightgbm"), kind)(n_estimators=6, verbose=-1, n_jobs=1, class_weight=None)
    if kind == "LGBMRanker":
        model.fit(data, target, group=[100, 100])
    else:
        model.fit(data, target)
    save_model(model, folder, example=data[:3])
    loaded = load_model(folder)
    assert loaded.__class__ is type(model)
    assert loaded.get_params() == model.get_params()
    assert loaded.objective_ == model.objective_
    assert_same(loaded.predict(data), model.predict(data))
    if kind == "LGBMClassifier":
        assert_same(loaded.classes_, model.classes_)
        assert_same(loaded.predict_proba(data), model.predict_proba(data))
    if labels == ["no", "yes"]:
        assert_same(predictions_elsewhere(folder, "predict", data), model.predict(data))
        assert facts_of_folder(folder)["framework"] == "lightgbm"


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_lightgbm_early_stopping_and_booster(tmp_path: Path) -> None:
    lightgbm = library("lightgbm")
    data, labels = model_files.training_data()
    model = lightgbm.LGBMClassifier(n_estimators=80, verbose=-1, n_jobs=1)
    model.fit(
        data[:120], labels[:120], eval_set=[(data[120:], labels[120:])],
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
    )  # fmt: skip
    with pytest.warns(UserWarning, match="will not restore"):
        saved = save_model(model, tmp_path / "a")
    assert "evals_result_" in saved.extra["not_restored"]
    loaded = load_model(tmp_path / "a")
    assert loaded.best_iteration_ == model.best_iteration_
    assert_same(loaded.predict_proba(data), model.predict_proba(data))
    train = lightgbm.Dataset(data[:120], labels[:120])
    stop = lightgbm.early_stopping(2, verbose=False)
    parameters = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(
        parameters,
        train,
        80,
        [train.create_valid(data[120:], labels[120:])],
        callbacks=[stop],
        keep_training_booster=True,
    )
    assert booster.current_iteration() > booster.best_iteration > 0
    with pytest.warns(UserWarning, match="trees after the best iteration"):
        save_model(booster, tmp_path / "b")
    assert_same(load_model(tmp_path / "b").predict(data), booster.predict(data))


def test_unfitted_lightgbm_is_refused(folder: Path) -> None:
    with pytest.raises(NoSaver, match="not fitted"):
        save_model(library("lightgbm").LGBMClassifier(), folder)


def network_in_another_class() -> Any:
    """Tied weights, a buffer, integer and half tensors, a scalar."""
    torch = library("torch")

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.zebra = torch.nn.Linear(6, 6)
            self.alpha = torch.nn.Linear(6, 6)
            self.alpha.weight = self.zebra.weight
            self.register_buffer("count", torch.tensor(2**53 + 1))
            self.register_buffer("low", torch.randn(4).to(torch.bfloat16))
            whole = torch.arange(12, dtype=torch.int32)
            self.register_buffer("view_a", whole[:6])
            self.register_buffer("view_b", whole[3:9])
            self.register_buffer("turned", torch.randn(3, 4).t())

        def forward(self, x: Any) -> Any:
            return self.alpha(torch.relu(self.zebra(x)))

    return Net()


def test_pytorch_module(folder: Path) -> None:
    torch = library("torch")
    module, other = network_in_another_class(), network_in_another_class()
    saved = save_model(module, folder, example=torch.ones(2, 6))
    assert saved.signature is not None
    assert saved.signature["inputs"] == [{"name": "input", "dtype": "float32", "shape": [None, 6]}]
    assert "Linear" in saved.extra["architecture"]
    state = load_model(folder)
    assert list(state) == list(module.state_dict())
    for name, tensor in module.state_dict().items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)
    assert state["alpha.weight"] is state["zebra.weight"]
    filled = load_model(folder, into=other)
    assert filled is other
    inputs = torch.randn(5, 6)
    assert torch.equal(filled(inputs), module(inputs))
    summary = facts_of_folder(folder)
    assert (summary["framework"], summary["format"], summary["architecture"]) == (
        "pytorch",
        "safetensors",
        "Net",
    )
    with pytest.raises(Invalid, match="do not fit"):
        load_model(folder, into=torch.nn.Linear(2, 2))
    with pytest.raises(Invalid, match=r"not a torch\.nn\.Module"):
        load_model(folder, into="module")


def test_pytorch_says_at_push_and_at_load_that_the_code_is_not_kept(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = library("torch")
    monkeypatch.setattr("modelyard.sdk.saying._said", set())
    save_model(torch.nn.Linear(2, 1), folder)
    assert "only its weights are kept, not its code; load it with my.load(…, into=Module())" in caplog.text
    caplog.clear()
    load_model(folder)
    assert "fill a module of the same class with my.load(…, into=Module())" in caplog.text
    caplog.clear()
    load_model(folder, into=torch.nn.Linear(2, 1))
    assert caplog.text == ""


def test_pytorch_in_another_process(folder: Path) -> None:
    torch = library("torch")
    module = model_files.network()
    save_model(module.state_dict(), folder)
    inputs = torch.randn(5, 6)
    torch.save((inputs, module(inputs)), folder.with_name("expected.pt"))
    script = (
        "import sys, torch, pathlib\n"
        "from modelyard.sdk.savers import load_model\n"
        "net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))\n"
        "load_model(pathlib.Path(sys.argv[1]), into=net)\n"
        "inputs, expected = torch.load(sys.argv[2])\n"
        "sys.exit(0 if torch.equal(net(inputs), expected) else 9)\n"
    )
    arguments = [sys.executable, "-c", script, str(folder), str(folder.with_name("expected.pt"))]
    assert subprocess.run(arguments, timeout=120, check=False).returncode == 0


def test_pytorch_state_with_other_values_is_refused(folder: Path) -> None:
    torch = library("torch")

    class Odd(torch.nn.Linear):
        def get_extra_state(self) -> dict[str, int]:
            return {"epoch": 3}

        def set_extra_state(self, state: dict[str, int]) -> None:
            self.epoch = state["epoch"]

    with pytest.raises(NoSaver, match="_extra_state"):
        save_model(Odd(2, 2), folder)
    sparse = {"w": torch.ones(3, 3).to_sparse()}
    with pytest.raises(NoSaver, match="sparse"):
        save_model(sparse, folder)


def test_transformers(folder: Path) -> None:
    torch, transformers = library("torch"), library("transformers")
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, vocab_size=40
    )
    model = transformers.BertForSequenceClassification(config).eval().to(torch.bfloat16)
    saved = save_model(model, folder)
    assert {"config.json", "model.safetensors"} <= set(saved.files)
    loaded = load_model(folder)
    assert loaded.__class__ is type(model)
    assert loaded.dtype == torch.bfloat16
    tokens = torch.tensor([[1, 5, 9, 2]])
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, model(tokens).logits)
    summary = facts_of_folder(folder)
    assert summary["framework"] == "transformers"
    assert summary["architecture"] == "BertForSequenceClassification"
    assert summary["parameters"] == sum(p.numel() for p in model.parameters())
    tampered = json.loads((folder / "config.json").read_text()) | {"architectures": ["os"]}
    (folder / "config.json").write_text(json.dumps(tampered))
    with pytest.raises(Invalid, match="does not have"):
        load_model(folder)


def test_onnx(folder: Path) -> None:
    onnx = library("onnx")
    model = onnx.load_model_from_string(model_files.onnx_from_sklearn())
    saved = save_model(model, folder)
    assert saved.signature is not None
    assert saved.signature["inputs"] == [{"name": "X", "dtype": "float32", "shape": [None, 6]}]
    assert load_model(folder) == model
    session = load_model(folder, as_session=True)
    inputs = {"X": rows().astype("float32")}
    direct = library("onnxruntime").InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert_same(session.run(None, inputs)[0], direct.run(None, inputs)[0])


def test_onnx_that_reads_other_files_is_refused(folder: Path) -> None:
    onnx = library("onnx")
    model = onnx.load_model_from_string(model_files.onnx_with_weights())
    with pytest.raises(NoSaver, match="in other files"):
        save_model(model, folder)
    plain = onnx.load_model_from_string(model_files.onnx_from_sklearn())
    save_model(plain, folder)
    (folder / "model.onnx").write_bytes(model_files.onnx_with_weights())
    for as_session in (False, True):
        with pytest.raises(Invalid, match="other files"):
            load_model(folder, as_session=as_session)


def test_loader_file_lies_beside_the_model(folder: Path) -> None:
    saved = save_model(model_files.pipeline(), folder)
    assert isinstance(saved, SavedModel)
    loader = json.loads((folder / LOADER_FILE).read_text())
    assert loader["format_version"] == 1
    assert loader["saver"] == "scikit-learn"
    assert loader["versions"]["scikit-learn"] == library("sklearn").__version__
    assert loader["files"] == ["model.skops"]
    with pytest.raises(Invalid, match="not empty"):
        save_model(model_files.pipeline(), folder)


def test_unknown_options_are_refused(folder: Path) -> None:
    save_model(model_files.pipeline(), folder)
    with pytest.raises(Invalid, match="not loaded with as_session"):
        load_model(folder, as_session=True)
    # A habit from other registries.
    with pytest.raises(Invalid, match="not loaded with version") as refused:
        load_model(folder, version=4)
    assert 'my.load("fraud/scorer:4")' in refused.value.fix


def test_another_version_of_the_framework_is_said(folder: Path) -> None:
    save_model(model_files.logistic(), folder)
    loader = json.loads((folder / LOADER_FILE).read_text())
    loader["versions"]["scikit-learn"] = "0.1.2"
    (folder / LOADER_FILE).write_text(json.dumps(loader))
    with pytest.warns(UserWarning, match=r"saved with scikit-learn 0\.1\.2"):
        load_model(folder)
