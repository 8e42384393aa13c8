"""Check that the numbers in a fitted estimator stay within the bounds of memory that compiled code reads unchecked.

scikit-learn and SciPy follow indices, sizes and shapes of fitted parts in C. A file without code can contain any
numbers, so each part is compared with its own sizes and with its owner, the estimator that checks the data's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_MAX_THREADS = 1024


def is_sound(part: Any) -> bool:
    """Return whether compiled code can safely follow this part of a model. True for parts that it does not read."""
    try:
        return all(check(part) for check in _checks_of(part))
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, OverflowError):
        # The part does not even have the form that its class requires.
        return False


def _checks_of(part: Any) -> Iterable[Callable[[Any], bool]]:
    for cls in type(part).__mro__:
        check = _CHECKS.get(f"{cls.__module__}.{cls.__qualname__}")
        if check is not None:
            yield check


def _features(owner: Any) -> int:
    """Return the number of columns that the estimator requires of its data."""
    count = owner.n_features_in_
    if isinstance(count, bool) or not hasattr(count, "__index__") or int(count) < 1:
        raise ValueError(count)
    return int(count)


def _flat(array: Any) -> Any:
    return [] if array is None else array


def _whole(value: Any, low: int, high: int) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__") and low <= int(value) <= high


# --- trees -------------------------------------------------------------------------------------------


def _decision_tree(tree: Any) -> bool:
    count = tree.node_count
    if not 1 <= count <= tree.capacity:
        # This count also bounds the reading of its arrays.
        return False
    left, right = tree.children_left, tree.children_right
    if not (len(left) == len(right) == len(tree.feature) == len(tree.value) == count):
        return False
    inner = left != -1
    places = inner.nonzero()[0]
    return (
        bool(((right != -1) == inner).all())
        # Children come after their parent, so no walk is circular.
        and all(bool(((child[inner] > places) & (child[inner] < count)).all()) for child in (left, right))
        and bool(((tree.feature[inner] >= 0) & (tree.feature[inner] < tree.n_features)).all())
        and _depth(left, right, tree.max_depth) <= tree.max_depth < count
    )


def _depth(left: Any, right: Any, limit: int) -> int:
    """Return the levels below the root, if children come after their parents; at most one above the limit."""
    level, depth = {0}, 0
    while depth <= limit:
        nodes = list(level)
        level = {int(c) for child in (left, right) for c in child[nodes] if c != -1}
        if not level:
            break
        depth += 1
    return depth


def _tree_estimator(owner: Any) -> bool:
    tree = vars(owner).get("tree_")
    return (
        tree is None or _is_of(tree, "sklearn.tree._tree") is False or int(tree.n_features) == _features(owner)
    )


def _is_of(part: Any, module: str) -> bool:
    return type(part).__module__ == module


def _forest(owner: Any) -> bool:
    """Check a forest, whose trees receive the rows without checking their columns again."""
    trees = vars(owner).get("estimators_", ())
    trees = trees.ravel() if hasattr(trees, "ravel") else trees
    return all(_features(tree) == _features(owner) for tree in trees)


def _isolation_forest(owner: Any) -> bool:
    pairs = zip(owner.estimators_, owner.estimators_features_, strict=True)
    return all(
        _features(tree) == len(columns) and bool(((columns >= 0) & (columns < _features(owner))).all())
        for tree, columns in pairs
    )


def _boosted_tree(predictor: Any) -> bool:
    nodes = predictor.nodes
    inner = nodes[nodes["is_leaf"] == 0]
    places = (nodes["is_leaf"] == 0).nonzero()[0]
    by_category = inner[inner["is_categorical"] != 0]
    bitsets = predictor.raw_left_cat_bitsets
    return bool(
        nodes.ndim == 1
        and len(nodes) > 0
        and bitsets.ndim == 2
        and bitsets.shape[1] == 8
        and all(((inner[c] > places) & (inner[c] < len(nodes))).all() for c in ("left", "right"))
        and (inner["feature_idx"] >= 0).all()
        and (by_category["bitset_idx"] < len(bitsets)).all()
    )


def _boosting(owner: Any) -> bool:
    features, mapper = _features(owner), owner._bin_mapper
    categorical = mapper.is_categorical_
    if categorical.shape != (features,) or len(mapper.bin_thresholds_) != features:
        return False
    for row in owner._predictors:
        for predictor in row:
            inner = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            columns = inner["feature_idx"]
            if not ((columns >= 0) & (columns < features)).all():
                return False
            if not categorical[columns[inner["is_categorical"] != 0]].astype(bool).all():
                return False
    return True


# --- neighbours --------------------------------------------------------------------------------------


def _neighbour_tree(bounds_kept: int) -> Callable[[Any], bool]:
    def check(tree: Any) -> bool:
        data, index, nodes, bounds = tree.get_arrays()
        state = tree.__getstate__()
        points, columns, count = len(data), data.shape[1], len(nodes)
        weights = state[12] if len(state) > 12 else None
        first_leaf = (count - 1) // 2
        return bool(
            points > 0
            and len(index) == points
            and count > 0
            and _whole(state[4], 1, 2**31 - 1)
            and _whole(state[5], 1, 62)
            and state[6] == count == 2 ** state[5] - 1
            and bounds.shape == (bounds_kept, count, columns)
            and ((index >= 0) & (index < points)).all()
            and ((nodes["idx_start"] >= 0) & (nodes["idx_end"] <= points)).all()
            and (nodes["idx_start"] <= nodes["idx_end"]).all()
            # The children of node i are at 2 i + 1 and 2 i + 2.
            and (nodes["is_leaf"][first_leaf:] != 0).all()
            and (weights is None or len(weights) == points)
            and _metric(state[11], columns)
        )

    return check


def _metric(metric: Any, columns: int) -> bool:
    """Return whether the numbers that a distance keeps for each column fit."""
    name = type(metric).__name__.rstrip("0123456789")
    _, vector, matrix = metric.__getstate__()[:3]
    if name == "MahalanobisDistance":
        return bool(matrix.shape == (columns, columns) and vector.size in (0, 1, columns))
    if name == "SEuclideanDistance":
        return bool(vector.size == columns)
    return bool(vector.size in (0, 1, columns))


def _neighbours(owner: Any) -> bool:
    rows = vars(owner).get("_fit_X")
    shape: Any = getattr(rows, "shape", None)
    tree = vars(owner).get("_tree")
    if shape is not None and shape != (owner.n_samples_fit_, _features(owner)):
        return False
    if shape is not None and not _labels(owner, shape[0]):
        return False
    return tree is None or tree.get_arrays()[0].shape == tuple(shape)


def _labels(owner: Any, rows: int) -> bool:
    """Check a classifier's labels: the number of a class for each row, in each output."""
    classes = vars(owner).get("classes_")
    if classes is None:
        return True
    labels = owner._y
    columns = labels.reshape(len(labels), -1).T
    classes = classes if isinstance(classes, list) else [classes]
    return len(labels) == rows and all(
        column.dtype.kind in "iu" and bool(((column >= 0) & (column < len(names))).all())
        for column, names in zip(columns, classes, strict=True)
    )


