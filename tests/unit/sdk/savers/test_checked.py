"""A loaded model refuses data that does not fit, in words; in everything else it is what it was."""

from __future__ import annotations

import copy
import gc
import pickle
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import SignatureMismatch
from modelyard.sdk.savers import load_model, save_model
from modelyard.sdk.savers.checked import _signatures, with_checked_predict
from tests.support.libraries import library

SIGNATURE = {"inputs": [{"name": "a", "dtype": "float64", "shape": [None]}], "outputs": []}


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    return load_model(saved(tmp_path))


def frame() -> Any:
    return library("pandas").DataFrame({"a": [1.0, 2, 3, 4], "b": [1, 2, 3, 4]})


def fitted() -> Any:
    pipeline, scaler = library("sklearn.pipeline"), library("sklearn.preprocessing")
    model = pipeline.make_pipeline(
        scaler.StandardScaler(), library("sklearn.linear_model").LogisticRegression()
    )
    return model.fit(frame(), [0, 1, 0, 1])


def saved(tmp_path: Path) -> Path:
    save_model(fitted(), tmp_path / "model", example=frame())
    return tmp_path / "model"


def test_the_error_names_column_expected_and_found(loaded: Any) -> None:
    with pytest.raises(SignatureMismatch, match="b: expected int64, found no such column"):
        loaded.predict(frame()[["a"]])
    with pytest.raises(SignatureMismatch, match="a: expected float64, found string"):
        loaded.predict_proba(frame().assign(a="x"))
    with pytest.raises(SignatureMismatch, match="expected 2 columns, found 3 columns"):
        loaded.predict(X=library("numpy").zeros((1, 3)))


def test_what_fits_is_predicted_as_by_the_original(loaded: Any) -> None:
    assert (loaded.predict(frame()) == fitted().predict(frame())).all()
    polars = library("polars").DataFrame({"b": [1], "a": [1.0]})
    assert len(loaded.predict(frame()[["a", "b"]])) == 4
    # Columns in another order are the model's own affair, as before.
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(polars.to_pandas())


def test_in_everything_else_it_is_what_it_was(loaded: Any) -> None:
    pipeline = library("sklearn.pipeline").Pipeline
    assert isinstance(loaded, pipeline)
    assert loaded.__class__ is pipeline
    assert (type(loaded).__name__, type(loaded).__module__) == (pipeline.__name__, pipeline.__module__)
    assert not hasattr(loaded, "transform")
    assert "modelyard" not in repr(loaded)
    assert set(vars(loaded)) == set(vars(fitted()))
    for again in (
        pickle.loads(pickle.dumps(loaded)),
        pickle.loads(pickle.dumps(loaded, protocol=2)),
        copy.deepcopy(loaded),
        library("sklearn.base").clone(loaded).fit(frame(), [0, 1, 0, 1]),
    ):
        assert type(again) is pipeline
        assert (again.predict(frame()) == fitted().predict(frame())).all()
    assert b"modelyard" not in pickle.dumps(loaded)


def test_it_can_be_saved_again(loaded: Any, tmp_path: Path) -> None:
    again = save_model(loaded, tmp_path / "again", example=frame())
    assert again.class_path == "sklearn.pipeline.Pipeline"
    assert type(load_model(tmp_path / "again", check=False)) is library("sklearn.pipeline").Pipeline


def test_fitting_it_anew_ends_the_check(loaded: Any) -> None:
    loaded.fit(frame()[["a"]], [0, 1, 0, 1])
    assert len(loaded.predict(frame()[["a"]])) == 4


def test_unchecked_when_asked_so(tmp_path: Path) -> None:
    loaded = load_model(saved(tmp_path), check=False)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame()[["a"]])


class Slotted:
    __slots__ = ()

    def predict(self, rows: Any) -> Any:
        return rows


class Plain:
    def predict(self, rows: Any) -> Any:
        return rows


@pytest.mark.parametrize("model", [Slotted(), 3, {"a": 1}, Plain], ids=["slots", "number", "dict", "class"])
def test_what_cannot_be_checked_stays_as_it_is(model: Any) -> None:
    before = type(model)
    assert with_checked_predict(model, SIGNATURE) is model
    assert type(model) is before


@pytest.mark.parametrize("signature", [None, {}, {"inputs": []}, {"inputs": "x"}, {"inputs": [{"name": 3}]}])
def test_without_a_lawful_signature_nothing_changes(signature: Any) -> None:
    model = Plain()
    assert type(with_checked_predict(model, signature)) is Plain


def test_a_model_that_is_gone_leaves_nothing_behind() -> None:
    model = with_checked_predict(Plain(), SIGNATURE)
    key = id(model)
    assert key in _signatures
    del model
    gc.collect()
    assert key not in _signatures


def test_data_that_tells_nothing_is_let_through() -> None:
    assert with_checked_predict(Plain(), SIGNATURE).predict([1, 2]) == [1, 2]


def test_the_type_stays_and_others_of_the_class_are_not_checked(loaded: Any) -> None:
    other = fitted()
    assert type(loaded) is type(other)
    with pytest.raises(ValueError, match="feature"):
        other.predict(frame()[["a"]])
