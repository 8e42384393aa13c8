"""Models: the list, and one model with its stages and versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError
from modelyard.domain.metric_schemas import direction_of
from modelyard.domain.names import Ref
from modelyard.domain.record import SIX_FACTS, number_from_json
from modelyard.doors.paging import cut, decode_cursor
from modelyard.registry.cards import usecases as cards
from modelyard.registry.cards.rules import body_text
from modelyard.registry.comparison import history
from modelyard.registry.deployments.showing import list_deployments
from modelyard.registry.promotion import stages
from modelyard.registry.promotion.actions import find_stage_actions
from modelyard.registry.promotion.nouns import OPEN, PromotionFilter
from modelyard.registry.promotion.reading import list_promotions
from modelyard.registry.rendering import render_markdown
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.rules import flags_of
from modelyard.registry.versions.usecases import VersionFilter, VersionView
from modelyard.registry.versions.warnings import warnings_of
from modelyard.web import charts
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_ROWS = 50
_COLUMNS = 3
"""Metrics that the table of versions shows."""
_MOST_COLUMNS = 12
_STATES = ("ready", "archived", "deleted")


@table.get("/models", public=True)
async def models(visit: Visit) -> Response:
    words = visit.chosen("q")
    wanted = ModelSearch.of(
        words,
        namespace=visit.chosen("namespace") or None,
        framework=visit.chosen("framework") or None,
        alias=visit.chosen("stage") or None,
        archived=visit.chosen("archived") == "1",
    )
    before = decode_cursor(visit.chosen("cursor") or None, int, int)

    def read(tx: Transaction) -> tuple[list[search.FoundModel], int]:
        found = search.search_models(tx, visit.actor, wanted, before, _ROWS + 1)
        return found, search.count_models(tx, visit.actor, wanted)

    found, count = await visit.look(read)
    page, cursor = cut(found, _ROWS, lambda item: (item.model.updated_at, item.model.id))
    chosen = {name: value for name, value in visit.query.items() if value and name not in ("cursor", "done")}
    return await visit.render(
        "models.html",
        models=page,
        count=count,
        words=words,
        chosen=chosen,
        more=f"/models?{urlencode({**chosen, 'cursor': cursor})}" if cursor else None,
        twin="/api/v1/models",
    )


class VersionRow(msgspec.Struct, frozen=True):
    """A version as the table of a model shows it."""

    view: VersionView
    state: str | None
    """Problem to know before using it: recalled, quarantined, deprecated, …; None: no problem."""
    reason: str
    known: int
    """Number of known facts, of six."""
    values: list[float | str | None]


def state_of(view: VersionView) -> tuple[str | None, str]:
    """Return (the gravest flag of a version, the warnings about it), as every door shows them."""
    flags = flags_of(view.version, damaged=view.damaged)
    return (flags[0] if flags else None), warnings_of(view) or ""


def _metrics_of(view: VersionView) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for entry in view.version.record.value.get("metrics", []):
        label = f"{entry['split']}:{entry['name']}" if entry.get("split") else entry["name"]
        found.setdefault(label, entry["value"])
    return found


def _version_row(view: VersionView, columns: Sequence[str]) -> VersionRow:
    facts = view.version.record.value
    metrics = _metrics_of(view)
    known = sum(1 for name in SIX_FACTS if facts.get(name))
    return VersionRow(view, *state_of(view), known, [metrics.get(name) for name in columns])


def _finite(value: Any) -> float | None:
    number = number_from_json(value, "a metric")
    return number if number == number and abs(number) != float("inf") else None


@table.get("/models/{namespace}/{name}", public=True)
async def model(visit: Visit) -> Response:
    """?column=f1&column=loss chooses the metrics of the table, ?metric=f1 that of the chart."""
    before = decode_cursor(visit.chosen("cursor") or None, int)
    chosen = VersionFilter(states=("ready", "archived"))
    wished = [name for name in visit.request.query_params.getlist("column") if name][:_MOST_COLUMNS]

    def read(tx: Transaction) -> dict[str, Any]:
        found = search.show_model(tx, visit.actor, visit.model)
        name = found.model.name
        shown = versions.list_versions(tx, visit.actor, name, chosen, before[0] if before else None, _ROWS + 1)
        _, _, standing = stages.list_stages(tx, visit.actor, name)
        names = Counter(metric for view in shown for metric in _metrics_of(view))
        columns = wished or [metric for metric, _ in names.most_common(_COLUMNS)]
        metric = visit.chosen("metric") or (names.most_common(1)[0][0] if names else "")
        split, _, plain = metric.rpartition(":")
        points = history.metric_history(tx, visit.actor, name, plain, split)[1] if metric else []
        waiting = (
            []
            if visit.actor.is_anonymous
            else list_promotions(tx, visit.actor, name, PromotionFilter(states=(OPEN,)), None, _ROWS)
        )
        return {
            "found": found,
            "shown": shown,
            "stages": standing,
            "moves": {} if visit.actor.is_anonymous else _last_moves(tx, visit, standing),
            "acts": find_stage_actions(tx, visit.actor, found.model),
            "columns": columns,
            "metrics": sorted(names),
            "metric": metric,
            "points": points,
            "promotions": waiting,
            "deployments": []
            if visit.actor.is_anonymous
            else list_deployments(tx, visit.actor, None, _ROWS, model=name),
        }

    data = await visit.look(read)
    page, cursor = cut(data.pop("shown"), _ROWS, lambda view: (view.version.number,))
    found = data["found"]
    at = {number: stage.name for stage in data["stages"] for number in stage.all}
    direction = direction_of(data["metric"].rpartition(":")[2]) if data["metric"] else None
    points = [
        charts.Point(m.version, value, at.get(m.version, ""), refused=m.recalled)
        for m in data.pop("points")
        if m.state != "deleted" and (value := _finite(m.value)) is not None
    ]
    return await visit.render(
        "model.html",
        **data,
        rows=[_version_row(view, data["columns"]) for view in page],
        at=at,
        chart=charts.by_version(points, direction),
        direction=direction,
        card=await _card(visit, Ref(found.model.name, None)),
        chosen_columns=wished,
        more=f"?{urlencode([*(('column', name) for name in wished), ('cursor', cursor)])}" if cursor else None,
        twin=f"/api/v1/models/{found.model.name}",
    )


def _last_moves(
    tx: Transaction, visit: Visit, standing: Sequence[stages.StageView]
) -> dict[str, stages.StageMove]:
    """Return stage → the move that brought its present version, with the votes."""
    found = {}
    for stage in standing:
        moves = stages.list_history(tx, visit.actor, visit.model, stage.name, limit=1) if stage.primary else []
        if moves and moves[0].primary == stage.primary:
            found[stage.name] = moves[0]
    return found


async def _card(visit: Visit, ref: Ref) -> str | None:
    """Return the card as HTML; None: there is no card, or no version."""
    services = visit.services

    def read() -> str | None:
        try:
            text = cards.show_card(services.db, services.blobs, visit.actor, ref).text
        except ModelyardError:
            return None
        return render_markdown(body_text(text))

    return await visit.in_thread("views", read)