# --- clusters, support vectors, splines, sparse parts -------------------------------------------------


def _clusters(owner: Any) -> bool:
    centers = owner.cluster_centers_
    threads = vars(owner).get("_n_threads", 1)
    return bool(
        centers.ndim == 2
        and len(centers) > 0
        and centers.shape[1] == _features(owner)
        and _whole(threads, 1, _MAX_THREADS)
    )


def _bisecting(owner: Any) -> bool:
    waiting, seen = [owner._bisecting_tree], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        # Each split adds one cluster.
        if node.center.shape != (_features(owner),) or seen > 2 * len(owner.cluster_centers_):
            return False
        children = [child for child in (node.left, node.right) if child is not None]
        if len(children) == 1:
            return False
        waiting += children
    return True


def _support_vectors(owner: Any) -> bool:
    vectors, dual, intercept = owner.support_vectors_, owner._dual_coef_, owner._intercept_
    counts = owner._n_support
    classes = max(2, len(_flat(vars(owner).get("classes_"))))
    total = int(counts.sum())
    pairs = classes * (classes - 1) // 2
    is_classifier = type(owner).__name__ in ("SVC", "NuSVC")
    if not is_classifier:
        classes, pairs = 2, 1
    chances = [owner._probA, owner._probB]
    return bool(
        (counts >= 0).all()
        and counts.ndim == 1
        and len(counts) == classes
        and len(owner.support_) == vectors.shape[0]
        and (vectors.shape[0] == total if is_classifier else True)
        and (vectors.shape[1] == _features(owner) or owner.kernel == "precomputed" or callable(owner.kernel))
        and dual.shape == (classes - 1, vectors.shape[0])
        and intercept.shape == (pairs,)
        and all(len(values) in (0, pairs) for values in chances)
        and len(chances[0]) == len(chances[1])
        and ((owner.support_ >= 0) & (owner.support_ < owner.shape_fit_[0])).all()
        and owner._sparse == hasattr(vectors, "indptr")
    )


