"""XGBoost and LightGBM by both of their interfaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelyard.sdk.autolog import last_model
from modelyard.sdk.runs.handle import Run
from tests.support.libraries import library


@pytest.fixture
def xgboost() -> Any:
    return library("xgboost")


@pytest.fixture
def lightgbm() -> Any:
    return library("lightgbm")


@pytest.fixture
def data() -> Any:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    return X, (X[:, 0] > 0).astype(int)


def test_xgboost_train(noted: Run, data: Any, xgboost: Any) -> None:
    X, y = data
    matrix, held_out = xgboost.DMatrix(X[:150], y[:150]), xgboost.DMatrix(X[150:], label=y[150:])
    result: dict[str, Any] = {}
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 2},
        matrix,
        7,
        evals=[(matrix, "train"), (held_out, "test")],
        evals_result=result,
        verbose_eval=False,
    )
    assert noted.params == {"objective": "binary:logistic", "max_depth": 2, "num_boost_round": 7}
    assert noted.metrics == {
        "train:logloss": result["train"]["logloss"][-1],
        "test:logloss": result["test"]["logloss"][-1],
    }
    found = last_model()
    assert found is not None
    assert found.model is booster


def test_xgboost_as_an_estimator(noted: Run, data: Any, xgboost: Any) -> None:
    X, y = data
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=2)
    model.fit(X, y, eval_set=[(X, y)], verbose=False)
    assert noted.params["estimator"].endswith("XGBClassifier")
    assert noted.params["n_estimators"] == 5
    assert "validation_0:logloss" in noted.metrics
    assert noted.metrics["train:accuracy"] == model.score(X, y)
    assert noted.inputs[0]["name"] == "X"
    found = last_model()
    assert found is not None
    assert found.model is model


def test_lightgbm_train(noted: Run, data: Any, lightgbm: Any) -> None:
    X, y = data
    train_set = lightgbm.Dataset(X, label=y)
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 4, "verbose": -1},
        train_set,
        num_boost_round=6,
        valid_sets=[train_set],
    )
    assert noted.params["num_leaves"] == 4
    assert noted.params["num_boost_round"] == 6
    assert list(noted.metrics) == ["train:binary_logloss"]
    assert (noted.inputs[0]["name"], noted.inputs[0]["rows"]) == ("X", 200)
    found = last_model()
    assert found is not None
    assert found.model is booster


def test_lightgbm_as_an_estimator(noted: Run, data: Any, lightgbm: Any) -> None:
    X, y = data
    model = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=4, verbose=-1).fit(X, y)
    assert noted.params["estimator"].endswith("LGBMClassifier")
    assert noted.metrics["train:accuracy"] == model.score(X, y)
    found = last_model()
    assert found is not None
    assert found.model is model
