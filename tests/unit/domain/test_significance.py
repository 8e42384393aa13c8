"""Against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from modelyard.domain.significance import bootstrap, paired_t_test, student_p, student_quantile

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("count", [3, 5, 10, 40])
@pytest.mark.parametrize("shift", [0.0, 0.01, 0.05, 1.0])
def test_the_paired_t_test_is_that_of_scipy(count: int, shift: float) -> None:
    before = RNG.normal(0.8, 0.05, count)
    after = before + RNG.normal(shift, 0.02, count)
    found = paired_t_test(before.tolist(), after.tolist())
    truth = stats.ttest_rel(after, before)
    interval = truth.confidence_interval(0.95)
    assert found is not None
    assert found.p_value == pytest.approx(truth.pvalue, rel=1e-6, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6)
    assert found.is_significant == (truth.pvalue < 0.05)


@pytest.mark.parametrize("freedom", [1, 2, 4, 30, 500])
def test_students_distribution(freedom: int) -> None:
    for t in (0.0, 0.1, 1.0, 2.5, 10.0, 200.0):
        assert student_p(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-9, abs=1e-300)
    assert student_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-6)


def test_the_bootstrap_is_near_that_of_scipy_and_repeats() -> None:
    before, after = RNG.normal(0.8, 0.05, 12).tolist(), RNG.normal(0.88, 0.05, 15).tolist()
    found = bootstrap(before, after)
    assert found == bootstrap(before, after)
    assert found is not None
    truth = stats.bootstrap(
        (after, before),
        lambda a, b: np.mean(a) - np.mean(b),
        n_resamples=4000,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((truth.low, truth.high), abs=0.006)
    assert found.is_significant


def test_chance_is_seldom_called_a_difference() -> None:
    verdicts = []
    for _ in range(200):
        before, after = RNG.normal(size=8), RNG.normal(size=8)
        for found in (
            paired_t_test(before.tolist(), after.tolist()),
            bootstrap(before.tolist(), after.tolist()),
        ):
            assert found is not None
            verdicts.append(found.is_significant)
    assert sum(verdicts) / len(verdicts) < 0.12


def test_too_few_and_no_spread() -> None:
    assert paired_t_test([1.0, 2.0], [2.0, 3.0]) is None
    assert bootstrap([1.0, 2.0, 3.0], [1.0]) is None
    same = paired_t_test([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    shifted = paired_t_test([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert same is not None
    assert shifted is not None
    assert (same.p_value, shifted.p_value, shifted.difference) == (1.0, 0.0, 1.0)
