"""Exact names that fitted estimators of scikit-learn hold and no rule covers. Written by tools/learn_names.py."""

LEARNED = (
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.cluster._kmeans._kmeans_single_lloyd",
    "sklearn.metrics._dist_metrics.newObj",
    "sklearn.neighbors._kd_tree.newObj",
)
