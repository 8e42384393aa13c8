"""Routes of scans, of the quarantine, and of what a namespace trusts."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.db.transaction import Transaction
from modelyard.domain.names import ModelName
from modelyard.domain.scanning.verdicts import RULES_VERSION, Verdict
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.paging import cut, decode_cursor, page_limit
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.quarantine import scanning
from modelyard.registry.quarantine import usecases as quarantine
from modelyard.registry.quarantine.usecases import RunFile, ScanView
from modelyard.registry.scan.nouns import Release, TrustedGlobal
from modelyard.registry.scan.rules import ScannedFile
from modelyard.wire import quarantine as wire

table = RouteTable("quarantine")
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"
_RUN = "/api/v1/runs/{run}"
_TRUSTED = "/api/v1/namespaces/{namespace}/trusted-globals"


@table.route("GET", f"{_VERSION}/scan")
async def show_scan(call: Call) -> wire.Scan:
    """What loading the version's files could run, by file and global; and credentials found in texts."""
    return _scan(await call.read(lambda tx: quarantine.show_scan(tx, call.actor, call.ref)))


@table.route("POST", f"{_VERSION}/scan")
async def scan_again(call: Call) -> wire.Scan:
    """Scan those of the version's files again that the rules of this release may see with other eyes.

    The verdict that is there counts until there is a new one.
    """
    services = call.services
    found = await call.in_thread(
        "exports", scanning.scan_again, services.db, services.blobs, call.actor, call.ref
    )
    return _scan(found)


@table.route("POST", f"{_VERSION}/release")
async def release_version(call: Call, body: wire.ReleaseVersion) -> Answer[wire.Scan]:
    """Let a version out of the quarantine, with a reason that is kept.

    The person who pushed it may do so only where no one else holds the right.
    """
    return await call.commit(
        lambda tx: _scan(quarantine.release_version(tx, call.actor, call.ref, body.reason))
    )


@table.route("GET", f"{_RUN}/scan")
async def show_run_scan(call: Call) -> wire.RunScan:
    """What loading the files of a run could run, by file."""
    uid = call.path["run"]
    return _run_scan(uid, await call.read(lambda tx: quarantine.show_run_files(tx, call.actor, uid)))


@table.route("POST", f"{_RUN}/release")
async def release_run_files(call: Call, body: wire.ReleaseVersion) -> Answer[wire.RunScan]:
    """Let the files of a run that are in quarantine out of it, with a reason that is kept."""
    uid = call.path["run"]
    return await call.commit(
        lambda tx: _run_scan(uid, quarantine.release_run_files(tx, call.actor, uid, body.reason))
    )


@table.route("GET", "/api/v1/quarantine")
async def list_quarantined(call: Call, query: wire.QuarantineQuery) -> wire.QuarantinePage:
    """The versions in quarantine that the caller may see, newest first."""
    limit = page_limit(query)
    before = decode_cursor(query.cursor, int)
    found = await call.read(
        lambda tx: quarantine.list_quarantined(
            tx, call.actor, query.namespace, before[0] if before else None, limit + 1
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


@table.route("GET", _TRUSTED)
async def list_trusted_globals(call: Call) -> wire.TrustedList:
    """The globals that are trusted in the pickles of a namespace, and whether it serves unknown ones."""
    namespace = _namespace(call)
    return await call.read(
        lambda tx: _trusted(tx, namespace, quarantine.list_trusted(tx, call.actor, namespace))
    )


@table.route("POST", _TRUSTED)
async def trust_global(call: Call, body: wire.TrustGlobal) -> Answer[wire.TrustedList]:
    """Trust a global that no rule knows; versions that name nothing else unknown are served from now on.

    A dangerous one cannot be trusted.
    """
    namespace, body = _namespace(call), body

    def work(tx: Transaction) -> wire.TrustedList:
        found = quarantine.trust_global(tx, call.actor, namespace, body.name, body.reason)
        return _trusted(tx, namespace, found)

    return await call.commit(work)


@table.route("DELETE", _TRUSTED)
async def untrust_global(call: Call, query: wire.UntrustQuery) -> Answer[wire.TrustedList]:
    """Trust a global no more; versions that relied on it go back into the quarantine."""
    namespace = _namespace(call)
    return await call.commit(
        lambda tx: _trusted(tx, namespace, quarantine.untrust_global(tx, call.actor, namespace, query.name))
    )


@table.route("PUT", "/api/v1/namespaces/{namespace}/serve-unknown")
async def set_serve_unknown(call: Call, body: wire.ServeUnknown) -> Answer[wire.TrustedList]:
    """Decide whether a namespace serves versions that name code which no one here knows.

    What is dangerous or could not be scanned stays in quarantine.
    """
    namespace, body = _namespace(call), body

    def work(tx: Transaction) -> wire.TrustedList:
        quarantine.set_serve_unknown(tx, call.actor, namespace, body.serve, body.reason)
        return _trusted(tx, namespace, quarantine.list_trusted(tx, call.actor, namespace))

    return await call.commit(work)


def _namespace(call: Call) -> str:
    return ModelName.parse(f"{call.path['namespace']}/x").namespace


def _trusted(tx: Transaction, namespace: str, found: Sequence[TrustedGlobal]) -> wire.TrustedList:
    items = [
        wire.TrustedGlobal(
            name=t.name,
            reason=t.reason,
            at=time_text(t.at),
            by=t.by,
            alone=t.alone,
            confirmed_by=t.confirmed_by,
        )
        for t in found
    ]
    return wire.TrustedList(
        namespace=namespace, items=items, serve_unknown=quarantine.serves_unknown(tx, namespace)
    )


def _run_scan(uid: str, files: Sequence[RunFile]) -> wire.RunScan:
    return wire.RunScan(
        run=uid,
        files=[
            wire.ScannedRunFile(
                path=file.path,
                digest=file.digest,
                verdict=file.files.state,
                quarantined=file.quarantined,
                why=file.files.worst_reason,
                released=_release(file.released) if file.released else None,
            )
            for file in files
        ],
    )


def _scan(view: ScanView) -> wire.Scan:
    released = view.version.released
    return wire.Scan(
        reference=f"{view.model.name}:{view.version.number}",
        verdict=view.verdict,
        quarantined=bool(view.version.quarantined),
        rules=RULES_VERSION,
        unknown=[name for name in view.files.unknown if name not in view.trusted],
        files=[
            _file(file, view.trusted)
            for file in view.files.files
            if file.state != Verdict.NO_CODE.value or file.secrets or file.code_kinds
        ],
        released=_release(released) if released else None,
        licence=view.version.format_facts.value.get("licence"),
        fix=view.way_out,
    )


def _release(release: Release) -> wire.Release:
    return wire.Release(
        by=release.by,
        at=time_text(release.at),
        reason=release.reason,
        verdict=release.verdict,
        alone=release.alone,
    )


def _file(file: ScannedFile, trusted: frozenset[str]) -> wire.ScannedFile:
    found = file.scan.to_json()["findings"] if file.scan is not None else []
    return wire.ScannedFile(
        path=file.path,
        verdict=file.state,
        kinds=list(dict.fromkeys([*(file.scan.kinds if file.scan is not None else ()), *file.code_kinds])),
        allowed=file.scan.allowed if file.scan is not None else 0,
        findings=[wire.ScanFinding(**f, trusted=f.get("name") in trusted) for f in found],
        secrets=[wire.FoundSecret(line=s.line, kind=s.kind) for s in file.secrets],
    )
