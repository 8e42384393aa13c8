"""Metrics of a version on a named dataset split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Evaluation:
    split: str
    dataset: str
    metrics: Sequence[dict[str, Any]]
    """As in a record."""
    at: int
    by: str
