"""Policies and promotions."""

from __future__ import annotations

from typing import Any

from modelyard.domain.events.base import Event


class PolicyChanged(Event, kind="policy.changed"):
    """number: of the policy in its namespace or model. text None: the policy was removed. text_digest: of the
    parsed content, so that layout does not count; promotions refer to the texts that judged them by it.
    weakened: the rules that are less strict than before. source_url, source_commit: the file in a repository that
    the text came from."""

    number: int
    text_digest: str | None = None
    text: str | None = None
    weakened: list[str] | None = None
    reason: str | None = None
    source_url: str | None = None
    source_commit: str | None = None


class RoleWarned(Event, kind="promotion.role_warned"):
    """Somebody acted whom the policy does not name, and the policy only warns about that. action: as `promote to
    production`; named: the accounts and groups that the policy names."""

    action: str
    named: list[str]


class PromotionEvent(Event):
    """The fields that all events of a promotion share.

    effective_digest: of the combined policies; text_digests: of the texts that were in force, as
    `policy.changed` names them.
    """

    promotion: int
    stage: str
    digest: str
    record_digest: str
    effective_digest: str
    text_digests: list[str] | None = None


class PromotionOpened(PromotionEvent, kind="promotion.opened"):
    """reviewers: the groups whose votes the policy asks for; missing: the rules that are not met yet."""

    reviewers: list[str]
    missing: list[str]
    reason: str | None = None


class PromotionApproved(PromotionEvent, kind="promotion.approved"):
    comment: str | None = None


class PromotionRejected(PromotionEvent, kind="promotion.rejected"):
    """A reviewer whose vote counts rejected the promotion; it is refused for good."""

    comment: str | None = None


class RuleWaived(PromotionEvent, kind="promotion.rule_waived"):
    rule: str
    reason: str


class PromotionRefused(PromotionEvent, kind="promotion.refused"):
    """The gate refused an attempt. refusals: rule, outcome, measured and needed of each. verdict: of all rules;
    gate: the rules with their parameters, as the effective policy has them."""

    refusals: list[dict[str, Any]]
    verdict: dict[str, Any]
    gate: dict[str, Any]
    stays_open: bool


class PromotionWithdrawn(PromotionEvent, kind="promotion.withdrawn"):
    reason: str | None = None


class PromotionExpired(PromotionEvent, kind="promotion.expired"):
    pass


class VersionPromoted(PromotionEvent, kind="version.promoted"):
    """verdict: what was measured and needed by each rule, and who reported it; gate: the rules with their
    parameters, as the effective policy has them. verdict_digest: of the stored verdict and evidence. warned: rules
    that a gate in warn mode let pass."""

    from_version: int | None = None
    primary: bool
    verdict: dict[str, Any]
    gate: dict[str, Any]
    verdict_digest: str
    waived: list[str]
    warned: list[str]
    reason: str | None = None


class StageRolledBack(PromotionEvent, kind="stage.rolled_back"):
    """A stage was rolled back. `version`: its primary version now; undid: the promotion that was undone."""

    from_version: int | None
    undid: int | None
    reason: str


class VersionDemoted(PromotionEvent, kind="version.demoted"):
    """A version was demoted. to_version: the primary version of the stage now; None: there is none."""

    to_version: int | None = None
    reason: str | None = None
