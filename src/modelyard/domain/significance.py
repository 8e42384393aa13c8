"""Test whether two sets of measurements differ by more than chance. Standard library only.

Paired measurements (of the same folds) get Student's paired t-test; others get a bootstrap of the difference of
means, which assumes no distribution. Both give the difference, its 95 % interval and the probability of such a
difference by chance. Tests compare the results with SciPy.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.05
LEAST_MEASUREMENTS = 3
_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """after minus before. p_value: two-sided; low and high: bounds of the 95 % interval."""

    test: str
    count: int
    difference: float
    low: float
    high: float
    p_value: float

    @property
    def is_significant(self) -> bool:
        return self.p_value < LEVEL


def paired_t_test(before: Sequence[float], after: Sequence[float]) -> Difference | None:
    """Test measurements in pairs. Returns None for fewer than three pairs."""
    steps = [a - b for b, a in zip(before, after, strict=True)]
    count = len(steps)
    if count < LEAST_MEASUREMENTS:
        return None
    mean, spread = statistics.fmean(steps), statistics.stdev(steps)
    if spread <= 1e-15 * max(1.0, abs(mean)):
        # All pairs differ by the same amount, so there is no variance to test against.
        return Difference("paired t-test", count, mean, mean, mean, 1.0 if mean == 0 else 0.0)
    error = spread / math.sqrt(count)
    t = mean / error
    p_value = student_p(t, count - 1)
    half = student_quantile(1 - LEVEL / 2, count - 1) * error
    return Difference("paired t-test", count, mean, mean - half, mean + half, p_value)


def bootstrap(before: Sequence[float], after: Sequence[float]) -> Difference | None:
    """Test unpaired measurements, reproducibly. Returns None for fewer than three on either side."""
    if min(len(before), len(after)) < LEAST_MEASUREMENTS:
        return None
    difference = statistics.fmean(after) - statistics.fmean(before)
    chance = random.Random(17)
    found = sorted(
        statistics.fmean(chance.choices(after, k=len(after)))
        - statistics.fmean(chance.choices(before, k=len(before)))
        for _ in range(_RESAMPLES)
    )
    low, high = found[int(_RESAMPLES * LEVEL / 2)], found[int(_RESAMPLES * (1 - LEVEL / 2)) - 1]
    beyond = min(sum(value <= 0 for value in found), sum(value >= 0 for value in found))
    p_value = min(1.0, 2 * (beyond + 1) / (_RESAMPLES + 1))
    return Difference("bootstrap", min(len(before), len(after)), difference, low, high, p_value)


def student_p(t: float, freedom: int) -> float:
    """Return the two-sided probability of a value at least as far from 0."""
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def student_quantile(share: float, freedom: int) -> float:
    """Return the quantile of Student's distribution for a share above one half."""
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        if student_p(middle, freedom) / 2 > 1 - share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised value, by Lentz's continued fraction. Source: Numerical Recipes, section 6.4."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    found = d
    for m in range(1, 500):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + numerator * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + numerator / c
            c = c if abs(c) > tiny else tiny
            found *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return found
