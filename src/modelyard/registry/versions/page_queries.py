"""SQL of pages of versions, and conditions on versions for every search.

As in the search over models, the form of a search decides the SQL text, and its values are parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from modelyard.db.statement import Statement
from modelyard.db.tables import version_tags, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.metric_names import MetricCondition
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.queries import VERSION_COLUMNS, VERSIONS, to_version
from modelyard.registry.versions.score_queries import (
    MetricComparison,
    metric_comparisons,
    metric_parameters,
    versions_with,
)

_p = sa.bindparam


class _Form(NamedTuple):
    """The properties of a search that decide the SQL text of a page."""

    states: int
    tags: int
    comparisons: tuple[MetricComparison, ...]
    """Of the metrics, in their order."""
    goes_on: bool
    """It is not the first page."""
    has_semver: bool
    has_pull_request: bool


HAS_SEMVER = (versions.c.semver == _p("semver")) | versions.c.semver.like(_p("semver_like"))
HAS_PULL_REQUEST = versions.c.pull_request == _p("pull_request")


def label_parameters(semver: str | None, pull_request: str | None) -> dict[str, Any]:
    """Return what HAS_SEMVER and HAS_PULL_REQUEST ask with. semver: a whole one, or its beginning."""
    found: dict[str, Any] = {}
    if semver is not None:
        # Only digits and dots begin another semantic version; a whole one has no dot behind it.
        found |= {"semver": semver, "semver_like": f"{semver}.%" if semver.count(".") < 2 else ""}
    if pull_request is not None:
        found["pull_request"] = pull_request
    return found


def list_versions(
    tx: Transaction,
    model_id: int,
    *,
    before: int | None,
    limit: int,
    states: Sequence[str],
    tags: Mapping[str, str],
    metrics: Sequence[MetricCondition],
    semver: str | None = None,
    pull_request: str | None = None,
) -> list[Version]:
    """List versions with numbers below `before`, newest first."""
    parameters: dict[str, Any] = {"model_id": model_id, "limit": limit}
    if before is not None:
        parameters["before"] = before
    wanted = sorted(set(states))
    if not wanted:
        return []
    for n, state in enumerate(wanted):
        parameters[f"state_{n}"] = state
    for n, (key, value) in enumerate(tags.items()):
        parameters |= {f"tag_{n}": key, f"tag_{n}_value": value}
    parameters |= metric_parameters(metrics)
    parameters |= label_parameters(semver, pull_request)
    labels = (semver is not None, pull_request is not None)
    comparisons = metric_comparisons(tx, metrics, model_id)
    page = _page(_Form(len(wanted), len(tags), comparisons, before is not None, *labels))
    return [to_version(row) for row in tx.all(page, **parameters)]


@lru_cache(256)
def _page(form: _Form) -> Statement:
    states: list[sa.BindParameter[str]] = [_p(f"state_{n}") for n in range(form.states)]
    chosen = sa.select(versions.c.id).where(versions.c.model_id == _p("model_id"), versions.c.state.in_(states))
    if form.goes_on:
        chosen = chosen.where(versions.c.number < _p("before"))
    for n in range(form.tags):
        chosen = chosen.where(
            sa.exists().where(
                version_tags.c.version_id == versions.c.id,
                version_tags.c.key == _p(f"tag_{n}"),
                version_tags.c.value == _p(f"tag_{n}_value"),
            )
        )
    for n, comparison in enumerate(form.comparisons):
        chosen = chosen.where(versions_with(n, comparison))
    if form.has_semver:
        chosen = chosen.where(HAS_SEMVER)
    if form.has_pull_request:
        chosen = chosen.where(HAS_PULL_REQUEST)
    # First the page of ids, then the joins: the planner would otherwise join everything and sort.
    page = chosen.order_by(versions.c.number.desc()).limit(_p("limit")).subquery()
    return Statement(
        sa.select(*VERSION_COLUMNS)
        .select_from(VERSIONS)
        .where(versions.c.id.in_(sa.select(page.c.id)))
        .order_by(versions.c.number.desc())
    )


def count_by_state(tx: Transaction) -> dict[str, int]:
    """Return state → number of versions of the whole registry."""
    query = sa.select(versions.c.state, sa.func.count()).group_by(versions.c.state)
    return {row[0]: row[1] for row in tx.rows(query)}
