"""scikit-learn, unchanged: what is noted, and that what it does stays the same."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score as plain_accuracy
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from modelyard.sdk.autolog import autolog, last_model
from modelyard.sdk.datasets import describe
from modelyard.sdk.runs.handle import Run


@pytest.fixture
def iris() -> Any:
    X, y = load_iris(return_X_y=True, as_frame=True)
    return train_test_split(X, y, random_state=0)


def test_a_classifier(noted: Run, iris: Any) -> None:
    X_train, X_test, y_train, y_test = iris
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X_train, y_train)
    assert noted.params["estimator"] == "sklearn.tree._classes.DecisionTreeClassifier"
    assert (noted.params["max_depth"], noted.params["criterion"]) == (2, "gini")
    assert noted.metrics == {"train:accuracy": model.score(X_train, y_train)}
    (entry,) = noted.inputs
    assert (entry["name"], entry["split"], entry["rows"]) == ("X_train", "train", len(X_train))
    assert entry["columns"][-1] == "target"
    found = last_model()
    assert found is not None
    assert found.model is model
    assert len(found.example) == 5
    model.score(X_test, y_test)
    score = sklearn.metrics.f1_score(y_test, model.predict(X_test), average="macro")
    sklearn.metrics.accuracy_score(y_train, model.predict(X_train))
    assert noted.metrics["test:f1"] == score
    assert noted.metrics["test:accuracy"] == plain_accuracy(y_test, model.predict(X_test))
    assert sorted(noted.metrics) == ["test:accuracy", "test:f1", "train:accuracy"]


def test_a_pipeline_is_one_fit(noted: Run, iris: Any) -> None:
    X_train, X_test, y_train, y_test = iris
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=500))
    model.fit(X_train, y_train)
    assert noted.params["estimator"] == "sklearn.pipeline.Pipeline"
    assert noted.params["logisticregression__C"] == 0.5
    assert noted.params["standardscaler"] == "StandardScaler"
    assert "steps" not in noted.params
    assert list(noted.metrics) == ["train:accuracy"]
    model.score(X_test, y_test)
    assert "test:accuracy" in noted.metrics


def test_a_search_notes_its_best(noted: Run, iris: Any) -> None:
    X_train, _, y_train, _ = iris
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]}, cv=3)
    search.fit(X_train, y_train)
    assert noted.params["best_max_depth"] == 3
    assert noted.metrics["validation:best_score"] == search.best_score_
    found = last_model()
    assert found is not None
    assert found.model is search.best_estimator_


def test_regression_and_arrays(noted: Run) -> None:
    X, y = make_regression(50, 3, random_state=0)
    LinearRegression().fit(X, y)
    assert list(noted.metrics) == ["train:r2"]
    assert noted.inputs[0]["name"] == "X"
    assert noted.inputs[0]["columns"] == ["0", "1", "2", "target"]


@pytest.mark.parametrize(
    "form",
    [
        lambda y: y.tolist(),
        lambda y: y.reshape(-1, 1),
        lambda y: pd.DataFrame({"y": y}),
        lambda y: np.array(["no", "yes"])[y],
        lambda y: pd.Series(y, name="a"),
    ],
    ids="list column frame texts named-like-a-feature".split(),
)
@pytest.mark.parametrize("rows", [np.asarray, pd.DataFrame], ids=["array", "frame"])
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_other_labels_are_other_data(noted: Run, rows: Any, form: Any) -> None:
    X, y = rows(pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 1.0]})), np.array([0, 1, 1, 0])
    digests = set()
    for labels in (y, 1 - y):
        noted.inputs.clear()
        DecisionTreeClassifier().fit(X, form(labels))
        digests.add(noted.inputs[0]["digest"])
    assert len(digests) == 2


def test_a_part_of_a_described_frame_is_known_by_the_name_of_the_dataset(noted: Run) -> None:
    rows = pd.DataFrame({"a": [0.0, 1.0] * 20, "b": [1.0, 2.0] * 20, "y": [0, 1] * 20})
    describe(rows, name="transactions", source="warehouse.transactions")
    X_train, _, y_train, _ = train_test_split(rows.drop(columns="y"), rows["y"], random_state=0)
    DecisionTreeClassifier().fit(X_train, y_train)
    (entry,) = noted.inputs
    assert (entry["name"], entry["source"], entry["split"]) == (
        "transactions",
        "warehouse.transactions",
        "train",
    )


def test_without_a_target(noted: Run) -> None:
    KMeans(2, n_init=1, random_state=0).fit(np.arange(20.0).reshape(10, 2))
    assert list(noted.metrics) == ["train:score"]
    assert noted.inputs[0]["name"] == "training data"


def test_a_scaler_is_no_model(noted: Run) -> None:
    StandardScaler().fit(np.arange(20.0).reshape(10, 2))
    assert noted.params == {}
    assert last_model() is None


def test_inputs_that_were_named_are_not_named_again(noted: Run, iris: Any) -> None:
    X_train, _, y_train, _ = iris
    noted.log_input(X_train, name="flowers")
    DecisionTreeClassifier().fit(X_train, y_train)
    assert [entry["name"] for entry in noted.inputs] == ["flowers"]


def test_inputs_that_another_process_named_are_not_named_again(
    noted: Run, iris: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_RUN_INPUTS", "1")
    X_train, _, y_train, _ = iris
    DecisionTreeClassifier().fit(X_train, y_train)
    assert noted.inputs == []


def test_what_is_wrapped_looks_and_works_as_before(noted: Run, iris: Any) -> None:
    autolog()
    X_train, _, y_train, _ = iris
    assert list(inspect.signature(DecisionTreeClassifier.fit).parameters)[:3] == ["self", "X", "y"]
    model = DecisionTreeClassifier(random_state=0).fit(X_train, y=y_train)
    again = pickle.loads(pickle.dumps(clone(model).fit(X_train, y_train)))
    assert (again.predict(X_train) == model.predict(X_train)).all()
    # Unavailable methods stay so.
    assert not hasattr(make_pipeline(StandardScaler()), "score")


def test_classes_of_the_user_too(noted: Run) -> None:
    class Always(ClassifierMixin, BaseEstimator):
        def __init__(self, answer: int = 1) -> None:
            self.answer = answer

        def fit(self, X: Any, y: Any) -> Always:
            self.classes_ = np.unique(y)
            return self

        def predict(self, X: Any) -> Any:
            return np.full(len(X), self.answer)

    Always(0).fit(pd.DataFrame({"a": [1.0, 2.0]}), np.array([0, 1]))
    assert noted.params["answer"] == 0
    assert noted.metrics == {"train:accuracy": 0.5}


def test_it_can_be_switched_off(noted: Run) -> None:
    autolog(enabled=False)
    X, y = make_regression(20, 2, random_state=0)
    assert LinearRegression().fit(X, y).score(X, y) > 0.9
    assert (noted.params, noted.metrics, noted.inputs) == ({}, {}, [])


def test_a_training_that_fails_fails_as_ever(noted: Run) -> None:
    with pytest.raises(ValueError, match="NaN"):
        LinearRegression().fit(np.array([[np.nan]]), np.array([1.0]))
    assert last_model() is None


def test_an_autologger_that_breaks_does_not_break_the_training(
    noted: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no params today")

    monkeypatch.setattr("modelyard.sdk.autolog.sklearn.log_params", broken)
    X, y = make_regression(20, 2, random_state=0)
    model = LinearRegression().fit(X, y)
    assert model.predict(X).shape == (20,)
    assert "no params today" in caplog.text
    noted._warned.clear()
