"""Scans, the quarantine, and what a namespace trusts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.sdk.reports import OfVersion
from modelyard.wire import quarantine as wire


class Scans(OfVersion):
    """`client.scans`: what loading a version's files could run, and what is trusted in a namespace."""

    def get(self, ref: str) -> wire.Scan:
        found: wire.Scan = self._transport.call("GET", self._at(ref, "scan"), returns=wire.Scan)
        return found

    def run(self, ref: str) -> wire.Scan:
        """Scan again, by the rules of the server's release. What takes long stays `pending` for a while."""
        found: wire.Scan = self._transport.call("POST", self._at(ref, "scan"), returns=wire.Scan)
        return found

    def trusted(self, namespace: str) -> Sequence[wire.TrustedGlobal]:
        return self._trusted("GET", namespace)

    def trust(self, namespace: str, name: str, *, reason: str = "") -> Sequence[wire.TrustedGlobal]:
        """name: `module.name` of a global that a scan calls unknown. A dangerous one cannot be trusted."""
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
