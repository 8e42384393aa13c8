"""Versions: reading, annotating, archiving, deleting, checking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from modelyard.sdk.http import if_match
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.sdk.views import Version, VersionPage
from modelyard.wire import facts as facts_wire
from modelyard.wire import versions as wire

_CHECK_SECONDS = 3600.0


class Versions(Feature):
    """`client.versions`. A reference is `namespace/name` with `:12`, `@alias`, `@sha256:…` or nothing."""

    def list(
        self,
        model: str,
        *,
        states: Sequence[str] = ("ready", "archived"),
        tags: Sequence[str] = (),
        metrics: Sequence[str] = (),
        limit: int | None = None,
    ) -> Iterator[Version]:
        """Newest first. tags: `key=value`; metrics: `f1>=0.7`."""
        query = wire.VersionQuery(state=list(states), tag=list(tags), metric=list(metrics))
        path = self._session.model_path(model, "versions")
        return items(self._transport, path, query, VersionPage, limit)

    def get(self, ref: str) -> Version:
        return self._transport.call("GET", self._session.version_path(ref), returns=Version)

    def register(self, model: str, wanted: wire.RegisterVersion) -> Version:
        """Freeze files whose bytes are there already; `push` sends them first."""
        path = self._session.model_path(model, "versions")
        return self._transport.call("POST", path, body=wanted, returns=Version)

    def edit(
        self,
        ref: str,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        revision: int | None = None,
    ) -> Version:
        """What is None stays; tags is the whole new set. revision: what was seen, else EditConflict."""
        body = wire.EditVersion(description=description, tags=None if tags is None else dict(tags))
        return self._transport.call(
            "PATCH", self._session.version_path(ref), body=body, headers=if_match(revision), returns=Version
        )

    def archive(self, ref: str, *, archived: bool = True, reason: str | None = None) -> Version:
        """archived False brings it back."""
        body = wire.EditVersion(archived=archived, reason=reason)
        return self._transport.call("PATCH", self._session.version_path(ref), body=body, returns=Version)

    def delete(self, ref: str, reason: str | None = None, *, orphan_children: bool = False) -> None:
        """Number and digest stay; HasDependents while something needs the version.

        orphan_children: also when versions came from it; needs a reason, which the log keeps with their names.
        """
        query = wire.DeleteVersion(reason=reason, orphan_children=orphan_children)
        self._transport.call("DELETE", self._session.version_path(ref), query=query)

    def files(self, ref: str) -> Sequence[wire.FileEntry]:
        return self._transport.call(
            "GET", self._session.version_path(ref, "files"), returns=wire.FileList
        ).items

    def manifest(self, ref: str) -> bytes:
        """Canonical bytes whose sha256 is the version digest. Unchecked: `pull` checks."""
        return self._transport.send("GET", self._session.version_path(ref, "manifest")).data

    def record(self, ref: str) -> dict[str, Any]:
        """Everything that was known when the version was registered."""
        data = self._transport.send("GET", self._session.version_path(ref, "record")).data
        found: dict[str, Any] = msgspec.json.decode(data)
        return found

    def facts(self, ref: str) -> facts_wire.Facts:
        """Which facts are known, missing or not applicable, and what to do about it."""
        return self._transport.call("GET", self._session.version_path(ref, "facts"), returns=facts_wire.Facts)

    def bom(self, ref: str) -> dict[str, Any]:
        """The bill of materials in CycloneDX 1.6, each line verified or declared."""
        data = self._transport.send("GET", self._session.version_path(ref, "bom")).data
        found: dict[str, Any] = msgspec.json.decode(data)
        return found

    def verify(self, ref: str) -> wire.Verification:
        """Let the server read the stored bytes again; `damaged` is empty when all are whole."""
        return self._transport.call(
            "POST",
            self._session.version_path(ref, "verify"),
            returns=wire.Verification,
            timeout_seconds=_CHECK_SECONDS,
        )
