"""Every estimator of scikit-learn, fitted on a little data as its own checks do it."""

from __future__ import annotations

import unittest
import warnings
from collections.abc import Iterator
from typing import Any

from tests.support.libraries import library

# Those that take other data than rows of numbers.
_TEXTS = ("CountVectorizer", "TfidfVectorizer")


def fitted_estimators(instances_each: int = 1) -> Iterator[tuple[str, Any]]:
    """(name, fitted estimator). What cannot be made or fitted without advice is passed over."""
    numpy = library("numpy")
    checks = library("sklearn.utils.estimator_checks")
    rows = numpy.random.RandomState(0).rand(60, 5)
    labels = numpy.random.RandomState(1).randint(0, 2, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, cls in library("sklearn.utils").all_estimators():
            try:
                made = _instances(cls, instances_each)
            except (TypeError, ValueError, unittest.SkipTest):
                continue
            for estimator in made:
                try:
                    if name in _TEXTS:
                        estimator.fit(["one two", "two three"] * 5)
                    else:
                        x = checks._enforce_estimator_tags_X(estimator, rows.copy())
                        estimator.fit(x, checks._enforce_estimator_tags_y(estimator, labels.copy()))
                except (TypeError, ValueError, AttributeError):
                    continue
                yield name, estimator


def _instances(cls: type, count: int) -> list[Any]:
    try:
        from sklearn.utils._test_common.instance_generator import _construct_instances
    except ImportError:
        # scikit-learn before 1.6.
        from sklearn.utils.estimator_checks import _construct_instance

        return [_construct_instance(cls)]
    return list(_construct_instances(cls))[:count]


def composed_estimators() -> Iterator[tuple[str, Any]]:
    """Estimators with other parts than the defaults: metrics, losses, kernels, selectors, distributions, callables."""
    numpy, stats, pandas = library("numpy"), library("scipy.stats"), library("pandas")
    x, y = library("sklearn.datasets").make_classification(60, 5, random_state=0)
    yield from _neighbours(abs(x), y)
    linear = library("sklearn.linear_model")
    for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "squared_error", "huber",
                 "epsilon_insensitive", "squared_epsilon_insensitive"):  # fmt: skip
        yield f"SGD {loss}", linear.SGDClassifier(loss=loss).fit(x, y)
    boosted = library("sklearn.ensemble").HistGradientBoostingRegressor
    for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile"):
        quantile = 0.5 if loss == "quantile" else None
        yield f"boosted {loss}", boosted(loss=loss, quantile=quantile, max_iter=2).fit(x, abs(x[:, 0]) + 1)
    deep = library("sklearn.ensemble")
    for loss in ("log_loss", "exponential"):
        yield f"gradient boosting {loss}", deep.GradientBoostingClassifier(loss=loss, n_estimators=2).fit(x, y)
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield f"gradient boosting {loss}", deep.GradientBoostingRegressor(loss=loss, n_estimators=2).fit(x, y)
    for criterion in ("squared_error", "friedman_mse", "absolute_error", "poisson"):
        yield (
            f"tree {criterion}",
            library("sklearn.tree").DecisionTreeRegressor(criterion=criterion).fit(x, y + 1),
        )
    for name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor"):
        yield name, getattr(linear, name)().fit(x, abs(x[:, 0]) + 1)
    kernels = library("sklearn.gaussian_process.kernels")
    for kernel in (
        kernels.RBF() + kernels.WhiteKernel(), kernels.ConstantKernel() * kernels.Matern(), kernels.RationalQuadratic(),
        kernels.ExpSineSquared(), kernels.DotProduct() ** 2, kernels.PairwiseKernel(),
    ):  # fmt: skip
        process = library("sklearn.gaussian_process")
        yield f"process {kernel}", process.GaussianProcessRegressor(kernel, alpha=1.0).fit(x[:20, :1], y[:20])
    yield "process classifier", library("sklearn.gaussian_process").GaussianProcessClassifier().fit(x, y)
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        yield f"SVC {kernel}", library("sklearn.svm").SVC(kernel=kernel, probability=kernel == "rbf").fit(x, y)
    compose, preprocessing = library("sklearn.compose"), library("sklearn.preprocessing")
    frame = pandas.DataFrame(
        {"a": x[:, 0], "b": ["x", "y", "z"] * 20, "c": pandas.Categorical(["u", "v"] * 30)}
    )
    selector = compose.make_column_selector
    columns = compose.make_column_transformer(
        (preprocessing.StandardScaler(), selector(dtype_include=numpy.number)),
        (preprocessing.OneHotEncoder(), selector(dtype_exclude=numpy.number)),
    )
    make_pipeline = library("sklearn.pipeline").make_pipeline
    yield "columns", make_pipeline(columns, linear.LogisticRegression()).fit(frame, y)
    yield (
        "target",
        compose.TransformedTargetRegressor(linear.Ridge(), func=numpy.log1p, inverse_func=numpy.expm1).fit(
            x, y
        ),
    )
    yield "functions", preprocessing.FunctionTransformer(numpy.log1p, inverse_func=numpy.expm1).fit(abs(x))
    selection = library("sklearn.model_selection")
    yield (
        "random search",
        selection.RandomizedSearchCV(
            linear.LogisticRegression(),
            {
                "C": stats.loguniform(1e-3, 1),
                "max_iter": stats.randint(50, 100),
                "tol": stats.uniform(1e-4, 1e-3),
            },
            n_iter=2,
        ).fit(x, y),
    )
    for cv in (
        selection.StratifiedKFold(3),
        selection.ShuffleSplit(2),
        selection.RepeatedKFold(n_splits=2, n_repeats=1),
    ):
        yield (
            f"grid {cv}",
            selection.GridSearchCV(linear.Ridge(), {"alpha": [1]}, cv=cv, scoring="r2").fit(x, y),
        )
    metrics = library("sklearn.metrics")
    scorer = metrics.make_scorer(metrics.fbeta_score, beta=2)
    yield "scored", selection.GridSearchCV(linear.LogisticRegression(), {"C": [1]}, scoring=scorer).fit(x, y)
    chosen = library("sklearn.feature_selection")
    for function in (chosen.f_classif, chosen.mutual_info_classif, chosen.chi2):
        yield f"best {function.__name__}", chosen.SelectKBest(function, k=2).fit(abs(x), y)
    for method in ("sigmoid", "isotonic"):
        yield (
            f"calibrated {method}",
            library("sklearn.calibration").CalibratedClassifierCV(method=method).fit(x, y),
        )
    yield (
        "texts",
        make_pipeline(
            library("sklearn.feature_extraction.text").TfidfVectorizer(), linear.LogisticRegression()
        ).fit(["one two", "two three"] * 5, [0, 1] * 5),
    )
    yield "hashed", library("sklearn.feature_extraction.text").HashingVectorizer().fit(["one"])
    yield "bunch", library("sklearn.datasets").load_iris()
    yield "sparse coefficients", linear.LogisticRegression().fit(x, y).sparsify()


