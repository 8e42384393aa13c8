"""Evaluations: metrics of a version on a dataset split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modelyard.sdk.session import Feature
from modelyard.wire import evaluations as wire


class Evaluations(Feature):
    """`client.evaluations`: metrics of a version, measured on a dataset split."""

    def report(
        self, ref: str, metrics: Mapping[str, float | str], *, split: str = "", dataset: str = ""
    ) -> wire.Evaluation:
        """Report metrics of a version, measured on a split of a dataset.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            metrics: Metric → value; also `"NaN"`, `"Infinity"` and `"-Infinity"`.
            split: Name of the split; empty: none.
            dataset: Name of the dataset; empty: none.

        Returns:
            The evaluation.

        Raises:
            VersionDeleted: The version was deleted.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.evaluations.report("fraud/scorer:12", {"f1": 0.92}, split="test", dataset="cards").by
            'ada'
        """
        return self._post(
            self._version(ref, "evaluations"),
            wire.Evaluation,
            wire.ReportEvaluation(metrics=dict(metrics), split=split, dataset=dataset),
        )

    def list(self, ref: str) -> Sequence[wire.Evaluation]:
        """Return the evaluations of a version, newest first.

        Metrics that were frozen at registration are in its record instead.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The evaluations.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [evaluation.metrics for evaluation in client.evaluations.list("fraud/scorer:12")]
            [{'f1': 0.92}]
        """
        return self._get(self._version(ref, "evaluations"), wire.EvaluationList).items