def _spline(spline: Any) -> bool:
    knots, coefficients, degree = spline.t, spline.c, spline.k
    return bool(
        _whole(degree, 0, 100)
        and knots.ndim == 1
        and knots.dtype.kind == "f"
        and coefficients.ndim >= 1
        and coefficients.dtype.kind in "fc"
        and abs(knots).max() < float("inf")
        and (knots[1:] >= knots[:-1]).all()
        and len(coefficients) > degree
        and len(knots) >= len(coefficients) + degree + 1
        and knots[degree] < knots[len(coefficients)]
    )


def _compressed(matrix: Any) -> bool:
    matrix.check_format(full_check=True)
    return matrix.data.ndim == 1 or type(matrix).__name__.startswith("bsr")


def _coordinates(matrix: Any) -> bool:
    places = matrix.coords if hasattr(matrix, "coords") else (matrix.row, matrix.col)
    return len(places) == len(matrix.shape) and all(
        len(axis) == len(matrix.data) and bool(((axis >= 0) & (axis < size)).all())
        for axis, size in zip(places, matrix.shape, strict=True)
    )


def _hashing(owner: Any) -> bool:
    return _whole(owner.n_features, 1, 2**31 - 1)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "sklearn.tree._tree.Tree": _decision_tree,
    "sklearn.tree._classes.BaseDecisionTree": _tree_estimator,
    "sklearn.ensemble._forest.BaseForest": _forest,
    "sklearn.ensemble._gb.BaseGradientBoosting": _forest,
    "sklearn.ensemble._iforest.IsolationForest": _isolation_forest,
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": _boosted_tree,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting": _boosting,
    **{
        f"sklearn.neighbors._{kind}_tree.{name}Tree{bits}": _neighbour_tree(bounds_kept)
        for kind, name, bounds_kept in (("kd", "KD", 2), ("ball", "Ball", 1))
        for bits in ("", "32", "64")
    },
    "sklearn.neighbors._base.NeighborsBase": _neighbours,
    "sklearn.cluster._kmeans._BaseKMeans": _clusters,
    "sklearn.cluster._bisect_k_means.BisectingKMeans": _bisecting,
    "sklearn.svm._base.BaseLibSVM": _support_vectors,
    "sklearn.feature_extraction._hash.FeatureHasher": _hashing,
    "sklearn.feature_extraction.text.HashingVectorizer": _hashing,
    "scipy.interpolate._bsplines.BSpline": _spline,
    "scipy.sparse._compressed._cs_matrix": _compressed,
    "scipy.sparse._coo._coo_base": _coordinates,
}
"""By the path of the class; a check applies to its subclasses too."""
