"""The one rule that says which versions a deployment may serve: asked when one is deployed, at each start, and at each rollback."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain.deployments import SERVING, SHADOW
from modelyard.domain.errors import ModelyardError, VersionArchived, VersionNotAdmitted
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.queries import was_admitted
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import ARCHIVED, refuse_deleted
from modelyard.registry.versions.serving import refuse_held, refuse_incomplete


def refuse_unless_admitted(
    tx: Transaction, model: Model, version: Version, stage: str, role: str = SERVING
) -> None:
    """Return if the version is admitted to the stage: it stands there, or once entered through its gate; and it is neither archived,
    deleted, recalled nor held in quarantine, and none of its files are withheld.

    role: serving, canary or shadow. A canary answers users, so that it needs the same as a revision that serves. The answers of a
    shadow reach no one, so that the stage before is enough.

    Raises VersionNotAdmitted, VersionArchived, VersionDeleted, VersionRecalled, VersionQuarantined, ScanPending, FilesWithheld.
    """
    reference = f"{model.name}:{version.number}"
    refuse_deleted(model.name, version)
    if version.state == ARCHIVED:
        raise VersionArchived(reference=reference)
    refuse_held(tx, model, version)
    refuse_incomplete(tx, model, version, f"a deployment in {stage}")
    stages = _stages_for(tx, model, stage, role)
    if not any(was_admitted(tx, model.id, version.id, each) for each in stages):
        stage = stages[-1]
        raise VersionNotAdmitted(reference=reference, model=str(model.name), stage=stage)


def _stages_for(tx: Transaction, model: Model, stage: str, role: str) -> list[str]:
    """Return the stages of which one is enough, the least demanding one last."""
    if role != SHADOW:
        return [stage]
    names = effective_policy(tx, model).stage_names
    at = names.index(stage) if stage in names else 0
    return [stage, names[at - 1]] if at else [stage]


def why_not_admitted(
    tx: Transaction, model: Model, version: Version, stage: str, role: str = SERVING
) -> str | None:
    """Return why a version may not be served, in a sentence; None: it may."""
    try:
        refuse_unless_admitted(tx, model, version, stage, role)
    except ModelyardError as refusal:
        return refusal.message
    return None
