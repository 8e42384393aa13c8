"""What is known of common metrics: which direction is better, which values can occur, which one leads a task.

A metric that is not listed is accepted all the same; only comparing it needs the policy to say a direction.
"""

from __future__ import annotations

from dataclasses import dataclass

HIGHER, LOWER = "higher", "lower"


@dataclass(frozen=True, slots=True)
class MetricSchema:
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
        ("mae", "mse", "rmse", "rmsle", "mape", "smape", "log_loss", "loss", "perplexity", "wer", "cer", "fid"),
        _ERROR,
    ),
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

PRIMARY: dict[str, str] = {
    "binary-classification": "roc_auc",
    "classification": "f1",
    "text-classification": "f1",
    "image-classification": "accuracy",
    "token-classification": "f1",
    "tabular-classification": "f1",
    "tabular-regression": "rmse",
    "regression": "rmse",
    "forecasting": "mape",
    "time-series-forecasting": "mape",
    "ranking": "ndcg",
    "recommendation": "ndcg",
    "object-detection": "map",
    "image-segmentation": "iou",
    "translation": "bleu",
    "summarization": "rougeL",
    "question-answering": "exact_match",
    "text-generation": "perplexity",
    "automatic-speech-recognition": "wer",
    "clustering": "silhouette",
    "anomaly-detection": "pr_auc",
}


def direction_of(metric: str) -> str | None:
    """'higher' or 'lower' is better; None: not known."""
    schema = METRICS.get(metric)
    return schema.direction if schema else None


def outside_range(metric: str, value: float) -> str | None:
    """The valid range when the value cannot be right."""
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
