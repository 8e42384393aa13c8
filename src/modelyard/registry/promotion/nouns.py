"""Promotions, votes, waivers and moves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec

from modelyard.db.json_columns import dump_json
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.promotion.rules import Evidence, Verdict
from modelyard.registry.promotion.source import PolicySource
from modelyard.registry.versions.nouns import Version

OPEN, DONE, REFUSED, WITHDRAWN, EXPIRED = "open", "done", "refused", "withdrawn", "expired"
"""States of a promotion."""
STATES = (OPEN, DONE, REFUSED, WITHDRAWN, EXPIRED)
PROMOTE, ROLLBACK, DEMOTE = "promote", "rollback", "demote"
"""Kinds of a move."""


class Promotion(msgspec.Struct, frozen=True):
    """A request to move a version into a stage, or a rollback or demotion, with the names of its objects."""

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
    """The evidence of its decision, or of the last judgement while it is open."""
    move: int | None
    """Its place in the history of the stage; None: nothing was moved."""
    after_primary: int | None
    after_all: tuple[int, ...]
    """All versions in the stage afterwards; empty if nothing was moved, or no version is left."""
    undid: int | None
    warning: str | None = None
    """In the answer to a change: that the policy names others to make it."""

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.number}"


class Move(msgspec.Struct, frozen=True, dict=True):
    """A promotion, rollback or demotion as stored: the request, the judgement and the outcome.

    Without slots, so that the texts can be cached for the table and for the digest in the event.
    """

    version: Version
    stage: str
    kind: str
    primary: bool
    seen_number: int | None
    """The primary version, and the revision of the stage's alias, when it was judged."""
    seen_revision: int
    policy_digest: str
    state: str
    reason: str | None
    """This, the author, the time of opening and the expiry never change."""
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
        """Return the digest of the verdict and its evidence, as stored."""
        return Digest.of(f"{self.verdict_text}\n{self.evidence_text}".encode())


class PromotionFilter(msgspec.Struct, frozen=True):
    """All given conditions hold at once."""

    model_id: int | None = None
    model_ids: Sequence[int] | None = None
    stage: str | None = None
    states: Sequence[str] = ()
    number: int | None = None
    since: int | None = None
    reader: Actor | None = None
    """Only promotions of models that this account may read."""
    namespace: str | None = None


class MoveState(msgspec.Struct, frozen=True):
    """The result of a move, for walking a long history."""

    id: int
    kind: str
    after_primary: int | None
    after_all: tuple[int, ...]
    at: int


class StoredVote(msgspec.Struct, frozen=True):
    by: str
    by_id: int
    approves: bool
    comment: str | None
    policy_digest: str
    at: int


class StoredWaiver(msgspec.Struct, frozen=True):
    rule: str
    by: str
    reason: str
    policy_digest: str
    at: int


class Occupant(msgspec.Struct, frozen=True):
    """A version in a stage next to the primary one."""

    version_id: int
    number: int
    since: int


class PolicyVersion(msgspec.Struct, frozen=True):
    """One text that was in force; an empty one removed the policy."""

    model_id: int
    number: int
    digest: str
    text: str
    reason: str | None
    at: int
    by: str
    source: PolicySource | None
    """None: it is edited by hand."""
