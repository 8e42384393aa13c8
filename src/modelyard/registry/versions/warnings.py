"""Word the warnings for people who view, resolve or pull a version, the same through every door."""

from __future__ import annotations

from modelyard.domain.names import Ref
from modelyard.domain.scanning.verdicts import Verdict
from modelyard.registry.scan.rules import PENDING
from modelyard.registry.versions.nouns import Deprecation, Recall, Resolved, Version
from modelyard.registry.versions.usecases import VersionView

NEWEST = "this reference names no version, alias or digest, so it will mean another version later"


def warnings_of(view: VersionView) -> str | None:
    """Return the warnings about a version; None if there are none."""
    not_moved = f"not moved: {', '.join(f'@{alias}' for alias in view.not_moved)}" if view.not_moved else None
    return _joined(
        view.note,
        *_grave(str(view.ref), view.version, serves_unknown=view.model.serves_unknown),
        not_moved,
        _deprecation(str(view.ref), view.version.deprecation),
    )


def warnings_of_resolved(found: Resolved, asked: Ref, *, serving: bool) -> str | None:
    """Return the warnings about a resolved reference. serving: it is resolved for repeated serving."""
    reference = f"{found.model}:{found.number}"
    newest = NEWEST if serving and asked.selector is None else None
    return _joined(
        newest,
        *_grave(reference, found, serves_unknown=found.serves_unknown),
        _deprecation(reference, found.deprecation),
    )


def _joined(*words: str | None) -> str | None:
    return "; ".join(each for each in words if each) or None


def _grave(reference: str, version: Version | Resolved, *, serves_unknown: bool) -> list[str | None]:
    return [
        _held(reference, version.scan, bool(version.quarantined)),
        _unknown(reference) if serves_unknown and is_unknown(version) else None,
        _recall(reference, version.recall),
        _withheld(reference, version.withheld),
    ]


def _held(reference: str, scan: str, quarantined: bool) -> str | None:
    """Return why the version is not served; None if it is."""
    if scan == PENDING:
        return f"the files of {reference} are still being scanned; they are not served yet"
    if quarantined:
        return f"{reference} is in quarantine ({scan}); see why with: modelyard scan show {reference}"
    return None


def is_unknown(version: Version | Resolved) -> bool:
    """Return whether it is served although its files name code that the scan does not know."""
    return version.scan == Verdict.UNKNOWN.value and not version.quarantined


def _unknown(reference: str) -> str:
    namespace = reference.partition("/")[0]
    return (
        f"{reference} names code that the scan does not know, and the namespace {namespace} only warns about that; "
        f"see which with: modelyard scan show {reference}"
    )


def _recall(reference: str, recall: Recall | None) -> str | None:
    """Return who recalled the version and why; None if it was not recalled."""
    return None if recall is None else f"{reference} was recalled by {recall.by}: {recall.reason}"


def _withheld(reference: str, count: int) -> str | None:
    """Return a warning about withheld files; None if all files are served."""
    if not count:
        return None
    what = "1 of its files is" if count == 1 else f"{count} of its files are"
    return f"{what} withheld and not served; list them with: modelyard show {reference}"


def _deprecation(reference: str, deprecation: Deprecation | None) -> str | None:
    """Return the replacement and the time of removal in words; None for a version that is not deprecated."""
    if deprecation is None:
        return None
    model = reference.partition(":")[0]
    parts = [f"{reference} is deprecated"]
    if deprecation.ends_at:
        parts.append(f"and will be taken away at {deprecation.ends_at}")
    if deprecation.reason:
        parts.append(f"({deprecation.reason})")
    if deprecation.replacement:
        parts.append(f"; use {model}:{deprecation.replacement} instead")
    return " ".join(parts).replace(" ;", ";")
