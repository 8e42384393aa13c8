"""Versions: reading, annotating, archiving, deleting, checking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from modelyard.sdk.catalog import if_match
from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.sdk.views import Version, VersionPage
from modelyard.wire import facts as facts_wire
from modelyard.wire import versions as wire

if TYPE_CHECKING:
    from modelyard.sdk.client import Client

_CHECK_SECONDS = 3600.0


class Versions:
    """`client.versions`. A reference is `namespace/name` with `:12`, `@alias`, `@sha256:…` or nothing."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._transport = client.transport

    def _at(self, ref: str, *more: object) -> str:
        parsed = self._client.ref(ref)
        number = parsed.selector
        name = parsed.model
        if not isinstance(number, int):
            resolved = self._client.resolve(ref)
            number, name = resolved.version, self._client.model_name(resolved.model)
        return at("models", name.namespace, name.name, "versions", number, *more)

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
        name = self._client.model_name(model)
        query = wire.VersionQuery(state=list(states), tag=list(tags), metric=list(metrics))
        path = at("models", name.namespace, name.name, "versions")
        return items(self._transport, path, query, VersionPage, limit)

    def get(self, ref: str) -> Version:
        found: Version = self._transport.call("GET", self._at(ref), returns=Version)
        return found

    def register(self, model: str, wanted: wire.RegisterVersion) -> Version:
        """Freeze files whose bytes are there already; `push` sends them first."""
        name = self._client.model_name(model)
        path = at("models", name.namespace, name.name, "versions")
        found: Version = self._transport.call("POST", path, body=wanted, returns=Version)
        return found

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
        found: Version = self._transport.call(
            "PATCH", self._at(ref), body=body, headers=if_match(revision), returns=Version
        )
        return found

    def archive(self, ref: str, *, archived: bool = True, reason: str | None = None) -> Version:
        """archived False brings it back."""
        body = wire.EditVersion(archived=archived, reason=reason)
        found: Version = self._transport.call("PATCH", self._at(ref), body=body, returns=Version)
        return found

    def delete(self, ref: str, reason: str | None = None, *, orphan_children: bool = False) -> None:
        """Number and digest stay; HasDependents while something needs the version.

        orphan_children: also when versions came from it; needs a reason, which the log keeps with their names.
        """
        query = wire.DeleteVersion(reason=reason, orphan_children=orphan_children)
        self._transport.call("DELETE", self._at(ref), query=query)

    def files(self, ref: str) -> Sequence[wire.FileEntry]:
        found: wire.FileList = self._transport.call("GET", self._at(ref, "files"), returns=wire.FileList)
        return found.items

    def manifest(self, ref: str) -> bytes:
        """Canonical bytes whose sha256 is the version digest. Unchecked: `pull` checks."""
        return self._transport.send("GET", self._at(ref, "manifest")).data

    def record(self, ref: str) -> dict[str, Any]:
        """Everything that was known when the version was registered."""
        data = self._transport.send("GET", self._at(ref, "record")).data
        found: dict[str, Any] = msgspec.json.decode(data)
        return found

    def facts(self, ref: str) -> facts_wire.Facts:
        """Which facts are known, missing or not applicable, and what to do about it."""
        found: facts_wire.Facts = self._transport.call("GET", self._at(ref, "facts"), returns=facts_wire.Facts)
        return found

    def bom(self, ref: str) -> dict[str, Any]:
        """The bill of materials in CycloneDX 1.6, each line verified or declared."""
        data = self._transport.send("GET", self._at(ref, "bom")).data
        found: dict[str, Any] = msgspec.json.decode(data)
        return found

    def verify(self, ref: str) -> wire.Verification:
        """Let the server read the stored bytes again; `damaged` is empty when all are whole."""
        found: wire.Verification = self._transport.call(
            "POST", self._at(ref, "verify"), returns=wire.Verification, timeout_seconds=_CHECK_SECONDS
        )
        return found
