"""Lineage and recalls."""

from __future__ import annotations

from typing import Any

from modelyard.sdk.http import at
from modelyard.sdk.of_version import OfVersion
from modelyard.sdk.views import Version
from modelyard.wire import lineage as wire


class Lineage(OfVersion):
    """`client.lineage`: what came from what."""

    def trace(
        self, ref: str, *, direction: str = "both", depth: int | None = None, kind: str | None = None
    ) -> wire.Lineage:
        """ref: of a version, a dataset (`transactions@sha256:…`) or a run (`run:<id>`).

        direction: up (what it came from), down (what came of it) or both. depth: at most so many steps; None: all.
        kind: version or dataset, where both could be meant.
        """
        found: wire.Lineage = self._transport.call(
            "GET",
            at("lineage"),
            query=wire.LineageQuery(ref=ref, kind=kind, direction=direction, depth=depth),
            returns=wire.Lineage,
        )
        return found

    def openlineage(
        self, ref: str, *, direction: str = "both", kind: str | None = None
    ) -> list[dict[str, Any]]:
        """The same as run events of OpenLineage, oldest first."""
        found: wire.OpenLineage = self._transport.call(
            "GET",
            at("lineage"),
            query=wire.LineageQuery(ref=ref, kind=kind, direction=direction, format="openlineage"),
            returns=wire.OpenLineage,
        )
        return found.events

    def recall(self, ref: str, reason: str, *, mode: str = "refuse") -> Version:
        """Say that a version is not to be used. mode: refuse (pulls, aliases, promotions) or warn."""
        found: Version = self._transport.call(
            "PUT", self._at(ref, "recall"), body=wire.Recall(reason=reason, mode=mode), returns=Version
        )
        return found

    def lift_recall(self, ref: str) -> Version:
        found: Version = self._transport.call("DELETE", self._at(ref, "recall"), returns=Version)
        return found
