"""Gather all parts of a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.citation import Citation
from modelyard.domain.metric_schemas import direction_of
from modelyard.domain.names import Ref
from modelyard.domain.scanning.verdicts import HELD, Verdict
from modelyard.registry.cards import citing
from modelyard.registry.cards import usecases as cards
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.checks import queries as check_queries
from modelyard.registry.checks.nouns import Check
from modelyard.registry.comparison import rules as comparison
from modelyard.registry.comparison.usecases import find_champion, metric_side
from modelyard.registry.promotion import queries as promotions
from modelyard.registry.promotion import stages
from modelyard.registry.promotion.nouns import Promotion, PromotionFilter, StoredVote
from modelyard.registry.promotion.permits import find_readable
from modelyard.registry.promotion.stages import StageView
from modelyard.registry.quarantine.usecases import view_scan
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.usecases import VersionView, view_of

MOST_PROMOTIONS = 10
MOST_FINDINGS = 10
ORIGIN = ("code", "environment", "data", "image", "run", "parents")
"""Facts that say how and where a version was made."""


class StagePosition(msgspec.Struct, frozen=True):
    stage: str
    since: int
    primary: bool


class Finding(msgspec.Struct, frozen=True):
    """A reason why a version is in quarantine. name: the global that a file names; "" for other findings."""

    path: str
    name: str
    why: str


class Overview(msgspec.Struct, frozen=True):
    view: VersionView
    origin: Mapping[str, Any]
    """Facts of ORIGIN; empty for strangers."""
    stages: Sequence[StagePosition]
    next_stage: str | None
    """The stage after the last one that it is in; None: it is in the last stage, or the model has none."""
    champion: str | None
    """The version to compare the metrics with; None: there is none, or it is this version."""
    baseline: int | None
    """The version to compare it with: the champion, otherwise the version before it; None: it is the first."""
    metrics: Sequence[comparison.MetricRow]
    """The champion's value first, if there is a champion; the newest values count."""
    checks: Sequence[Check]
    """The newest check of each name."""
    promotions: Sequence[tuple[Promotion, Sequence[StoredVote]]]
    """The newest first; empty for strangers."""
    card: Sequence[str] | None
    """Sections of its card; None: it has none."""
    findings: Sequence[Finding]
    """Of a version in quarantine."""
    licence: str | None
    """From its card, otherwise from its files."""
    citation: Citation | None
    """From its card."""


def show_overview(tx: Transaction, actor: Actor, ref: Ref) -> Overview:
    """Show a version, to readers of the model and to people who may vote on an open promotion of it.

    Raises VersionNotFound, ModelNotFound, AliasNotFound.
    """
    model, version = find_readable(tx, actor, ref)
    found = find_champion(tx, model)
    champion = None if found is None or found.number == version.number else found
    reference, metrics = _against(tx, model, version, champion)
    views = stages.views_of(tx, model)
    card = cards.find_state(tx, model, version, tx.now)
    sections = card.sections
    facts = version.facts()
    reported: dict[str, Check] = {}
    for check in check_queries.list_checks(tx, version.id, tx.now):
        reported.setdefault(check.name, check)
    return Overview(
        view=view_of(tx, model, version),
        origin={} if actor.is_anonymous else {name: facts[name] for name in ORIGIN if name in facts},
        stages=_positions(views, version),
        next_stage=_next_stage(views, version),
        champion=reference,
        baseline=champion.number if champion is not None else version.number - 1 or None,
        metrics=metrics,
        checks=sorted(reported.values(), key=lambda check: check.name),
        promotions=[] if actor.is_anonymous else _promotions(tx, model, version),
        card=None if sections is None else list(sections),
        findings=_findings(tx, model, version) if version.quarantined else [],
        licence=card.licence,
        citation=citing.find_citation(tx, version),
    )


def _against(
    tx: Transaction, model: Model, version: Version, champion: Version | None
) -> tuple[str | None, list[comparison.MetricRow]]:
    side = metric_side(tx, model, version)
    if champion is None:
        return None, comparison.compare_metrics([side], {}, direction_of)
    before = metric_side(tx, model, champion)
    return before.ref, comparison.compare_metrics([before, side], before.metrics, direction_of)


def _positions(views: Sequence[StageView], version: Version) -> list[StagePosition]:
    return [
        StagePosition(view.name, standing.since, view.primary == version.number)
        for view in views
        for standing in view.standing
        if standing.version == version.number
    ]


def _next_stage(views: Sequence[StageView], version: Version) -> str | None:
    reached = max((n for n, view in enumerate(views) if version.number in view.all), default=-1)
    return views[reached + 1].name if reached + 1 < len(views) else None


def _promotions(
    tx: Transaction, model: Model, version: Version
) -> list[tuple[Promotion, Sequence[StoredVote]]]:
    chosen = PromotionFilter(model_id=model.id, number=version.number)
    rows = promotions.list_promotions(tx, chosen, None, MOST_PROMOTIONS)
    return [(row, promotions.list_votes(tx, row.id, tx.now)) for row in rows]


def _findings(tx: Transaction, model: Model, version: Version) -> list[Finding]:
    """Return the findings, the most serious first."""
    files = view_scan(tx, model, version).files.files
    found = [
        (finding.verdict is Verdict.UNKNOWN, Finding(file.path, finding.name or "", finding.why))
        for file in files
        if file.scan is not None
        for finding in file.scan.findings
        if finding.verdict in HELD
    ]
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])][:MOST_FINDINGS]
