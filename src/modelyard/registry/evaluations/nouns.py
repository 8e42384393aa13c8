"""Metrics of a version on a named dataset split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class Evaluation(msgspec.Struct, frozen=True):
    split: str
    dataset: str
    metrics: Sequence[dict[str, Any]]
    """As in a record."""
    at: int
    by: str
