"""Lineage and recalls."""

from __future__ import annotations

from typing import Any

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.sdk.views import Version
from modelyard.wire import lineage as wire


class Lineage(Feature):
    """`client.lineage`: what came from what."""

    def trace(
        self, ref: str, *, direction: str = "both", depth: int | None = None, kind: str | None = None
    ) -> wire.Lineage:
        """ref: of a version, a dataset (`transactions@sha256:…`) or a run (`run:<id>`).

        direction: up (what it came from), down (what came of it) or both. depth: at most so many steps; None: all.
        kind: version or dataset, where both could be meant.
        """
        return self._transport.call(
            "GET",
            at("lineage"),
            query=wire.LineageQuery(ref=ref, kind=kind, direction=direction, depth=depth),
            returns=wire.Lineage,
        )

    def openlineage(
        self, ref: str, *, direction: str = "both", kind: str | None = None
    ) -> list[dict[str, Any]]:
        """The same as run events of OpenLineage, oldest first."""
        return self._transport.call(
            "GET",
            at("lineage"),
            query=wire.LineageQuery(ref=ref, kind=kind, direction=direction, format="openlineage"),
            returns=wire.OpenLineage,
        ).events

    def recall(self, ref: str, reason: str, *, mode: str = "refuse") -> Version:
        """Say that a version is not to be used. mode: refuse (pulls, aliases, promotions) or warn."""
        return self._transport.call(
            "PUT",
            self._session.version_path(ref, "recall"),
            body=wire.Recall(reason=reason, mode=mode),
            returns=Version,
        )

    def lift_recall(self, ref: str) -> Version:
        return self._transport.call("DELETE", self._session.version_path(ref, "recall"), returns=Version)
