"""Evaluations: metrics of a version on a dataset split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelyard.sdk.of_version import OfVersion
from modelyard.wire import evaluations as wire

if TYPE_CHECKING:
    pass


class Evaluations(OfVersion):
    """`client.evaluations`: metrics of a version, measured on a dataset split."""

    def report(
        self, ref: str, metrics: Mapping[str, float | str], *, split: str = "", dataset: str = ""
    ) -> wire.Evaluation:
        found: wire.Evaluation = self._transport.call(
            "POST",
            self._at(ref, "evaluations"),
            body=wire.ReportEvaluation(metrics=dict(metrics), split=split, dataset=dataset),
            returns=wire.Evaluation,
        )
        return found

    def list(self, ref: str) -> Sequence[wire.Evaluation]:
        """Newest first; metrics frozen at registration are in the version's record."""
        found: wire.EvaluationList = self._transport.call(
            "GET", self._at(ref, "evaluations"), returns=wire.EvaluationList
        )
        return found.items
