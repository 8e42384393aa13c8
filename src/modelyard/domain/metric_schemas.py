"""Common metrics: which direction is better, and which values can occur.

A metric that is not listed is accepted too; to compare it, a policy must state the direction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

HIGHER, LOWER = "higher", "lower"


class MetricSchema(NamedTuple):
    direction: str
    least: float | None = None
    most: float | None = None


_SHARE_UP = MetricSchema(HIGHER, 0.0, 1.0)
_SHARE_DOWN = MetricSchema(LOWER, 0.0, 1.0)
_ERROR = MetricSchema(LOWER, 0.0)
_COUNT_UP = MetricSchema(HIGHER, 0.0)

METRICS: dict[str, MetricSchema] = {
    **dict.fromkeys(
        (
            "accuracy",
            "balanced_accuracy",
            "f1",
            "f1_macro",
            "f1_micro",
            "f1_weighted",
            "precision",
            "recall",
            "auc",
            "roc_auc",
            "pr_auc",
            "average_precision",
            "map",
            "ndcg",
            "mrr",
            "iou",
            "dice",
            "exact_match",
            "rouge1",
            "rouge2",
            "rougeL",
            "specificity",
            "sensitivity",
        ),
        _SHARE_UP,
    ),
    **dict.fromkeys(("brier", "ece", "error_rate", "fpr", "fnr", "eer"), _SHARE_DOWN),
    **dict.fromkeys(
        ("mae", "mse", "rmse", "rmsle", "mape", "smape", "log_loss", "perplexity", "wer", "cer", "fid"),
        _ERROR,
    ),
    # A likelihood is a loss too, and may be negative.
    "loss": MetricSchema(LOWER),
    **dict.fromkeys(
        ("latency_ms", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "memory_bytes"), _ERROR
    ),
    "throughput": _COUNT_UP,
    "r2": MetricSchema(HIGHER, None, 1.0),
    "mcc": MetricSchema(HIGHER, -1.0, 1.0),
    "kappa": MetricSchema(HIGHER, -1.0, 1.0),
    "silhouette": MetricSchema(HIGHER, -1.0, 1.0),
    "bleu": MetricSchema(HIGHER, 0.0, 100.0),
    "psnr": _COUNT_UP,
    "ssim": MetricSchema(HIGHER, -1.0, 1.0),
}


def direction_of(metric: str) -> str | None:
    """Return which is better, 'higher' or 'lower'; None if that is unknown."""
    schema = METRICS.get(metric)
    return schema.direction if schema else None


def range_of(metric: str) -> tuple[float, float]:
    """Return the (least, most) value that the metric can have."""
    schema = METRICS.get(metric, MetricSchema(HIGHER))
    least = -math.inf if schema.least is None else schema.least
    return least, math.inf if schema.most is None else schema.most


def outside_range(metric: str, value: float) -> str | None:
    """Return the valid range if the value lies outside it; None otherwise."""
    schema = METRICS.get(metric)
    if schema is None:
        return None
    below = schema.least is not None and value < schema.least
    above = schema.most is not None and value > schema.most
    if not below and not above:
        return None
    least = "" if schema.least is None else f"{schema.least:g}"
    most = "" if schema.most is None else f"{schema.most:g}"
    return f"{least}..{most}"
