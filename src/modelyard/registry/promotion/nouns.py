"""Promotions, votes, waivers and moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from modelyard.db.json_columns import dump_json
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.promotion.rules import Evidence, Verdict
from modelyard.registry.versions.nouns import Version

OPEN, DONE, REFUSED, WITHDRAWN, EXPIRED = "open", "done", "refused", "withdrawn", "expired"
"""States of a promotion."""
PROMOTE, ROLLBACK, DEMOTE = "promote", "rollback", "demote"
"""Kinds of a move."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A request to move a version into a stage, or a rollback or demotion, with the names of what it points at."""

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
    verdict: Verdict | None
    """What it was decided on, or judged on last while it is open."""
    move: int | None
    """Its place in the history of the stage; None: nothing was moved."""
    after_primary: int | None
    after_all: tuple[int, ...]
    """All who stood there afterwards; empty where nothing was moved, or nothing was left."""
    undid: int | None

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.number}"


@dataclass(frozen=True)
class Move:
    """A promotion, rollback or demotion as it is written: what was asked for, how it was judged, how it ended.

    Not slotted: the texts are made once, for the table and for the digest that the event carries.
    """

    version: Version
    stage: str
    kind: str
    primary: bool
    seen_number: int | None
    """Who stood there, and the revision of the stage's alias, when it was judged."""
    seen_revision: int
    policy_digest: str
    state: str
    reason: str | None
    """This, when and by whom it was opened, and when it expires stay as they were first stored."""
    opened_at: int
    opened_by: int
    """Id of the account."""
    expires_at: int | None = None
    verdict: Verdict | None = None
    evidence: Evidence | None = None
    closed_at: int | None = None
    closed_by: int | None = None
    closed_reason: str | None = None
    move: int | None = None
    """Its place in the history of the stage; None: nothing was moved."""
    after_primary: int | None = None
    after_all: tuple[int, ...] | None = None
    undid: int | None = None
    """Id of the move that a rollback undid."""

    @cached_property
    def verdict_text(self) -> str | None:
        return dump_json(self.verdict)

    @cached_property
    def evidence_text(self) -> str | None:
        return dump_json(self.evidence)

    @property
    def verdict_digest(self) -> Digest:
        """Of the verdict and of the evidence it was given on, as they are stored."""
        return Digest.of(f"{self.verdict_text}\n{self.evidence_text}".encode())


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
    after_all: tuple[int, ...]
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
    """A version in a stage next to the primary one."""

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
