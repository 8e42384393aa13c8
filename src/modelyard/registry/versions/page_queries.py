"""SQL of pages of versions, and what is asked of a version in any search.

As in the search over models, what is asked decides the text and is written once for each form; what it is asked
with goes in as parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from modelyard.db.statement import Statement
from modelyard.db.tables import version_metrics, version_tags, versions
from modelyard.db.transaction import Transaction
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.queries import VERSION_COLUMNS, VERSIONS, to_version

_p = sa.bindparam


def metric_is(
    version_id: sa.ColumnElement[int], name: Any, comparison: str, bound: Any
) -> sa.ColumnElement[bool]:
    """comparison: one of < <= > >= =. name, bound: parameters."""
    value = version_metrics.c.value
    test = {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "=": value == bound,
    }[comparison]
    return sa.exists().where(version_metrics.c.version_id == version_id, version_metrics.c.name == name, test)


class _Form(NamedTuple):
    """All that the text of a page depends on."""

    states: int
    tags: int
    comparisons: tuple[str, ...]
    """Of the metrics, in their order."""
    goes_on: bool
    """It is not the first page."""


def list_versions(
    tx: Transaction,
    model_id: int,
    *,
    before: int | None,
    limit: int,
    states: Sequence[str],
    tags: Mapping[str, str],
    metrics: Sequence[tuple[str, str, float]],
) -> list[Version]:
    """Newest first, numbers below `before`. metrics: (name, one of < <= > >= =, value)."""
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
    for n, (name, _, bound) in enumerate(metrics):
        parameters |= {f"metric_{n}": name, f"metric_{n}_bound": bound}
    comparisons = tuple([comparison for _, comparison, _ in metrics])
    page = _page(_Form(len(wanted), len(tags), comparisons, before is not None))
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
        chosen = chosen.where(metric_is(versions.c.id, _p(f"metric_{n}"), comparison, _p(f"metric_{n}_bound")))
    # First the page of ids, then the joins: the planner would otherwise join everything and sort.
    page = chosen.order_by(versions.c.number.desc()).limit(_p("limit")).subquery()
    return Statement(
        sa.select(*VERSION_COLUMNS)
        .select_from(VERSIONS)
        .where(versions.c.id.in_(sa.select(page.c.id)))
        .order_by(versions.c.number.desc())
    )
