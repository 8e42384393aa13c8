"""Gather the subject of one decision: version, stage, policy, and the versions in the stage."""

from __future__ import annotations

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import StageNotFound, VersionArchived
from modelyard.domain.names import fold
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import moves
from modelyard.registry.promotion.evidence import gather
from modelyard.registry.promotion.moves import StageState
from modelyard.registry.promotion.nouns import Promotion
from modelyard.registry.promotion.policy import ARCHIVED as ARCHIVED_STAGE
from modelyard.registry.promotion.policy import Policy, Stage, StageGate
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.rules import Evidence
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import ARCHIVED, refuse_deleted
from modelyard.registry.versions.serving import refuse_held, refuse_incomplete


class Decision(msgspec.Struct, frozen=True):
    """The subject of one decision."""

    version: Version
    policy: Policy
    entry: StageGate
    standing: StageState

    @property
    def model(self) -> Model:
        return self.standing.model

    @property
    def stage(self) -> Stage:
        return self.standing.stage


def prepare_decision(tx: Transaction, model: Model, version: Version, stage: str) -> Decision:
    policy = effective_policy(tx, model)
    found = policy.stage(fold(stage))
    if found is None:
        fix = f"Use: modelyard archive {model.name}:{version.number}" if stage == ARCHIVED_STAGE else None
        raise StageNotFound(
            model=str(model.name), stage=stage[:80], stages=", ".join(policy.stage_names), fix=fix
        )
    standing = moves.find_standing(tx, model, found)
    return Decision(version, policy, policy.gates[found.name], standing)


def gather_for(tx: Transaction, decision: Decision, row: Promotion | None, promoter: str) -> Evidence:
    """Gather the subject. promoter: who would move the version now, and requests it unless a promotion is open."""
    return gather(
        tx,
        decision.model,
        decision.version,
        decision.stage.name,
        decision.entry,
        champion=decision.standing.number,
        requester=row.opened_by if row else promoter,
        promoter=promoter,
        policy=decision.policy,
        promotion=row,
    )


def check_ready(tx: Transaction, decision: Decision) -> None:
    """Raise the errors that no gate decides: VersionDeleted, VersionArchived, VersionQuarantined, ScanPending,
    VersionRecalled; FilesWithheld for a version that is not in the stage yet.
    """
    model, version = decision.model, decision.version
    reference = f"{model.name}:{version.number}"
    refuse_deleted(model.name, version)
    if version.state == ARCHIVED:
        raise VersionArchived(reference=reference)
    refuse_held(tx, model, version)
    if version.number not in decision.standing.all:
        refuse_incomplete(tx, model, version, f"the stage {decision.stage.name}")


def staleness(row: Promotion, policy: Policy, standing: StageState | None) -> str | None:
    """Return why an open promotion must be requested again before it may complete; None if it need not be."""
    if row.policy_digest != policy.digest:
        return "the policy changed since the promotion was requested"
    if standing is not None and standing.revision != row.seen_revision:
        stood = f"version {row.seen_number}" if row.seen_number is not None else "no version"
        stands = f"version {standing.number}" if standing.number is not None else "no version"
        return (
            f"the stage moved since the promotion was requested: it held {stood} then, and holds {stands} now"
        )
    return None
