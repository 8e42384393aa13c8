"""Policies: the file, the effective policy, and past promotions under another policy."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, LongText, Page, Request, Text


class PolicySource(Answer, kw_only=True):
    """The file in a repository that a policy is set from. url: http or https; commit: 7 to 64 hex digits."""

    url: Text
    commit: Text | None = None


class PolicyVersion(Answer, kw_only=True):
    """A policy text that was in force; an empty text removed the policy. source None: it is edited by hand."""

    number: int
    digest: str
    text: str
    reason: str | None
    at: str
    by: str
    source: PolicySource | None = None


class PolicyVersionPage(Page, kw_only=True):
    items: list[PolicyVersion]


class Policy(Answer, kw_only=True):
    """own: the policy of the namespace or model itself; inherited: of its namespace; effective: both combined."""

    of: str
    own: PolicyVersion | None
    inherited: PolicyVersion | None
    effective: dict[str, Any]
    effective_digest: str
    sources: list[str]
    revision: int
    """Number of its own policy for If-Match; 0: it has none."""
    weakens: list[str] = []
    """Gates that this request makes weaker than before."""


class SetPolicy(Request, kw_only=True):
    """dry_run: only check the text. source: the file that it comes from; without one the policy is under hand."""

    text: LongText
    reason: Text | None = None
    source: PolicySource | None = None
    dry_run: bool = False


class TestPolicy(Request, kw_only=True):
    """since: RFC 3339"""

    text: LongText
    since: Text


class RuleChange(Answer, kw_only=True):
    """before, after: the outcome under each policy; None: that policy has no such rule."""

    rule: str
    before: str | None
    after: str | None
    reason: str


class Replayed(Answer, kw_only=True):
    """A past promotion, with its outcome then and under the other policy."""

    promotion: int
    reference: str
    stage: str
    at: str
    by: str
    allowed_then: bool
    allowed_now: bool
    differs: bool
    changes: list[RuleChange]


class PolicyTest(Answer, kw_only=True):
    of: str
    judged: int
    differing: int
    items: list[Replayed]
