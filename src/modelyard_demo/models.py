"""The models of the demo: which ones, how they are trained, and what is written on their cards."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from modelyard.domain.errors import ExtraMissing, Invalid

_SEED = 7
_TEST_SHARE = 0.3
_EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Trained:
    """One version to be. score: its main metric on the test split; more is better."""

    model: Any
    metrics: list[dict[str, Any]]
    params: dict[str, Any]
    tags: dict[str, str]
    description: str
    card: str
    score: float


@dataclass(frozen=True)
class Line:
    """One model with its versions, trained when they are asked for."""

    name: str
    title: str
    dataset: str
    description: str
    task: str
    metric: str
    data: dict[str, Any]
    example: Any
    versions: Sequence[Trained]


@dataclass(frozen=True)
class _Plan:
    name: str
    title: str
    loader: str
    task: str
    purpose: str
    candidates: Sequence[tuple[str, Callable[[], Any]]]
    """(what is new in it, makes the estimator)"""
    limits: str = field(default="Trained on a few hundred rows of a teaching dataset.")


NEEDED = {"sklearn": "scikit-learn", "pandas": "pandas"}
"""Module → package; the datasets come as tables, so that models know their columns by name."""


def train_all(only: Sequence[str]) -> Iterator[Line]:
    """Train one model after the other. Raises ExtraMissing without its packages, Invalid for unknown names."""
    for module, package in NEEDED.items():
        try:
            import_module(module)
        except ImportError as exc:
            raise ExtraMissing(what="the demo", package=package, extra="demo") from exc
    plans = _plans()
    names = [plan.name for plan in plans]
    if unknown := sorted(set(only) - set(names)):
        raise Invalid(reason=f"there is no demo model {unknown[0]!r}", fix=f"Choose from {', '.join(names)}")
    return (_train(plan) for plan in plans if not only or plan.name in only)


def _train(plan: _Plan) -> Line:
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    loaded = getattr(datasets, plan.loader)(as_frame=True)
    is_regression = plan.task == "tabular-regression"
    parts = train_test_split(
        loaded.data,
        loaded.target,
        test_size=_TEST_SHARE,
        random_state=_SEED,
        stratify=None if is_regression else loaded.target,
    )
    rows = len(loaded.data)
    dataset = plan.loader.removeprefix("load_")
    table = loaded.frame if loaded.frame is not None else loaded.data
    data = {
        "name": dataset,
        "source": f"scikit-learn packaged dataset {dataset}",
        "digest": f"sha256:{hashlib.sha256(table.to_numpy().tobytes()).hexdigest()}",
        "columns": [str(name) for name in loaded.data.columns],
        "rows": rows,
        "split": f"{1 - _TEST_SHARE:.0%} train, {_TEST_SHARE:.0%} test, seed {_SEED}",
    }
    measure = _measure_regression if is_regression else _measure_classifier
    versions = [
        _train_one(plan, dataset, what_is_new, make(), parts, measure) for what_is_new, make in plan.candidates
    ]
    return Line(
        name=plan.name,
        title=plan.title,
        dataset=dataset,
        description=plan.purpose,
        task=plan.task,
        metric="r2" if is_regression else "accuracy",
        data=data,
        example=parts[0].head(_EXAMPLE_ROWS),
        versions=versions,
    )


def _train_one(
    plan: _Plan,
    dataset: str,
    what_is_new: str,
    estimator: Any,
    parts: Sequence[Any],
    measure: Callable[[Any, Any, Any], dict[str, float]],
) -> Trained:
    x_train, x_test, y_train, y_test = parts
    with warnings.catch_warnings():
        # The bad versions are meant to be bad, and scikit-learn says so.
        warnings.simplefilter("ignore")
        estimator.fit(x_train, y_train)
        by_split = {
            "train": measure(estimator, x_train, y_train),
            "test": measure(estimator, x_test, y_test),
        }
    metrics = [
        {"name": name, "split": split, "value": value, "dataset": dataset}
        for split, found in by_split.items()
        for name, value in found.items()
    ]
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    params = {name: value for name, value in sorted(last.get_params(deep=False).items()) if value is not None}
    score = next(iter(by_split["test"].values()))
    algorithm = type(last).__name__
    return Trained(
        model=estimator,
        metrics=metrics,
        params={"algorithm": algorithm, **params},
        tags={"algorithm": algorithm, "kind": "baseline" if algorithm.startswith("Dummy") else "candidate"},
        description=what_is_new,
        card=_card(plan, dataset, algorithm, what_is_new, by_split),
        score=score,
    )


def _measure_classifier(model: Any, features: Any, truth: Any) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    said = model.predict(features)
    found = {"accuracy": accuracy_score(truth, said), "f1_macro": f1_score(truth, said, average="macro")}
    if hasattr(model, "predict_proba"):
        found["log_loss"] = log_loss(truth, model.predict_proba(features), labels=model.classes_)
    return {name: round(float(value), 6) for name, value in found.items()}


def _measure_regression(model: Any, features: Any, truth: Any) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    said = model.predict(features)
    found = {
        "r2": r2_score(truth, said),
        "mae": mean_absolute_error(truth, said),
        "rmse": root_mean_squared_error(truth, said),
    }
    return {name: round(float(value), 6) for name, value in found.items()}


def _card(
    plan: _Plan, dataset: str, algorithm: str, what_is_new: str, by_split: dict[str, dict[str, float]]
) -> str:
    rows = "".join(
        f"| {name} | {by_split['train'][name]:.4f} | {value:.4f} |\n"
        for name, value in by_split["test"].items()
    )
    return f"""---
