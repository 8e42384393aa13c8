"""Scans, the quarantine, and what a namespace trusts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modelyard.sdk.http import at
from modelyard.sdk.of_version import OfVersion
from modelyard.sdk.paging import items
from modelyard.wire import quarantine as wire


class Scans(OfVersion):
    """`client.scans`: what loading a version's files could run, and what is trusted in a namespace."""

    def get(self, ref: str) -> wire.Scan:
        found: wire.Scan = self._transport.call("GET", self._at(ref, "scan"), returns=wire.Scan)
        return found

    def run(self, ref: str) -> wire.Scan:
        """Scan again what the rules of the server's release may see with other eyes. Until there is a new verdict
        the old one counts."""
        found: wire.Scan = self._transport.call("POST", self._at(ref, "scan"), returns=wire.Scan)
        return found

    def of_run(self, run: str) -> wire.RunScan:
        """What loading the files of a run could run."""
        found: wire.RunScan = self._transport.call("GET", at("runs", run, "scan"), returns=wire.RunScan)
        return found

    def serve_unknown(self, namespace: str, serve: bool, *, reason: str) -> wire.TrustedList:
        """Decide whether a namespace serves versions that name code which nobody here knows; owners may."""
        body = wire.ServeUnknown(serve=serve, reason=reason)
        found: wire.TrustedList = self._transport.call(
            "PUT", at("namespaces", namespace, "serve-unknown"), body=body, returns=wire.TrustedList
        )
        return found

    def serves_unknown(self, namespace: str) -> bool:
        found: wire.TrustedList = self._transport.call(
            "GET", at("namespaces", namespace, "trusted-globals"), returns=wire.TrustedList
        )
        return found.serve_unknown

    def trusted(self, namespace: str) -> Sequence[wire.TrustedGlobal]:
        return self._trusted("GET", namespace)

    def trust(self, namespace: str, name: str, *, reason: str = "") -> Sequence[wire.TrustedGlobal]:
        """Trust a global that a scan calls unknown, by `module.name`; versions that name nothing else unknown are
        served from now on. A dangerous one cannot be trusted."""
        return self._trusted("POST", namespace, body=wire.TrustGlobal(name=name, reason=reason))

    def untrust(self, namespace: str, name: str) -> Sequence[wire.TrustedGlobal]:
        return self._trusted("DELETE", namespace, query=wire.UntrustQuery(name=name))

    def _trusted(self, method: str, namespace: str, **more: Any) -> Sequence[wire.TrustedGlobal]:
        found: wire.TrustedList = self._transport.call(
            method, at("namespaces", namespace, "trusted-globals"), returns=wire.TrustedList, **more
        )
        return found.items


class Quarantine(OfVersion):
    """`client.quarantine`: versions that are not served."""

    def list(self, namespace: str | None = None) -> Iterator[wire.QuarantinedVersion]:
        """Those that you may see, newest first."""
        return items(
            self._transport,
            at("quarantine"),
            wire.QuarantineQuery(namespace=namespace),
            wire.QuarantinePage,
            None,
        )

    def release(self, ref: str, *, reason: str) -> wire.Scan:
        """Serve the version in spite of what was found; needs the right, and the reason is kept."""
        found: wire.Scan = self._transport.call(
            "POST", self._at(ref, "release"), body=wire.ReleaseVersion(reason=reason), returns=wire.Scan
        )
        return found

    def release_run(self, run: str, *, reason: str) -> wire.RunScan:
        """Serve those files of a run that are in quarantine now; needs the right, and the reason is kept."""
        found: wire.RunScan = self._transport.call(
            "POST", at("runs", run, "release"), body=wire.ReleaseVersion(reason=reason), returns=wire.RunScan
        )
        return found
