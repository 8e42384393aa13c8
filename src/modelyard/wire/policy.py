"""Policies: the file, what holds in the end, and past promotions under another one."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, LongText, Page, Request, Text


class PolicyVersion(Answer, kw_only=True):
    """One text that was in force; an empty one took the policy away."""

    number: int
    digest: str
    text: str
    reason: str | None
    at: str
    by: str


class PolicyVersionPage(Page, kw_only=True):
    items: list[PolicyVersion]


class Policy(Answer, kw_only=True):
    """own: of the namespace or model itself; inherited: of its namespace; effective: what both amount to."""

    of: str
    own: PolicyVersion | None
    inherited: PolicyVersion | None
    effective: dict[str, Any]
    effective_digest: str
    sources: list[str]
    revision: int
    """Number of the own policy, 0 for none; what If-Match takes."""
    weakens: list[str] = []
    """What the text of this request makes weaker than the one before it."""


class SetPolicy(Request, kw_only=True):
    """dry_run: only check it."""

    text: LongText
    reason: Text | None = None
    dry_run: bool = False


class TestPolicy(Request, kw_only=True):
    """since: RFC 3339"""

    text: LongText
    since: Text


class RuleChange(Answer, kw_only=True):
    """before, after: an outcome; None: there was, or is, no such rule."""

    rule: str
    before: str | None
    after: str | None
    reason: str


class Replayed(Answer, kw_only=True):
    """A past promotion: allowed then, and under the other policy now."""

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
