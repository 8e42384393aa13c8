"""Promotions, votes, waivers and moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName


@dataclass(frozen=True, slots=True)
class Promotion:
    """A row of `promotions`, with the names of what it points at."""

    id: int
    model_id: int
    model: ModelName
    version_id: int
    number: int
    digest: Digest
    record_digest: Digest
    stage: str
    kind: str
    state: str
    primary: bool
    seen_number: int | None
    seen_revision: int
    policy_digest: str
    reason: str | None
    opened_at: int
    opened_by: str
    opened_by_id: int
    expires_at: int | None
    closed_at: int | None
    closed_by: str | None
    closed_reason: str | None
    verdict: str | None
    evidence: str | None
    move: int | None
    after_primary: int | None
    after_all: str | None
    undid: int | None

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.number}"


@dataclass(frozen=True, slots=True)
class PromotionFilter:
    """All given conditions hold at once."""

    model_id: int | None = None
    model_ids: Sequence[int] | None = None
    stage: str | None = None
    states: Sequence[str] = ()
    number: int | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class MoveState:
    """What a move left behind, for walking a long history."""

    id: int
    kind: str
    after_primary: int | None
    after_all: str
    """JSON list."""
    at: int


@dataclass(frozen=True, slots=True)
class StoredVote:
    by: str
    by_id: int
    approves: bool
    comment: str | None
    policy_digest: str
    at: int


@dataclass(frozen=True, slots=True)
class StoredWaiver:
    rule: str
    by: str
    reason: str
    policy_digest: str
    at: int


@dataclass(frozen=True, slots=True)
class Occupant:
    """A version in a stage beside the primary one."""

    version_id: int
    number: int
    since: int


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One text that was in force; an empty one took the policy away."""

    model_id: int
    number: int
    digest: str
    text: str
    reason: str | None
    at: int
    by: str
