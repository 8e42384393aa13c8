"""Versions: reading, annotating, archiving, deleting, checking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.sdk.http import if_match
from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature
from modelyard.sdk.views import Overview, Version, VersionPage
from modelyard.wire import facts as facts_wire
from modelyard.wire import versions as wire
from modelyard.wire.base import Reason

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
        semver: str | None = None,
        pull_request: str | None = None,
        limit: int | None = None,
    ) -> Items[Version]:
        """Return the versions of a model, newest first.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            states: Only versions in these states: `ready`, `archived` or `deleted`.
            tags: `key=value`, or `key` for any value; all must hold.
            metrics: Conditions such as `f1>=0.7`; all must hold.
            semver: Only the version with this semantic version, or all that begin so: `2.1.0`, `2.1`, `2`.
            pull_request: Only versions from the pull request with this address.
            limit: Return at most this many; None: all.

        Returns:
            One version at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [version.version for version in client.versions.list("fraud/scorer", metrics=["f1>=0.9"])]
            [12, 11]
        """
        query = wire.VersionQuery(
            state=list(states),
            tag=list(tags),
            metric=list(metrics),
            semver=semver,
            pull_request=pull_request,
        )
        path = self._model(model, "versions")
        return self._items(path, query, VersionPage, limit)

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
        return self._get(self._version(ref), Version)

    def register(
        self, model: str, wanted: wire.RegisterVersion, *, idempotency_key: str | None = None
    ) -> Version:
        """Register a version of files whose bytes the server already has. `push` sends them first.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            wanted: The files by digest, the facts, and the annotations.
            idempotency_key: A second request with this key returns the version of the first; None: a new key.

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
        path = self._model(model, "versions")
        headers = {"idempotency-key": idempotency_key} if idempotency_key else None
        return self._post(path, Version, wanted, headers=headers)

    def edit(
        self,
        ref: str,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        semver: str | None = None,
        pull_request: str | None = None,
        revision: int | None = None,
    ) -> Version:
        """Change the annotations of a version; parameters that are None leave their fields unchanged.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            description: Description of the version.
            tags: New tags; they replace the old ones.
            semver: Semantic version, for example `2.1.0`; empty: remove it.
            pull_request: Address of the pull request that the version came from; empty: remove it.
            revision: Change it only while it has this revision; None: in any case.

        Returns:
            The version as it is now.

        Raises:
            EditConflict: Someone else changed it in the meantime.
            Conflict: Another version of the model has the semantic version.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.versions.edit("fraud/scorer:12", tags={"team": "risk"}).tags
            {'team': 'risk'}
        """
        body = wire.EditVersion(
            description=description,
            tags=None if tags is None else dict(tags),
            semver=semver,
            pull_request=pull_request,
        )
        return self._call("PATCH", self._version(ref), body=body, headers=if_match(revision), returns=Version)

    def archive(self, ref: str, *, archived: bool = True, reason: str | None = None) -> Version:
        """Archive a version, or restore it.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            archived: False: restore the version.
            reason: Reason, kept in the event log.

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
        return self._call("PATCH", self._version(ref), body=body, returns=Version)

    def delete(self, ref: str, reason: str | None = None, *, orphan_children: bool = False) -> None:
        """Delete a version. Its number and its digest stay; its bytes are deleted by the next collection.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            reason: Reason, kept in the event log.
            orphan_children: Delete the version even if other versions derive from it; this needs a reason.

        Raises:
            HasDependents: Something still needs the version; the message names it.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.versions.delete("fraud/scorer:3", "trained on wrong data")
        """
        query = wire.DeleteVersion(reason=reason, orphan_children=orphan_children)
        self._call("DELETE", self._version(ref), query=query)

    def keep(self, ref: str, reason: str) -> Version:
        """Mark a version as one that must be kept: no one may delete it, and no retention rule touches it.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            reason: Why it must be kept, for example the name of a legal hold.

        Returns:
            The version as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.versions.keep("fraud/scorer:3", "complaint 2026-17").kept.reason
            'complaint 2026-17'
        """
        return self._put(self._version(ref, "keep"), Version, wire.KeepVersion(reason=reason))

    def end_keep(self, ref: str, reason: str) -> Version:
        """Remove the mark that a version must be kept.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            reason: Why it need not be kept any more.

        Returns:
            The version as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.versions.end_keep("fraud/scorer:3", "complaint 2026-17 is closed").kept is None
            True
        """
        return self._call("DELETE", self._version(ref, "keep"), query=Reason(reason=reason), returns=Version)

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
        return self._get(self._version(ref, "files"), wire.FileList).items

    def manifest(self, ref: str) -> bytes:
        """Return the canonical bytes of a version's manifest, whose SHA-256 is the version digest.

        They are not verified here; `pull` verifies them.

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
        return self._transport.send("GET", self._version(ref, "manifest")).data

    def record(self, ref: str) -> dict[str, Any]:
        """Return all facts that were frozen when a version was registered.

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
        return self._get(self._version(ref, "record"), dict[str, Any])

    def facts(self, ref: str) -> facts_wire.Facts:
        """Return the facts of a version: known, missing or not applicable, with a hint for each missing one.

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
        return self._get(self._version(ref, "facts"), facts_wire.Facts)

    def overview(self, ref: str) -> Overview:
        """Return a version with its origin, its metrics against the champion, checks, promotions, card and scan.

        It is visible to readers of the model, and to people whose vote an open promotion of the version needs.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The overview, read at one moment.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.versions.overview("fraud/scorer:12").champion
            'fraud/scorer:11'
        """
        return self._get(self._version(ref, "overview"), Overview)

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
        return self._get(self._version(ref, "bom"), dict[str, Any])

    def verify(self, ref: str) -> wire.Verification:
        """Have the server read the stored bytes of a version again and check them.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The result; `damaged` is empty if all files are intact.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.versions.verify("fraud/scorer:12").damaged
            []
        """
        return self._post(self._version(ref, "verify"), wire.Verification, timeout_seconds=_CHECK_SECONDS)
