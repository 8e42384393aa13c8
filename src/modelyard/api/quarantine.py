"""Routes of scans, the quarantine, and the trusted globals of a namespace."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.api.conversion import to_wire
from modelyard.db.transaction import Transaction
from modelyard.domain.names import ModelName
from modelyard.domain.scanning.verdicts import RULES_VERSION, Verdict
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.promotion import reading
from modelyard.registry.quarantine import scanning
from modelyard.registry.quarantine import usecases as quarantine
from modelyard.registry.quarantine.nouns import Quarantined
from modelyard.registry.quarantine.usecases import RunFile, ScanView
from modelyard.registry.scan.nouns import TrustedGlobal
from modelyard.registry.scan.rules import ScannedFile
from modelyard.wire import quarantine as wire

table = RouteTable(__name__)
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"
_RUN = "/api/v1/runs/{run}"
_TRUSTED = "/api/v1/namespaces/{namespace}/trusted-globals"


@table.route("GET", f"{_VERSION}/scan")
async def show_scan(call: Call) -> wire.Scan:
    """Return the scan of a version: code that loading could run, by file and global, and credentials in texts."""
    return await call.read(lambda tx: _scan(reading.read_scan(tx, call.actor, call.ref)))


@table.route("POST", f"{_VERSION}/scan")
async def scan_again(call: Call) -> wire.Scan:
    """Scan the version's files again, as far as the rules of this release may judge them differently.

    The old verdict counts until the new one is there.
    """
    services = call.services
    found = await call.in_thread(
        "exports", scanning.scan_again, services.db, services.blobs, call.actor, call.ref
    )
    return _scan(found)


@table.route("POST", f"{_VERSION}/release")
async def release_version(call: Call, body: wire.ReleaseVersion) -> Answer[wire.Scan]:
    """Release a version from quarantine, with a reason that is kept.

    The person who pushed it can do so only if no one else has the right.
    """
    return await call.commit(
        lambda tx: _scan(quarantine.release_version(tx, call.actor, call.ref, body.reason))
    )


@table.route("GET", f"{_RUN}/scan")
async def show_run_scan(call: Call) -> wire.RunScan:
    """Return the scan of a run: code that loading its files could run, by file."""
    uid = call.path["run"]
    return _run_scan(uid, await call.read(lambda tx: quarantine.show_run_files(tx, call.actor, uid)))


@table.route("POST", f"{_RUN}/release")
async def release_run_files(call: Call, body: wire.ReleaseVersion) -> Answer[wire.RunScan]:
    """Release the quarantined files of a run, with a reason that is kept."""
    uid = call.path["run"]
    return await call.commit(
        lambda tx: _run_scan(uid, quarantine.release_run_files(tx, call.actor, uid, body.reason))
    )


@table.route("GET", "/api/v1/quarantine")
async def list_quarantined(call: Call, query: wire.QuarantineQuery) -> wire.QuarantinePage:
    """List the versions in quarantine that the caller may see, newest first."""
    paging = Paging.of(query, int)
    quarantined = await call.read(
        lambda tx: quarantine.list_quarantined(tx, call.actor, query.namespace, paging.start, paging.count)
    )
    return paging.answer(wire.QuarantinePage, quarantined, _quarantined, key=lambda row: (row.id,))


def _quarantined(row: Quarantined) -> wire.QuarantinedVersion:
    return to_wire(
        row,
        wire.QuarantinedVersion,
        reference=f"{row.model}:{row.number}",
        version=row.number,
        registered_at=time_text(row.at),
        registered_by=row.by,
    )


@table.route("GET", _TRUSTED)
async def list_trusted_globals(call: Call) -> wire.TrustedList:
    """Return the globals that a namespace trusts in pickles, and whether it serves unknown ones."""
    namespace = _namespace(call)
    return await call.read(
        lambda tx: _trusted(tx, namespace, quarantine.list_trusted(tx, call.actor, namespace))
    )


@table.route("POST", _TRUSTED)
async def trust_global(call: Call, body: wire.TrustGlobal) -> Answer[wire.TrustedList]:
    """Trust a global that no rule knows; from then on, versions with no other unknown globals are served.

    A dangerous global cannot be trusted.
    """
    namespace, body = _namespace(call), body

    def work(tx: Transaction) -> wire.TrustedList:
        found = quarantine.trust_global(tx, call.actor, namespace, body.name, body.reason)
        return _trusted(tx, namespace, found)

    return await call.commit(work)


@table.route("DELETE", _TRUSTED)
async def untrust_global(call: Call, query: wire.UntrustQuery) -> Answer[wire.TrustedList]:
    """Stop trusting a global; versions that relied on it return to quarantine."""
    namespace = _namespace(call)
    return await call.commit(
        lambda tx: _trusted(tx, namespace, quarantine.untrust_global(tx, call.actor, namespace, query.name))
    )


@table.route("PUT", "/api/v1/namespaces/{namespace}/serve-unknown")
async def set_serve_unknown(call: Call, body: wire.ServeUnknown) -> Answer[wire.TrustedList]:
    """Choose whether a namespace serves versions that name unknown code.

    Dangerous and unscanned files stay in quarantine.
    """
    namespace, body = _namespace(call), body

    def work(tx: Transaction) -> wire.TrustedList:
        quarantine.set_serve_unknown(tx, call.actor, namespace, body.serve, body.reason)
        return _trusted(tx, namespace, quarantine.list_trusted(tx, call.actor, namespace))

    return await call.commit(work)


def _namespace(call: Call) -> str:
    return ModelName.parse(f"{call.path['namespace']}/x").namespace


def _trusted(tx: Transaction, namespace: str, found: Sequence[TrustedGlobal]) -> wire.TrustedList:
    items = [to_wire(each, wire.TrustedGlobal) for each in found]
    return wire.TrustedList(
        namespace=namespace, items=items, serve_unknown=quarantine.serves_unknown(tx, namespace)
    )


def _run_scan(uid: str, files: Sequence[RunFile]) -> wire.RunScan:
    return wire.RunScan(
        run=uid,
        files=[
            to_wire(file, wire.ScannedRunFile, verdict=file.files.state, why=file.files.worst_reason)
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
        released=to_wire(released, wire.Release) if released else None,
        licence=view.version.format_facts.value.get("licence"),
        fix=view.way_out,
    )


def _file(file: ScannedFile, trusted: frozenset[str]) -> wire.ScannedFile:
    found = file.scan.to_json()["findings"] if file.scan is not None else []
    return wire.ScannedFile(
        path=file.path,
        verdict=file.state,
        kinds=list(dict.fromkeys([*(file.scan.kinds if file.scan is not None else ()), *file.code_kinds])),
        allowed=file.scan.allowed if file.scan is not None else 0,
        findings=[wire.ScanFinding(**f, trusted=f.get("name") in trusted) for f in found],
        secrets=[to_wire(s, wire.FoundSecret) for s in file.secrets],
    )
