"""What a recall means for whoever uses the version; it is made and lifted in `registry.lineage`."""

from __future__ import annotations

from modelyard.db.json_columns import load_json
from modelyard.domain.errors import VersionRecalled

REFUSE, WARN = "refuse", "warn"


def refuse_recalled(reference: str, recall: str | None) -> None:
    """Raises VersionRecalled when it was recalled and not only to warn."""
    said = load_json(recall)
    if said is not None and said["mode"] == REFUSE:
        raise VersionRecalled(reference=reference, by=said["by"], reason=said["reason"])


def recall_warning(reference: str, recall: str | None) -> str | None:
    """Words for whoever looks at or uses a recalled version; None for one that is not."""
    said = load_json(recall)
    if said is None:
        return None
    return f"{reference} was recalled by {said['by']}: {said['reason']}"
