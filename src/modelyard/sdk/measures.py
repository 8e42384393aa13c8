"""Measures of how models get into a stage."""

from __future__ import annotations

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.wire import measures as wire


class Measures(Feature):
    """`client.measures`: lead times, promotions, rollbacks, completeness and reuse, month by month."""

    def show(
        self, *, since: str | None = None, namespace: str | None = None, stage: str = "production"
    ) -> wire.Measures:
        """Measure the models that you may read.

        Args:
            since: The first month, for example `2026-03`; None: eleven months ago.
            namespace: Only models of this namespace; None: of all.
            stage: The stage that models get into.

        Returns:
            The measures. Durations are in seconds, sizes in bytes, shares from 0 to 1.

        Raises:
            Invalid: `since` is not a month of the last three years.
            NamespaceNotFound: There is no such namespace, or you may not see it.

        Example:
            >>> client.measures.show(since="2026-03").months[-1].promoted
            14
        """
        return self._get(
            at("measures"), wire.Measures, wire.MeasuresQuery(since=since, namespace=namespace, stage=stage)
        )
