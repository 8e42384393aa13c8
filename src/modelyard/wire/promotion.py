"""Stages, promotions, votes, waivers, rollback."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Page, PageQuery, Request, Text, Whole


class Standing(Answer, kw_only=True):
    """flags: problems of the version, gravest first."""

    version: int
    since: str
    flags: list[str]


class Stage(Answer, kw_only=True):
    """primary: the version that the alias points at; versions: all versions in the stage, the primary one first."""

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
    """Pass it as `seen_revision` of a promotion or rollback to detect a concurrent move."""
    standing: list[Standing] = []
    """The same versions as `versions`, each with its state."""


class StageList(Answer, kw_only=True):
    model: str
    policy_digest: str
    items: list[Stage]


class RuleResult(Answer, kw_only=True):
    """outcome: pass, fail, unknown or waived. who: the people who can change it. fix: the command to do so."""

    rule: str
    kind: str
    outcome: str
    measured: str
    needed: str
    who: str = ""
    fix: str = ""
    say: str = ""
    may_change: bool = False
    """Whether waiting can help: someone's answer or a point in time is outstanding."""
    waivable: bool = False
    counted: list[str] = []
    """Accounts whose approvals counted."""
    not_counted: dict[str, str] = {}
    """Account whose approval did not count → reason."""


class Verdict(Answer, kw_only=True):
    """allowed: all rules passed, or the gate is in mode warn."""

    stage: str
    mode: str
    passed: bool
    allowed: bool
    results: list[RuleResult]
    notes: list[str] = []
    """Notes about the gate itself: it is newer than the version, or was weakened."""


class Vote(Answer, kw_only=True):
    by: str
    at: str
    approves: bool
    comment: str | None
    counts: bool
    """Whether the verdict used it."""
    why_not: str | None
    """Reason why it does not count."""


class Waiver(Answer, kw_only=True):
    rule: str
    by: str
    at: str
    reason: str
    counts: bool
    """Whether the verdict used it."""


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
    """Primary version of the stage at the time of the request; for a completed move, just before it."""
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
    """Versions in the stage afterwards, if something moved."""
    undid: int | None = None
    """Number of the move that a rollback undid."""
    verdict: Verdict | None = None
    votes: list[Vote] = []
    waivers: list[Waiver] = []
    reviewers: list[str] = []
    """Groups whose votes the policy requires."""
    stale: str | None = None
    """Reason why it is open but does not complete by itself."""
    next_step: str | None = None
    """For an open promotion: the caller's next step, or the people it is waiting for."""
    warning: str | None = None
    """In the answer to a change: that the policy names others to make it, and only warns about that."""


class PromotionPage(Page, kw_only=True):
    items: list[Promotion]


class PromotionQuery(PageQuery, kw_only=True):
    stage: Text | None = None
    state: Items[Text] = []
    version: Whole | None = None
    since: Text | None = None
    """RFC 3339"""


class ReviewQuery(PageQuery, kw_only=True):
    """waiting false: all promotions of models that the caller may read; the other conditions apply only to these."""

    waiting: bool = True
    namespace: Text | None = None
    stage: Text | None = None
    state: Items[Text] = []
    since: Text | None = None
    """RFC 3339"""


class Promote(Request, kw_only=True):
    """Move a version (a number, or a target such as `@candidate`) into a stage.

    request: only open it; a maintainer, or the policy, completes it. primary false: next to the primary version.
    keep_open false: a refusal is final. seen_revision: the revision of the stage that the caller saw; a different
    one is a conflict.
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
    """outcome: done, open (a waiting request), refused, or dry-run."""

    outcome: str
    model: str
    version: int
    reference: str
    stage: str
    policy_digest: str
    verdict: Verdict
    promotion: Promotion | None = None
    changed: bool = False
    """False for a dry run, or if the version was already in the stage."""


class CastVote(Request, kw_only=True):
    approves: bool
    comment: Text | None = None


class WaiveRule(Request, kw_only=True):
    rule: Text
    reason: Text


class Rollback(Request, kw_only=True):
    """to: a version that was in the stage before; left out: undo the last move. from_version: the primary version
    that the caller saw; a different one is a conflict."""

    reason: Text
    to: Whole | None = None
    from_version: Whole | None = None
    seen_revision: Whole | None = None


class RollbackQuery(Request, kw_only=True):
    """to: as in a rollback."""

    to: Whole | None = None


class RollbackPreview(Answer, kw_only=True):
    """before, after: versions in the stage, the primary one first. restored: versions restored from the archive.
    passed_over: reasons why nearer versions cannot return."""

    stage: str
    revision: int
    before: list[int]
    after: list[int]
    restored: list[int]
    passed_over: list[str]


class Demote(Request, kw_only=True):
    """version: default the primary one. next_primary: the remaining version that becomes the primary one."""

    version: Whole | None = None
    next_primary: Whole | None = None
    reason: Text | None = None
    seen_revision: Whole | None = None


class StageMovePage(Answer, kw_only=True):
    """Newest first, so the first entry shows the stage at the requested time."""

    model: str
    stage: str
    items: list[Promotion]


class StandingQuery(PageQuery, kw_only=True):
    """at: RFC 3339; None: now."""

    at: Text | None = None
    stage: Text = "production"
    namespace: Text | None = None


class Stood(Answer, kw_only=True):
    """The primary version of a model in the stage at the moment. promotion: the move that put it there."""

    model: str
    version: int
    promotion: int
    since: str
    until: str | None
    """None: it is still there."""
    now: int | None
    """The version that is there now; None: none."""
    by: str
    approved_by: list[str]


class StandingPage(Page, kw_only=True):
    """By the names of the models."""

    stage: str
    at: str
    items: list[Stood]


class StageMoveQuery(Request, kw_only=True):
    at: Text | None = None
    """Only moves made at or before this time (RFC 3339)."""
    limit: Whole = 50


class Deprecate(Request, kw_only=True):
    """replacement: number of the version to use instead. ends_at: RFC 3339."""

    replacement: Whole | None = None
    ends_at: Text | None = None
    reason: Text | None = None
