"""Stages, promotions, votes, waivers, rollback."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Page, PageQuery, Request, Text, Whole


class Stage(Answer, kw_only=True):
    """primary: the version that the alias points at; versions: all that stand there, the primary one first."""

    name: str
    slots: int
    mode: str
    """warn or block"""
    rules: list[str]
    primary: int | None
    versions: list[int]
    since: str | None
    by: str | None
    revision: int
    """What `seen_revision` of a promotion or rollback takes to notice a move in between."""


class StageList(Answer, kw_only=True):
    model: str
    policy_digest: str
    items: list[Stage]


class RuleResult(Answer, kw_only=True):
    """outcome: pass, fail, unknown or waived. who can change it, and by which command (fix)."""

    rule: str
    kind: str
    outcome: str
    measured: str
    needed: str
    who: str = ""
    fix: str = ""
    say: str = ""
    may_change: bool = False
    """Whether waiting can help: an answer of others, or time, is outstanding."""
    waivable: bool = False


class Verdict(Answer, kw_only=True):
    """allowed: all rules passed, or the gate is in mode warn."""

    stage: str
    mode: str
    passed: bool
    allowed: bool
    results: list[RuleResult]
    notes: list[str] = []
    """What a reader should know of the gate itself: that it is younger than the version, or was weakened."""


class Vote(Answer, kw_only=True):
    by: str
    at: str
    approves: bool
    comment: str | None
    counts: bool
    """False: cast under a policy that no longer holds."""


class Waiver(Answer, kw_only=True):
    rule: str
    by: str
    at: str
    reason: str
    counts: bool


class Promotion(Answer, kw_only=True):
    """kind: promote, rollback or demote. state: open, done, refused, withdrawn or expired."""

    id: int
    kind: str
    state: str
    model: str
    version: int
    reference: str
    digest: str
    record_digest: str
    stage: str
    primary: bool
    from_version: int | None
    """The stage's primary version when it was asked for; of one that is done, the one before it."""
    policy_digest: str
    reason: str | None
    opened_at: str
    opened_by: str
    expires_at: str | None
    closed_at: str | None
    closed_by: str | None
    closed_reason: str | None
    after_primary: int | None = None
    after_versions: list[int] | None = None
    """Who stood in the stage afterwards, when something moved."""
    undid: int | None = None
    """Number of the move that a rollback took back."""
    verdict: Verdict | None = None
    votes: list[Vote] = []
    waivers: list[Waiver] = []
    reviewers: list[str] = []
    """Groups whose votes the policy asks for."""
    stale: str | None = None
    """Why it does not complete by itself although it is open."""


class PromotionPage(Page, kw_only=True):
    items: list[Promotion]


class PromotionQuery(PageQuery, kw_only=True):
    stage: Text | None = None
    state: Items[Text] = []
    version: Whole | None = None
    since: Text | None = None
    """RFC 3339"""


class ReviewQuery(PageQuery, kw_only=True):
    pass


class Promote(Request, kw_only=True):
    """Which version (a number, or a target like `@candidate`) into which stage.

    request: only open it, for the person who may promote, or the policy, to complete. primary false: next to the
    primary version. keep_open false: a refusal is final. seen_revision: the stage's revision that the caller
    saw; another one is a conflict.
    """

    stage: Text
    version: Whole | None = None
    target: Text | None = None
    dry_run: bool = False
    reason: Text | None = None
    request: bool = False
    primary: bool = True
    keep_open: bool = True
    seen_revision: Whole | None = None


class Attempt(Answer, kw_only=True):
    """outcome: done, open (a request that waits), refused, or dry-run."""

    outcome: str
    model: str
    version: int
    reference: str
    stage: str
    policy_digest: str
    verdict: Verdict
    promotion: Promotion | None = None
    changed: bool = False
    """False: a dry run, or the version stood there already."""


class CastVote(Request, kw_only=True):
    approves: bool
    comment: Text | None = None


class WaiveRule(Request, kw_only=True):
    rule: Text
    reason: Text


class Rollback(Request, kw_only=True):
    """to: a version that stood there before; left out: the one before the last move."""

    reason: Text
    to: Whole | None = None
    seen_revision: Whole | None = None


class Demote(Request, kw_only=True):
    """version: left out, the primary one. next_primary: which of the others the alias points at then."""

    version: Whole | None = None
    next_primary: Whole | None = None
    reason: Text | None = None
    seen_revision: Whole | None = None


class StageMovePage(Answer, kw_only=True):
    """Newest first, so the first one says who stood there at the time asked for."""

    model: str
    stage: str
    items: list[Promotion]


class StageMoveQuery(Request, kw_only=True):
    at: Text | None = None
    """Only moves made at or before this time (RFC 3339)."""
    limit: Whole = 50


class Deprecate(Request, kw_only=True):
    """replacement: number of the version to use instead. ends_at: RFC 3339."""

    replacement: Whole | None = None
    ends_at: Text | None = None
    reason: Text | None = None
