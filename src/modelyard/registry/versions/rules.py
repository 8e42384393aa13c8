"""States of a version, and the changes that a state forbids."""

from __future__ import annotations

from collections.abc import Iterable

from modelyard.domain.errors import InvalidRequest, VersionDeleted
from modelyard.domain.names import ModelName
from modelyard.registry.scan.rules import PENDING
from modelyard.registry.versions.nouns import Resolved, Version
from modelyard.registry.versions.recalled import REFUSE

READY, ARCHIVED, DELETED = "ready", "archived", "deleted"
STATES = (READY, ARCHIVED, DELETED)


def check_states(states: Iterable[str]) -> tuple[str, ...]:
    """Return the states as a condition on versions. Raises InvalidRequest for an unknown state."""
    wanted = tuple(states)
    for state in wanted:
        if state not in STATES:
            raise InvalidRequest(
                reason=f"{state[:40]!r} is not a state of a version", fix=f"Use {', '.join(STATES)}"
            )
    return wanted


def refuse_deleted(model: ModelName, version: Version | Resolved) -> None:
    """Raise VersionDeleted for a tombstone, which is shown but never changed."""
    if version.state == DELETED:
        raise VersionDeleted(reference=f"{model}:{version.number}", model=str(model))


def flags_of(version: Version | Resolved, *, damaged: bool = False) -> list[str]:
    """Return the problems of a version, gravest first; empty for a healthy version.

    damaged: whether stored bytes of its files were found missing or wrong.
    """
    recall = version.recall
    flags = {
        DELETED: version.state == DELETED,
        "recalled": recall is not None and recall.mode == REFUSE,
        "recalled (warning)": recall is not None and recall.mode != REFUSE,
        "quarantined": bool(version.quarantined),
        "not scanned yet": version.scan == PENDING,
        "damaged": damaged,
        "files withheld": bool(version.withheld),
        "deprecated": version.deprecation is not None,
        ARCHIVED: version.state == ARCHIVED,
    }
    return [flag for flag, holds in flags.items() if holds]
