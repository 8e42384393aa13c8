"""Routes of scans, of the quarantine, and of what a namespace trusts."""

from __future__ import annotations

import json
from typing import Any

from modelyard.api.paging import cut, decode_cursor, page_limit
from modelyard.api.routing import Call, RouteTable
from modelyard.db.transaction import Transaction, time_text
from modelyard.domain.names import ModelName
from modelyard.domain.scanning.verdicts import RULES_VERSION, Verdict
from modelyard.registry.quarantine import usecases as quarantine
from modelyard.registry.quarantine.usecases import ScanView
from modelyard.registry.scan.queries import Trusted
from modelyard.registry.scan.rules import ScannedFile
from modelyard.wire import quarantine as wire

table = RouteTable("quarantine")
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"
_TRUSTED = "/api/v1/namespaces/{namespace}/trusted-globals"


@table.route("GET", f"{_VERSION}/scan", returns=wire.Scan)
async def show_scan(call: Call) -> wire.Scan:
    """What loading the version's files could run, by file and global; and credentials found in texts."""
    return _scan(await call.read(lambda tx: quarantine.show_scan(tx, call.actor, call.ref)))


@table.route("POST", f"{_VERSION}/scan", returns=wire.Scan)
async def scan_again(call: Call) -> wire.Scan:
    """Scan the version's files again, by the rules of this release."""
    services = call.services
    found = await call.in_thread(
        "exports", quarantine.scan_again, services.db, services.blobs, call.actor, call.ref
    )
    return _scan(found)


@table.route("POST", f"{_VERSION}/release", body=wire.ReleaseVersion, returns=wire.Scan)
async def release_version(call: Call) -> Any:
    """Let a version out of the quarantine, with a reason that is kept."""
    return await call.commit(
        lambda tx: _scan(quarantine.release_version(tx, call.actor, call.ref, call.body.reason))
    )


@table.route("GET", "/api/v1/quarantine", query=wire.QuarantineQuery, returns=wire.QuarantinePage)
async def list_quarantined(call: Call) -> wire.QuarantinePage:
    """The versions in quarantine that the caller may see, newest first."""
    limit = page_limit(call.query)
    before = decode_cursor(call.query.cursor, int)
    found = await call.read(
        lambda tx: quarantine.list_quarantined(
            tx, call.actor, call.query.namespace, before[0] if before else None, limit + 1
        )
    )
    page, cursor = cut(found, limit, lambda row: (row.id,))
    return wire.QuarantinePage(
        items=[
            wire.QuarantinedVersion(
                reference=f"{row.model}:{row.number}",
                model=str(row.model),
                version=row.number,
                digest=row.digest,
                verdict=row.verdict,
                registered_at=time_text(row.at),
                registered_by=row.by,
            )
            for row in page
        ],
        next_cursor=cursor,
    )


@table.route("GET", _TRUSTED, returns=wire.TrustedList)
async def list_trusted_globals(call: Call) -> wire.TrustedList:
    """The globals that are trusted in the pickles of a namespace."""
    namespace = _namespace(call)
    return _trusted(namespace, await call.read(lambda tx: quarantine.list_trusted(tx, call.actor, namespace)))


@table.route("POST", _TRUSTED, body=wire.TrustGlobal, returns=wire.TrustedList)
async def trust_global(call: Call) -> Any:
    """Trust a global that no rule knows; a dangerous one cannot be trusted."""
    namespace, body = _namespace(call), call.body

    def work(tx: Transaction) -> wire.TrustedList:
        return _trusted(namespace, quarantine.trust_global(tx, call.actor, namespace, body.name, body.reason))

    return await call.commit(work)


@table.route("DELETE", _TRUSTED, query=wire.UntrustQuery, returns=wire.TrustedList)
async def untrust_global(call: Call) -> Any:
    """Trust a global no more."""
    namespace = _namespace(call)
    return await call.commit(
        lambda tx: _trusted(namespace, quarantine.untrust_global(tx, call.actor, namespace, call.query.name))
    )


def _namespace(call: Call) -> str:
    return ModelName.parse(f"{call.path['namespace']}/x").namespace


def _trusted(namespace: str, found: Any) -> wire.TrustedList:
    items: list[Trusted] = list(found)
    return wire.TrustedList(
        namespace=namespace,
        items=[wire.TrustedGlobal(name=t.name, reason=t.reason, at=time_text(t.at), by=t.by) for t in items],
    )


def _scan(view: ScanView) -> wire.Scan:
    released = quarantine.released_by(view.version)
    return wire.Scan(
        reference=f"{view.model.name}:{view.version.number}",
        verdict=view.verdict,
        quarantined=bool(view.version.quarantined),
        rules=RULES_VERSION,
        unknown=[name for name in view.files.unknown if name not in view.trusted],
        files=[
            _file(file, view.trusted)
            for file in view.files.files
            if file.state != Verdict.NO_CODE.value or file.secrets
        ],
        released=_release(released) if released else None,
        licence=json.loads(view.version.format_facts).get("licence"),
    )


def _release(said: dict[str, Any]) -> wire.Release:
    return wire.Release(by=said["by"], at=time_text(said["at"]), reason=said["reason"], verdict=said["verdict"])


def _file(file: ScannedFile, trusted: frozenset[str]) -> wire.ScannedFile:
    found = file.scan.to_json()["findings"] if file.scan is not None else []
    return wire.ScannedFile(
        path=file.path,
        verdict=file.state,
        kinds=list(file.scan.kinds) if file.scan is not None else [],
        allowed=file.scan.allowed if file.scan is not None else 0,
        findings=[wire.ScanFinding(**f, trusted=f.get("name") in trusted) for f in found],
        secrets=[wire.FoundSecret(line=s.line, kind=s.kind) for s in file.secrets],
    )
