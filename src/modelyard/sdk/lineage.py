"""Lineage and recalls."""

from __future__ import annotations

from typing import Any

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.sdk.views import Version
from modelyard.wire import lineage as wire


class Lineage(Feature):
    """`client.lineage`: origins and descendants."""

    def trace(
        self, ref: str, *, direction: str = "both", depth: int | None = None, kind: str | None = None
    ) -> wire.Lineage:
        """Return the graph of origins and descendants of a version, a dataset or a run.

        Args:
            ref: A version (`fraud/scorer:12`), a dataset (`transactions@sha256:…`) or a run (`run:<id>`).
            direction: `up` (its origins), `down` (its descendants) or `both`.
            depth: Follow at most this many steps; None: all.
            kind: `version` or `dataset`, if the name could mean either; None: detect it.

        Returns:
            The nodes and edges of the graph; `hidden` counts those that you may not see.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            DatasetNotFound: There is no such dataset, or you may not see it.
            RunNotFound: There is no such run, or you may not see it.

        Example:
            >>> [node.kind for node in client.lineage.trace("fraud/scorer:12", direction="up").nodes]
            ['version', 'dataset']
        """
        return self._get(
            at("lineage"), wire.Lineage, wire.LineageQuery(ref=ref, kind=kind, direction=direction, depth=depth)
        )

    def openlineage(
        self, ref: str, *, direction: str = "both", kind: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the same graph as OpenLineage run events, oldest first.

        Args:
            ref: As `trace` takes it.
            direction: `up`, `down` or `both`.
            kind: `version` or `dataset`, if the name could mean either; None: detect it.

        Returns:
            The events.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            DatasetNotFound: There is no such dataset, or you may not see it.
            RunNotFound: There is no such run, or you may not see it.

        Example:
            >>> len(client.lineage.openlineage("fraud/scorer:12"))
            2
        """
        return self._get(
            at("lineage"),
            wire.OpenLineage,
            wire.LineageQuery(ref=ref, kind=kind, direction=direction, format="openlineage"),
        ).events

    def recall(self, ref: str, reason: str, *, mode: str = "refuse") -> Version:
        """Recall a version, so that it is no longer used.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            reason: Reason, shown to everyone who asks for the version, and kept in the event log.
            mode: `refuse` (no pulls, aliases or promotions) or `warn`.

        Returns:
            The version as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.lineage.recall("fraud/scorer:11", "trained on leaked labels").recalled.mode
            'refuse'
        """
        return self._put(self._version(ref, "recall"), Version, wire.Recall(reason=reason, mode=mode))

    def lift_recall(self, ref: str) -> Version:
        """Lift the recall of a version.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The version as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.lineage.lift_recall("fraud/scorer:11").recalled is None
            True
        """
        return self._call("DELETE", self._version(ref, "recall"), returns=Version)
