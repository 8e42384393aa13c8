"""States of a version, and what a state refuses."""

from __future__ import annotations

from collections.abc import Iterable

from modelyard.domain.errors import InvalidRequest, VersionDeleted
from modelyard.domain.names import ModelName
from modelyard.registry.versions.nouns import Resolved, Version

READY, ARCHIVED, DELETED = "ready", "archived", "deleted"
STATES = (READY, ARCHIVED, DELETED)


def check_states(states: Iterable[str]) -> tuple[str, ...]:
    """The states as a condition on versions. Raises InvalidRequest for a word that is not one."""
    wanted = tuple(states)
    for state in wanted:
        if state not in STATES:
            raise InvalidRequest(
                reason=f"{state[:40]!r} is not a state of a version", fix=f"Use {', '.join(STATES)}"
            )
    return wanted


def refuse_deleted(model: ModelName, version: Version | Resolved) -> None:
    """Raises VersionDeleted. A tombstone is shown, and nothing more happens to it."""
    if version.state == DELETED:
        raise VersionDeleted(reference=f"{model}:{version.number}", model=str(model))
