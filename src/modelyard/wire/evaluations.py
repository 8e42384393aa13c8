"""Evaluations: metrics of a version on a dataset split."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Mapped, Request, Text


class ReportEvaluation(Request, kw_only=True):
    """metrics: name → value; "NaN", "Infinity" and "-Infinity" as text."""

    metrics: Mapped[float | Text]
    split: Text = ""
    dataset: Text = ""


class Evaluation(Answer, kw_only=True):
    split: str
    dataset: str
    metrics: list[dict[str, Any]]
    at: str
    by: str


class EvaluationList(Answer, kw_only=True):
    reference: str
    items: list[Evaluation]
