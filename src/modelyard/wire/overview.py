"""A version in one answer."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from modelyard.wire.base import Answer, Request
from modelyard.wire.cards import CitationText
from modelyard.wire.checks import Check
from modelyard.wire.comparison import Metric
from modelyard.wire.promotion import Promotion
from modelyard.wire.versions import Version


class StagePosition(Answer, kw_only=True):
    """primary: whether the stage's alias points at the version."""

    stage: str
    since: str
    primary: bool


class Finding(Answer, kw_only=True):
    """Reason for the quarantine of a version. name: the global that a file names; "" for any other reason."""

    path: str
    name: str
    why: str


class Overview(Answer, kw_only=True):
    """Overview of a version in one answer.

    origin: facts about how and where it was made: code, environment, data, image, run, parents; empty for anonymous
    callers. next_stage: the stage after the last one it is in. champion: the version that metrics are compared with;
    null if there is none, or if this is it. baseline: number of the champion, otherwise of the version before.
    metrics: the newest values, first those that the champion has too. checks: the newest of each name. promotions:
    newest first. card: sections of its card; null: no card. findings: for a version in quarantine. licence: from its card, otherwise from its files. citation:
    from its card.
    """

    version: Version
    origin: dict[str, Any]
    stages: list[StagePosition]
    next_stage: str | None
    champion: str | None
    baseline: int | None
    metrics: list[Metric]
    checks: list[Check]
    promotions: list[Promotion]
    card: list[str] | None
    findings: list[Finding]
    licence: str | None = None
    citation: CitationText | None = None


class Need(Answer, kw_only=True):
    """One thing that waits for the caller. kind: vote, gate, quarantine, retraining, unwatched, schedule or gap."""

    kind: str
    model: str
    version: int | None
    """None: the need is about the model."""
    promotion: int | None
    words: str
    why: str
    at: str
    schedule: int | None = None
    """Number of the one that was paused."""
    deployment: str | None = None
    """The one that needs retraining."""


class NeedQuery(Request, kw_only=True):
    """limit: at most 100."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class NeedList(Answer, kw_only=True):
    items: list[Need]