def _neighbours(x: Any, y: Any) -> Iterator[tuple[str, Any]]:
    neighbours = library("sklearn.neighbors")
    metrics = (
        "euclidean",
        "manhattan",
        "chebyshev",
        "minkowski",
        "hamming",
        "canberra",
        "braycurtis",
        "haversine",
        "jaccard",
    )
    for algorithm in ("ball_tree", "kd_tree", "brute"):
        for metric in metrics:
            rows = x[:, :2] if metric == "haversine" else x
            given = {"p": 3} if metric == "minkowski" else {}
            try:
                model = neighbours.KNeighborsClassifier(algorithm=algorithm, metric=metric, **given).fit(
                    rows, y
                )
            except ValueError:
                # A metric that this kind of tree does not know.
                continue
            yield f"neighbours {algorithm} {metric}", model
    trees = ("KDTree", "BallTree")
    for name in trees:
        yield name, getattr(neighbours, name)(x)
    yield "density", neighbours.KernelDensity().fit(x)
    yield "float32", neighbours.KNeighborsRegressor(algorithm="kd_tree").fit(x.astype("float32"), y)
    for metric in ("seuclidean", "mahalanobis"):
        variance = library("numpy").cov(x.T)
        given = {"V": variance.diagonal().copy()} if metric == "seuclidean" else {"V": variance}
        yield (
            f"neighbours {metric}",
            neighbours.KNeighborsClassifier(algorithm="ball_tree", metric=metric, metric_params=given).fit(
                x, y
            ),
        )
