"""Refuse the use of recalled versions; recalls are made and lifted in `registry.lineage`."""

from __future__ import annotations

from modelyard.domain.errors import VersionRecalled
from modelyard.registry.versions.nouns import Recall

REFUSE, WARN = "refuse", "warn"


def refuse_recalled(reference: str, recall: Recall | None) -> None:
    """Raise VersionRecalled for a version whose recall refuses its use."""
    if recall is not None and recall.mode == REFUSE:
        raise VersionRecalled(reference=reference, by=recall.by, reason=recall.reason)
