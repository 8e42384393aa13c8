"""Words for people who look at, resolve or pull a version: the same through every door."""

from __future__ import annotations

from modelyard.domain.names import Ref
from modelyard.registry.scan.rules import PENDING
from modelyard.registry.versions.nouns import Deprecation, Recall, Resolved, Version
from modelyard.registry.versions.usecases import VersionView

NEWEST = "this reference names no version, alias or digest, so what it means will change"


def warnings_of(view: VersionView) -> str | None:
    """What to know of a version before it is used; None: nothing."""
    not_moved = f"not moved: {', '.join(f'@{alias}' for alias in view.not_moved)}" if view.not_moved else None
    return _joined(
        *_grave(str(view.ref), view.version), not_moved, _deprecation(str(view.ref), view.version.deprecation)
    )


def warnings_of_resolved(found: Resolved, asked: Ref, *, serving: bool) -> str | None:
    """The same for what a reference means now. serving: it is resolved to be served, again and again."""
    reference = f"{found.model}:{found.number}"
    newest = NEWEST if serving and asked.selector is None else None
    return _joined(newest, *_grave(reference, found), _deprecation(reference, found.deprecation))


def _joined(*words: str | None) -> str | None:
    return "; ".join(each for each in words if each) or None


def _grave(reference: str, version: Version | Resolved) -> list[str | None]:
    return [
        _held(reference, version.scan, bool(version.quarantined)),
        _recall(reference, version.recall),
        _withheld(reference, version.withheld),
    ]


def _held(reference: str, scan: str, quarantined: bool) -> str | None:
    """Why it is not served; None for what is."""
    if scan == PENDING:
        return f"the files of {reference} are still being scanned; they are not served yet"
    if quarantined:
        return f"{reference} is in quarantine ({scan}); see why with: modelyard scan show {reference}"
    return None


def _recall(reference: str, recall: Recall | None) -> str | None:
    """By whom it was recalled, and why; None for one that was not."""
    return None if recall is None else f"{reference} was recalled by {recall.by}: {recall.reason}"


def _withheld(reference: str, count: int) -> str | None:
    """Words for a version of which some files are withheld; None: all are served."""
    if not count:
        return None
    what = "1 of its files is" if count == 1 else f"{count} of its files are"
    return f"{what} withheld and not served; see which with: modelyard show {reference}"


def _deprecation(reference: str, deprecation: Deprecation | None) -> str | None:
    """What to use instead, and until when; None for a version that is not deprecated."""
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
