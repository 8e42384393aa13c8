"""No pickle of a fitted scikit-learn estimator is held, in any protocol or as joblib writes it."""

from __future__ import annotations

import io
import pickle

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import Verdict, scan
from tests.support.estimators import fitted_estimators
from tests.support.libraries import library


def test_every_fitted_estimator_is_allowed() -> None:
    joblib = library("joblib")
    wrong: dict[str, list[str]] = {}
    count = 0
    for name, estimator in fitted_estimators():
        file = io.BytesIO()
        joblib.dump(estimator, file)
        for data in (pickle.dumps(estimator, 2), pickle.dumps(estimator, 5), file.getvalue()):
            found = scan(BytesSource(data))
            if found.verdict is not Verdict.ALLOWLISTED:
                wrong[name] = [str(finding) for finding in found.findings]
        count += 1
    assert wrong == {}
    # So that a change in how they are made does not empty this test.
    assert count > 150
