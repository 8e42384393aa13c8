"""Names of metrics, the same everywhere: `f1`, `test:f1`, `test@holdout:f1`.

    metric = [where ":"] name          name  = any text, or a JSON string
    where  = split ["@" dataset]       split = a word for a split, perhaps with a suffix (`test/fold-3`), or a
                                               JSON string for any other split

Text before a colon that is not such a word belongs to the name, so `mAP@0.5:0.95` is one name. A quoted name may
be any text (`test:"a:b"`), and so may a quoted split (`"2026-Q1":f1`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from modelyard.domain.errors import InvalidRequest
from modelyard.domain.metric_schemas import METRICS

TRAINING_SPLITS = ("train", "training")
_SPLITS = (
    *TRAINING_SPLITS,
    "test",
    "testing",
    "valid",
    "validation",
    "val",
    "dev",
    "eval",
    "evaluation",
    "holdout",
)
SPLIT_BEGINNINGS = ("train", "test", "val", "dev", "eval", "holdout")
"""A split that is not in quotes begins with one of these."""
_WHERE = re.compile(rf"(?:(?:{'|'.join(_SPLITS)})(?:[-_./ 0-9][-\w./ ]*)?)?(?:@[^@:\"]+)?", re.IGNORECASE)
_OPERATORS = ("<=", ">=", "<", ">", "=")
MAX_CONDITION_LENGTH = 500


@dataclass(frozen=True, slots=True, order=True)
class MetricName:
    """split, dataset: "" where none is named."""

    name: str
    split: str = ""
    dataset: str = ""

    @classmethod
    def parse(cls, text: str) -> MetricName:
        """Return the parts of a name; a text in no other form is a plain name."""
        split, rest = _quoted(text)
        if split is not None and rest.startswith(":"):
            return cls(_plain_name(rest[1:]), split)
        if split is not None:
            return cls(split) if not rest else cls(text)
        where, colon, rest = text.partition(":")
        if not colon or not rest or not where or not _WHERE.fullmatch(where[:MAX_CONDITION_LENGTH]):
            return cls(text)
        split, _, dataset = where.partition("@")
        return cls(_plain_name(rest), split, dataset)

    def __str__(self) -> str:
        """Return the text that `parse` reads as the same name."""
        name = self.name if MetricName.parse(self.name) == MetricName(self.name) else _quote(self.name)
        if not self.split and not self.dataset:
            return name
        where = f"{self.split}@{self.dataset}" if self.dataset else self.split
        if not _WHERE.fullmatch(where):
            where = _quote(self.split)
        return f"{where}:{name}"

    @property
    def is_training(self) -> bool:
        """Return whether it was measured on rows that the model was trained on."""
        return is_training(self.split)


def is_training(split: str) -> bool:
    return split.lower().startswith(TRAINING_SPLITS[0]) and MetricName.parse(f"{split}:x").split == split


def _quoted(text: str) -> tuple[str | None, str]:
    """Return the JSON string at the beginning of a text and the rest; None if there is none."""
    if not text.startswith('"'):
        return None, text
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None, text
    return value, text[end:]


def _plain_name(text: str) -> str:
    name, rest = _quoted(text)
    return name if name and not rest else text


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class MetricCondition(NamedTuple):
    """comparison: one of < <= > >= =."""

    metric: MetricName
    comparison: str
    bound: float


def parse_condition(text: str) -> MetricCondition:
    """Read `f1>=0.7` or `test:f1>=0.7`; the last sign counts, so a name may contain others. Raises InvalidRequest."""
    at = max(text[:MAX_CONDITION_LENGTH].rfind(sign) for sign in "<>=")
    start = at - 1 if at > 0 and text[at - 1 : at + 1] in _OPERATORS else at
    name = text[:start].strip() if start > 0 else ""
    if len(text) > MAX_CONDITION_LENGTH or not name or name[-1] in "<>=":
        raise InvalidRequest(
            reason=f"{text[:100]!r} is not a metric condition", fix="Write for example f1>=0.7 or test:f1>=0.7"
        )
    bound = text[at + 1 :].strip()
    try:
        # float() also accepts other digits, underscores and infinity.
        if not bound or not set(bound) <= set("-+0123456789.eE"):
            raise ValueError
        value = float(bound)
    except ValueError:
        raise InvalidRequest(
            reason=f"{bound[:100]!r} is not a number", fix="Write for example f1>=0.7"
        ) from None
    metric = MetricName.parse(name)
    if metric.dataset:
        raise InvalidRequest(
            reason=f"{name[:100]!r} names a dataset, and lists cannot be filtered by dataset",
            fix=f"Omit it: {MetricName(metric.name, metric.split)}{text[start:]}",
        )
    return MetricCondition(metric, text[start : at + 1], value)


# --- order in lists -------------------------------------------------------------------------------------


_PRIMARY = {
    "classification": ("f1", "roc_auc", "auc", "accuracy", "balanced_accuracy"),
    "regression": ("rmse", "mae", "r2", "mse"),
    "clustering": ("silhouette",),
    "ranking": ("ndcg", "map", "mrr"),
    "recommendation": ("ndcg", "map", "mrr"),
    "detection": ("map",),
    "segmentation": ("iou", "dice"),
    "translation": ("bleu",),
    "summarization": ("rougeL", "rouge1"),
    "speech": ("wer", "cer"),
    "generation": ("perplexity",),
    "forecasting": ("smape", "mape", "rmse", "mae"),
}
_COMMON = ("f1", "roc_auc", "auc", "accuracy", "rmse", "mae", "r2")
_SPLIT_ORDER = ("test", "holdout", "eval", "val", "dev", "")


def ranked(metrics: Sequence[Mapping[str, Any]], task: str | None = None) -> list[Mapping[str, Any]]:
    """Return metrics as a record has them, in the order of `rank`."""

    def key(metric: Mapping[str, Any]) -> tuple[int, int, str, str, str]:
        named = [str(metric.get(field) or "") for field in ("name", "split", "dataset")]
        return rank(MetricName(*named), task)

    return sorted(metrics, key=key) if len(metrics) > 1 else list(metrics)


def rank(metric: MetricName, task: str | None = None) -> tuple[int, int, str, str, str]:
    """Order metrics for a list: the primary ones of the task, other known ones, the rest; held-out rows come first."""
    words = (task or "").lower().replace("_", "-")
    primary = next((names for word, names in _PRIMARY.items() if word in words), _COMMON)
    if metric.name in primary:
        place = primary.index(metric.name)
    else:
        place = 50 if metric.name in METRICS else 100
    split = metric.split.lower()
    order = next(
        (n for n, word in enumerate(_SPLIT_ORDER) if word and split.startswith(word)), len(_SPLIT_ORDER)
    )
    if not split:
        order = _SPLIT_ORDER.index("")
    elif metric.is_training:
        order = len(_SPLIT_ORDER) + 1
    return place, order, metric.name, metric.split, metric.dataset
