"""Refuse versions that are in quarantine, recalled, or not completely scanned."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor
from modelyard.domain.errors import FilesWithheld, ScanPending, VersionQuarantined
from modelyard.domain.scanning.verdicts import Verdict
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan.rules import HELD_STATES, PENDING, read_files
from modelyard.registry.scan.serving import way_out
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.recalled import refuse_recalled
from modelyard.registry.withheld.queries import list_files as list_withheld_files

_SAID = 10


def refuse_held(tx: Transaction, model: Model, version: Version) -> None:
    """Refuse a version before its bytes, aliases or stages are used; for single files scan/serving.py does the same.

    Raises VersionQuarantined, ScanPending, VersionRecalled.
    """
    reference = f"{model.name}:{version.number}"
    if version.scan == PENDING:
        raise ScanPending(reference=reference)
    if version.quarantined:
        files = read_files(scans.list_files(tx, version.manifest_id))
        fix = way_out(tx, model.name.namespace, version.created_by, files)
        raise VersionQuarantined(reference=reference, verdict=version.scan, fix=fix)
    refuse_recalled(reference, version.recall)


def refuse_incomplete(tx: Transaction, model: Model, version: Version, place: str) -> None:
    """Raise FilesWithheld for a version that lacks files: it must not newly enter a stage.

    place: the stage, as `the stage production`.
    """
    if version.withheld:
        paths = [file.path for file in list_withheld_files(tx, version.manifest_id)]
        more = f" and {len(paths) - _SAID} more" if len(paths) > _SAID else ""
        reference = f"{model.name}:{version.number}"
        raise FilesWithheld(reference=reference, place=place, paths=", ".join(paths[:_SAID]) + more)


def append_unknown_served(tx: Transaction, model: Model, version: Version, actor: Actor) -> None:
    """Log that the version is served with a warning, in a namespace that only warns about unknown code."""
    if version.quarantined or version.scan != Verdict.UNKNOWN.value or not model.serves_unknown:
        return
    scanned = read_files(scans.list_files(tx, version.manifest_id))
    tx.append(
        events.UnknownServed(
            **events.about(model.name, version.number), digest=version.digest, names=scanned.unknown[:_SAID]
        ),
        actor,
        model.id,
    )


def append_quarantined(tx: Transaction, model: Model, version: Version, actor: Actor) -> None:
    """Log that the version is in quarantine, with the findings. Logs nothing for one that is only pending."""
    if not version.quarantined:
        return
    scanned = read_files(scans.list_files(tx, version.manifest_id))
    found = [
        {key: value for key, value in {"path": file.path, **finding.to_json()}.items() if key != "verdict"}
        for file in scanned.files
        if file.scan is not None
        for finding in file.scan.findings
        if finding.verdict.value in HELD_STATES
    ]
    tx.append(
        events.VersionQuarantined(
            **events.about(model.name, version.number),
            digest=version.digest,
            verdict=version.scan,
            findings=found[:_SAID],
        ),
        actor,
        model.id,
    )