license: apache-2.0
library_name: scikit-learn
pipeline_tag: {plan.task}
datasets:
- {dataset}
tags:
- demo
---
# {plan.title}

## Purpose

{plan.purpose}

{algorithm}: {what_is_new}

## Performance

Measured on scikit-learn's dataset `{dataset}`, {_TEST_SHARE:.0%} of it held out.

| metric | train | test |
|---|---|---|
{rows}
## Limitations

{plan.limits}

## Intended use

Trying out a model registry. Nothing else.

## Ethics

No decision about a person may rest on this model.
"""


def _plans() -> list[_Plan]:
    """What the demo trains: in each line a baseline, a weak one, and better ones."""
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    def scaled(estimator: Any) -> Any:
        return make_pipeline(StandardScaler(), estimator)

    classes = "tabular-classification"
    return [
        _Plan(
            "iris",
            "Iris species",
            "load_iris",
            classes,
            "Tells three species of iris apart by the measures of their leaves.",
            [
                ("Always says the most frequent species.", lambda: DummyClassifier(strategy="prior")),
                (
                    "A tree of one split, which cannot know three species.",
                    lambda: _tree(DecisionTreeClassifier, 1),
                ),
                ("Logistic regression.", lambda: scaled(LogisticRegression(max_iter=500, random_state=_SEED))),
                ("Support vectors with a wide kernel.", lambda: scaled(SVC(C=2.0, random_state=_SEED))),
            ],
        ),
        _Plan(
            "wine",
            "Wine cultivars",
            "load_wine",
            classes,
            "Names the cultivar of a wine by its chemical analysis.",
            [
                ("Always says the most frequent cultivar.", lambda: DummyClassifier(strategy="prior")),
                (
                    "Nearest neighbours without scaling: proline drowns all else.",
                    lambda: KNeighborsClassifier(5),
                ),
                ("The same, scaled.", lambda: scaled(KNeighborsClassifier(5))),
                ("A forest.", lambda: RandomForestClassifier(60, random_state=_SEED)),
            ],
        ),
        _Plan(
            "breast-cancer",
            "Breast cancer cells",
            "load_breast_cancer",
            classes,
            "Tells benign from malignant cells by measures of their nuclei. A teaching dataset, not medicine.",
            [
                ("Always says benign.", lambda: DummyClassifier(strategy="prior")),
                ("A shallow tree.", lambda: _tree(DecisionTreeClassifier, 2)),
                ("A forest.", lambda: RandomForestClassifier(80, random_state=_SEED)),
                ("Logistic regression.", lambda: scaled(LogisticRegression(max_iter=500, random_state=_SEED))),
                ("Boosted trees.", lambda: GradientBoostingClassifier(n_estimators=40, random_state=_SEED)),
            ],
            "Measured in one clinic in the 1990s; must not be used on patients.",
        ),
        _Plan(
            "digits",
            "Handwritten digits",
            "load_digits",
            "image-classification",
            "Reads a handwritten digit of 8 x 8 pixels.",
            [
                ("A tree of depth 3: eight leaves for ten digits.", lambda: _tree(DecisionTreeClassifier, 3)),
                ("A forest.", lambda: RandomForestClassifier(60, random_state=_SEED)),
                ("Support vectors.", lambda: SVC(gamma=0.001, C=10.0, random_state=_SEED)),
            ],
            "Reads digits of 43 writers on one form; other handwriting was never tried.",
        ),
        _Plan(
            "diabetes",
            "Diabetes progression",
            "load_diabetes",
            "tabular-regression",
            "Estimates how diabetes goes on within a year. A teaching dataset, not medicine.",
            [
                ("Always says the mean.", lambda: DummyRegressor()),
                ("A tree without limits, which learns the noise.", lambda: _tree(DecisionTreeRegressor, None)),
                ("Least squares.", lambda: LinearRegression()),
                ("Ridge.", lambda: Ridge(alpha=0.1, random_state=_SEED)),
                (
                    "Boosted trees.",
                    lambda: GradientBoostingRegressor(
                        n_estimators=80, learning_rate=0.05, max_depth=2, random_state=_SEED
                    ),
                ),
            ],
            "Explains about half of the variance at best; must not be used on patients.",
        ),
    ]


def _tree(kind: Any, depth: int | None) -> Any:
    return kind(max_depth=depth, random_state=_SEED)
