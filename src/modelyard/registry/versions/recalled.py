"""What a recall means for the person who uses the version; it is made and lifted in `registry.lineage`."""

from __future__ import annotations

from modelyard.domain.errors import VersionRecalled
from modelyard.registry.versions.nouns import Recall

REFUSE, WARN = "refuse", "warn"


def refuse_recalled(reference: str, recall: Recall | None) -> None:
    """Raises VersionRecalled when it was recalled and not only to warn."""
    if recall is not None and recall.mode == REFUSE:
        raise VersionRecalled(reference=reference, by=recall.by, reason=recall.reason)
