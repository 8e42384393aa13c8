"""Scans, the quarantine, and the trusted globals of a namespace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.wire import quarantine as wire


class Scans(Feature):
    """`client.scans`: code that loading a version's files could run, and the trusted globals of a namespace."""

    def get(self, ref: str) -> wire.Scan:
        """Return the scan of a version: code that loading its files could run.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The verdict, and the findings of each file.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.scans.get("fraud/scorer:12").verdict
            'no_code'
        """
        return self._get(self._version(ref, "scan"), wire.Scan)

    def run(self, ref: str) -> wire.Scan:
        """Scan a version again, with the rules of the server's current release.

        The old verdict counts until the new one is there.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The scan as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.scans.run("fraud/scorer:12").verdict
            'no_code'
        """
        return self._post(self._version(ref, "scan"), wire.Scan)

    def of_run(self, run: str) -> wire.RunScan:
        """Return the scan of a run: code that loading its files could run.

        Args:
            run: The full id of the run.

        Returns:
            The verdict of each file.

        Raises:
            RunNotFound: There is no such run, or you may not see it.

        Example:
            >>> [file.verdict for file in client.scans.of_run(run_id).files]
            ['no_code']
        """
        return self._get(at("runs", run, "scan"), wire.RunScan)

    def serve_unknown(self, namespace: str, serve: bool, *, reason: str) -> wire.TrustedList:
        """Choose whether a namespace serves versions that name unknown code; only owners may.

        Args:
            namespace: Name of the namespace.
            serve: True: serve them, with a warning.
            reason: Reason, kept in the event log.

        Returns:
            The names that the namespace trusts, and this decision.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.scans.serve_unknown("fraud", True, reason="our own savers").serve_unknown
            True
        """
        body = wire.ServeUnknown(serve=serve, reason=reason)
        return self._put(at("namespaces", namespace, "serve-unknown"), wire.TrustedList, body)

    def serves_unknown(self, namespace: str) -> bool:
        """Return whether a namespace serves versions that name unknown code.

        Args:
            namespace: Name of the namespace.

        Returns:
            The decision of its owners; False by default.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.

        Example:
            >>> client.scans.serves_unknown("fraud")
            False
        """
        return self._get(at("namespaces", namespace, "trusted-globals"), wire.TrustedList).serve_unknown

    def trusted(self, namespace: str) -> Sequence[wire.TrustedGlobal]:
        """Return the names that a namespace trusts.

        Args:
            namespace: Name of the namespace.

        Returns:
            The names, each with its reason.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.

        Example:
            >>> [item.name for item in client.scans.trusted("fraud")]
            ['my_corp.utils.Helper']
        """
        return self._trusted("GET", namespace)

    def trust(self, namespace: str, name: str, *, reason: str = "") -> Sequence[wire.TrustedGlobal]:
        """Trust a name that scans report as unknown. From then on, versions with no other unknown names are served.

        Args:
            namespace: Name of the namespace.
            name: The name as `module.name`; a dangerous one cannot be trusted.
            reason: Reason, kept in the event log.

        Returns:
            All names that the namespace trusts now.

        Raises:
            SecondPersonNeeded: It would release a version that you pushed, so another person must decide.
            Invalid: The name is dangerous, or it is not of the form `module.name`.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> len(client.scans.trust("fraud", "my_corp.utils.Helper", reason="our own code"))
            1
        """
        return self._trusted("POST", namespace, body=wire.TrustGlobal(name=name, reason=reason))

    def untrust(self, namespace: str, name: str) -> Sequence[wire.TrustedGlobal]:
        """Stop trusting a name.

        Args:
            namespace: Name of the namespace.
            name: The name as `module.name`.

        Returns:
            All names that the namespace trusts now.

        Raises:
            NotFound: The namespace does not trust this name.
            Denied: Your role does not allow this.

        Example:
            >>> client.scans.untrust("fraud", "my_corp.utils.Helper")
            []
        """
        return self._trusted("DELETE", namespace, query=wire.UntrustQuery(name=name))

    def _trusted(self, method: str, namespace: str, **more: Any) -> Sequence[wire.TrustedGlobal]:
        return self._call(
            method, at("namespaces", namespace, "trusted-globals"), returns=wire.TrustedList, **more
        ).items


class Quarantine(Feature):
    """`client.quarantine`: versions that are not served."""

    def list(self, namespace: str | None = None) -> Iterator[wire.QuarantinedVersion]:
        """Return the versions in quarantine that you may see, newest first.

        Args:
            namespace: Only versions of this namespace; None: of all.

        Returns:
            One version at a time.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> [version.reference for version in client.quarantine.list("fraud")]
            ['fraud/scorer:9']
        """
        return self._items(
            at("quarantine"), wire.QuarantineQuery(namespace=namespace), wire.QuarantinePage, None
        )

    def release(self, ref: str, *, reason: str) -> wire.Scan:
        """Release a version from quarantine, in spite of the findings of its scan.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            reason: Reason, kept in the event log.

        Returns:
            The scan, with the release.

        Raises:
            Conflict: The version is not in quarantine.
            SecondPersonNeeded: You pushed the version, so another person must decide.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.quarantine.release("fraud/scorer:9", reason="read by hand").quarantined
            False
        """
        return self._post(self._version(ref, "release"), wire.Scan, wire.ReleaseVersion(reason=reason))

    def release_run(self, run: str, *, reason: str) -> wire.RunScan:
        """Release the files of a run that are in quarantine now.

        Args:
            run: The full id of the run.
            reason: Reason, kept in the event log.

        Returns:
            The scan of the run's files.

        Raises:
            Conflict: No file of the run is in quarantine.
            SecondPersonNeeded: You made the run, so another person must decide.
            RunNotFound: There is no such run, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.quarantine.release_run(run_id, reason="read by hand").run
            '0d2f…'
        """
        return self._post(at("runs", run, "release"), wire.RunScan, wire.ReleaseVersion(reason=reason))
