"""Metrics of a version on a named dataset split."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evaluation:
    split: str
    dataset: str
    metrics: str
    """JSON, as in a record."""
    at: int
    by: str
