"""A file without code can hold any numbers: the model is refused or raises, and never takes the process with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.domain.errors import UnlawfulModel
from modelyard.sdk.savers import load_model, save_model
from modelyard.sdk.savers.sklearn_parts import check_indices
from tests.support import model_files
from tests.support.estimators import composed_estimators, fitted_estimators
from tests.support.libraries import library

SECONDS = float(os.environ.get("MODELYARD_FORGE_SECONDS", "4"))
SEED = int(os.environ.get("MODELYARD_FORGE_SEED", "1"))


def test_no_changed_number_of_any_estimator_ends_the_process(tmp_path: Path) -> None:
    library("sklearn")
    note = tmp_path / "note"
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.support.forged",
        str(SEED),
        "1000",
        str(SECONDS),
        str(note),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=4 * SECONDS + 280, check=False)
    word, *counts = note.read_text().split()
    assert ended.returncode == 0, f"{note.read_text()}: {ended.stderr[-2000:]}"
    attempts, refused = map(int, counts)
    assert word == "done"
    # Enough was tried, and something of it was refused before it could do harm.
    assert attempts > 100
    assert refused > 5


def test_a_forged_file_is_refused_on_loading(tmp_path: Path) -> None:
    linear, tree = library("sklearn.linear_model"), library("sklearn.tree")
    x, y = model_files.training_data()
    sparse = linear.LogisticRegression().fit(x, y).sparsify()
    sparse.coef_.indices[0] = 2_000_000_000
    wide = tree.DecisionTreeClassifier(max_depth=2).fit(library("numpy").tile(x, 1000), y)
    wide.n_features_in_ = 4
    neighbours = library("sklearn.neighbors").KNeighborsClassifier().fit(x, y)
    neighbours._y[0] = 199_999
    clusters = library("sklearn.cluster").KMeans(2).fit(x)
    clusters.cluster_centers_ = clusters.cluster_centers_[:, :1]
    for number, forged in enumerate((sparse, wide, neighbours, clusters)):
        save_model(forged, tmp_path / str(number))
        with pytest.raises(UnlawfulModel):
            load_model(tmp_path / str(number))


def test_every_fitted_estimator_is_sound() -> None:
    count = 0
    for source in (fitted_estimators(), composed_estimators()):
        for name, estimator in source:
            check_indices(estimator, name)
            count += 1
    assert count > 230
