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
        """Return the versions of a model, the newest first.

        Args:
            model: Name of the model; the namespace may be left out when your account has a default one.
            states: Only versions in these states: `ready`, `archived` or `deleted`.
            tags: `key=value`, or `key` for any value; all must hold.
            metrics: Conditions such as `f1>=0.7`; all must hold.
            limit: Return at most this many; None: all.

        Returns:
            One version at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [version.version for version in client.versions.list("fraud/scorer", metrics=["f1>=0.9"])]
            [12, 11]
        """
        query = wire.VersionQuery(state=list(states), tag=list(tags), metric=list(metrics))
        path = self._session.model_path(model, "versions")
        return items(self._transport, path, query, VersionPage, limit)

    def get(self, ref: str) -> Version:
        """Return one version.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The version.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            AliasNotFound: The model has no such alias.

        Example:
            >>> client.versions.get("fraud/scorer@champion").digest
            'sha256:3b1c…'
        """
        return self._transport.call("GET", self._session.version_path(ref), returns=Version)

    def register(self, model: str, wanted: wire.RegisterVersion) -> Version:
        """Register a version of files whose bytes the server already has. `push` sends them first.

        Args:
            model: Name of the model; the namespace may be left out when your account has a default one.
            wanted: The files by digest, the facts, and the annotations.

        Returns:
            The new version.

        Raises:
            MissingBlobs: The server lacks some of the bytes.
            InvalidFact: A fact is not valid.
            Denied: Your role does not allow this.

        Example:
            >>> client.versions.register("fraud/scorer", RegisterVersion(files=files, facts={})).version
            13
        """
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
        """Change the annotations of a version; parameters that are None leave their field as it is.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            description: What is new in this version.
            tags: The whole new set of tags.
            revision: Change it only while it has this revision; None: in any case.

        Returns:
            The version as it is now.

        Raises:
            EditConflict: Somebody changed it in the meantime.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.versions.edit("fraud/scorer:12", tags={"team": "risk"}).tags
            {'team': 'risk'}
        """
        body = wire.EditVersion(description=description, tags=None if tags is None else dict(tags))
        return self._transport.call(
            "PATCH", self._session.version_path(ref), body=body, headers=if_match(revision), returns=Version
        )

    def archive(self, ref: str, *, archived: bool = True, reason: str | None = None) -> Version:
        """Archive a version, or bring it back.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            archived: False: bring the version back.
            reason: Why; kept in the event log.

        Returns:
            The version as it is now.

        Raises:
            HasDependents: An alias still points at the version; move it first.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.versions.archive("fraud/scorer:3", reason="replaced").state
            'archived'
        """
        body = wire.EditVersion(archived=archived, reason=reason)
        return self._transport.call("PATCH", self._session.version_path(ref), body=body, returns=Version)

    def delete(self, ref: str, reason: str | None = None, *, orphan_children: bool = False) -> None:
        """Delete a version. Its number and its digest stay; its bytes go at the next collection.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            reason: Why; kept in the event log.
            orphan_children: Delete the version even when other versions came from it; this needs a reason.

        Raises:
            HasDependents: Something still needs the version; the message names it.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.versions.delete("fraud/scorer:3", "trained on wrong data")
        """
        query = wire.DeleteVersion(reason=reason, orphan_children=orphan_children)
        self._transport.call("DELETE", self._session.version_path(ref), query=query)

    def files(self, ref: str) -> Sequence[wire.FileEntry]:
        """Return the files of a version.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The files, each with path, digest and size in bytes.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [file.path for file in client.versions.files("fraud/scorer:12")]
            ['model.skops', 'modelyard.json']
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "files"), returns=wire.FileList
        ).items

    def manifest(self, ref: str) -> bytes:
        """Return the canonical bytes of a version's manifest, whose SHA-256 is the version digest.

        They are not checked here; `pull` checks them.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The bytes.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> hashlib.sha256(client.versions.manifest("fraud/scorer:12")).hexdigest()
            '3b1c…'
        """
        return self._transport.send("GET", self._session.version_path(ref, "manifest")).data

    def record(self, ref: str) -> dict[str, Any]:
        """Return everything that was known when a version was registered.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            Name of the fact → value.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.versions.record("fraud/scorer:12")["params"]
            {'depth': 6}
        """
        data = self._transport.send("GET", self._session.version_path(ref, "record")).data
        found: dict[str, Any] = msgspec.json.decode(data)
        return found

    def facts(self, ref: str) -> facts_wire.Facts:
        """Return which facts of a version are known, missing or not applicable, and how to provide them.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The facts, and how complete they are.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.versions.facts("fraud/scorer:12").completeness
            0.83
        """
        return self._transport.call("GET", self._session.version_path(ref, "facts"), returns=facts_wire.Facts)

    def bom(self, ref: str) -> dict[str, Any]:
        """Return the bill of materials of a version in CycloneDX 1.6, with each line verified or declared.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The document.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.versions.bom("fraud/scorer:12")["specVersion"]
            '1.6'
        """
        data = self._transport.send("GET", self._session.version_path(ref, "bom")).data
        found: dict[str, Any] = msgspec.json.decode(data)
        return found

    def verify(self, ref: str) -> wire.Verification:
        """Have the server read the stored bytes of a version again.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The result; `damaged` is empty when all files are whole.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.versions.verify("fraud/scorer:12").damaged
            []
        """
        return self._transport.call(
            "POST",
            self._session.version_path(ref, "verify"),
            returns=wire.Verification,
            timeout_seconds=_CHECK_SECONDS,
        )
