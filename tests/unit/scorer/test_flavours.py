"""Each kind of model gets what it expects, after the way through its saver, and its rows come back as they were."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from modelyard.scorer import worker
from modelyard.scorer.columns import Columns
from modelyard.scorer.flavours import CannotServe, Flavour, flavour_of
from modelyard.scorer.frames import PREFIX, lengths, read_head, read_tensors
from modelyard.sdk.savers import save_model

RNG = np.random.default_rng(3)
FRAME = pd.DataFrame({"age": RNG.uniform(20, 80, 60), "days": RNG.uniform(0, 9, 60)})
LABELS = np.where(FRAME.age > 50, "old", "young")
ROWS = [[30.0, 1.0], [70.0, 2.0]]


def through(folder: Path, model: Any, example: Any) -> tuple[Flavour, Columns]:
    """Save and load, as a push and a worker do."""
    saved = save_model(model, folder / "model", example=example)
    flavour = flavour_of(folder / "model", saved.signature)
    told = flavour.described()
    return flavour, Columns(saved.signature, missing=told["missing"], features=told["features"])


def predicted(flavour: Flavour, columns: Columns, rows: list[Any], method: str = "predict") -> list[Any]:
    (tensor,) = flavour.predict(columns.from_rows(rows).tensors, method)
    return tensor.nested()


def test_scikit_learn_fitted_with_names_gets_a_frame(tmp_path: Path) -> None:
    flavour, columns = through(tmp_path, LogisticRegression().fit(FRAME, LABELS), FRAME.head())
    argument = flavour.argument(columns.from_rows(ROWS).tensors)
    assert isinstance(argument, pd.DataFrame)
    assert [*argument.columns] == ["age", "days"]
    assert predicted(flavour, columns, ROWS) == ["young", "old"]
    assert predicted(flavour, columns, ROWS, "predict_proba")[0][1] > 0.9
    assert flavour.described()["methods"] == ["predict", "predict_proba"]


def test_without_pandas_it_gets_an_array_in_the_order_of_its_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save_model(
        LogisticRegression().fit(FRAME, LABELS),
        tmp_path / "model",
        example=FRAME[["days", "age"]][["age", "days"]],
    )
    signature = {"inputs": [*reversed(saved.signature["inputs"])], "outputs": []}  # type: ignore[index]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    flavour = flavour_of(tmp_path / "model", signature)
    argument = flavour.argument(Columns(signature).from_rows([{"age": 30, "days": 1}]).tensors)
    assert isinstance(argument, np.ndarray)
    assert argument.tolist() == [[30.0, 1.0]]


def test_scikit_learn_fitted_without_names_gets_an_array(tmp_path: Path) -> None:
    model = HistGradientBoostingRegressor(max_iter=3).fit(FRAME.to_numpy(), FRAME.age)
    flavour, columns = through(tmp_path, model, FRAME.to_numpy())
    assert isinstance(flavour.argument(columns.from_rows(ROWS).tensors), np.ndarray)
    assert predicted(flavour, columns, ROWS) == model.predict(np.array(ROWS)).tolist()
    assert columns.missing, "these trees take NaN"


def test_columns_of_several_types_reach_their_transformers(tmp_path: Path) -> None:
    frame = FRAME.assign(city=np.where(FRAME.days > 4, "Ulm", "Bonn"))
    encoder = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    model = make_pipeline(encoder, LogisticRegression()).fit(frame, LABELS)
    flavour, columns = through(tmp_path, model, frame.head())
    rows = [{"age": 30, "days": 1, "city": "Ulm"}, {"age": 70, "days": 1, "city": "Bonn"}]
    assert predicted(flavour, columns, rows) == ["young", "old"]
    # An unknown city is an error of its own request alone.
    both = columns.from_rows([*rows, {"age": 30, "days": 1, "city": "Rom"}])
    frame_ = worker.pack({}, both.tensors)
    head, body = split(frame_)[0]
    answers = split(worker.answer(flavour, {**head, "id": 9, "parts": [2, 1], "method": "predict"}, body))
    assert [told.get("part") for told, _ in answers] == [0, 1]
    assert read_tensors(answers[0][0]["outputs"], answers[0][1])[0].data == ["young", "old"]
    assert "ValueError: Found unknown categories" in answers[1][0]["error"]


def split(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    found = []
    while data:
        head, body = lengths(data[: PREFIX.size])
        end = PREFIX.size + head
        found.append((read_head(data[PREFIX.size : end]), data[end : end + body]))
        data = data[end + body :]
    return found


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_boosters_and_their_wrappers(tmp_path: Path, library: str) -> None:
    module = pytest.importorskip(library)
    target = FRAME.age.to_numpy()
    wrapper = module.XGBRegressor if library == "xgboost" else module.LGBMRegressor
    options = {"n_estimators": 3} | ({"verbosity": -1} if library == "lightgbm" else {})
    for number, data in enumerate((FRAME, FRAME.to_numpy())):
        model = wrapper(**options).fit(data, target)
        flavour, columns = through(tmp_path / str(number), model, data)
        expected = model.predict(data[:2])
        rows = [[*map(float, row)] for row in FRAME.to_numpy()[:2]]
        assert predicted(flavour, columns, rows) == pytest.approx(expected.tolist())
        booster = model.get_booster() if library == "xgboost" else model.booster_
        flavour, columns = through(tmp_path / f"{number}-booster", booster, data)
        assert predicted(flavour, columns, rows) == pytest.approx(expected.tolist())
        assert columns.missing


def test_onnx_has_names_for_what_goes_in_and_out(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])],
        "both",
        [helper.make_tensor_value_info(name, kind, [None, 2]) for name in ("a", "b")],
        [helper.make_tensor_value_info(name, kind, [None, 2]) for name in ("sum", "product")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    flavour, columns = through(tmp_path, model, None)
    tensors = columns.from_rows([{"a": [1, 2], "b": [3, 4]}]).tensors
    found = {tensor.name: tensor.nested() for tensor in flavour.predict(tensors, "predict")}
    assert found == {"sum": [[4, 6]], "product": [[3, 8]]}


def test_weights_alone_cannot_predict(tmp_path: Path) -> None:
    (tmp_path / "modelyard.json").write_text(
        json.dumps(
            {"format_version": 1, "saver": "pytorch", "framework": "pytorch", "class": "x.Y", "versions": {},
             "files": ["modelyard.json"], "signature": None, "extra": {}}
        )
    )  # fmt: skip
    with pytest.raises(CannotServe, match="Push it as ONNX"):
        flavour_of(tmp_path, None)


def test_results_that_json_cannot_write_become_null() -> None:
    from modelyard.scorer.flavours import tensor_of

    assert tensor_of("x", np.array([{"a": float("nan")}, (1, np.int64(2))], dtype=object)).data == [
        {"a": None},
        [1, 2],
    ]
    assert tensor_of("x", np.array([[True], [False]])).nested() == [[True], [False]]
    assert tensor_of("x", np.array([1, 2], dtype=">i4")).data == struct.pack("<2i", 1, 2)
    with pytest.raises(CannotServe, match="instead of rows"):
        tensor_of("x", np.float64(3))
