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
    generator = library("sklearn.utils._test_common.instance_generator")
    rows = numpy.random.RandomState(0).rand(60, 5)
    labels = numpy.random.RandomState(1).randint(0, 2, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, cls in library("sklearn.utils").all_estimators():
            try:
                made = list(generator._construct_instances(cls))[:instances_each]
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
