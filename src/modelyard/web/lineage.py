"""Lineage: the origins and descendants of a node, as a picture and as a table; recall with its reach."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup
from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError
from modelyard.domain.names import ModelName
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.lineage.recalls import lift_recall, preview_recall, recall_version
from modelyard.registry.lineage.usecases import DOWN, UP, Graph, Node, trace
from modelyard.registry.promotion.nouns import OPEN, PromotionFilter
from modelyard.registry.promotion.reading import list_promotions
from modelyard.registry.versions.actions import find_actions
from modelyard.web import graphs
from modelyard.web.frame import PageTable, Visit
from modelyard.web.version_frame import PATH, show_part

table = PageTable()
_MOST_NODES = 300
_DEPTHS = (1, 2, 3, 5)
_MOST_DRAWN = 200
_EMPTY = Graph([], [], [], truncated=False)


@table.get("/lineage")
async def lineage(visit: Visit) -> Response:
    node, direction = visit.chosen("node"), visit.chosen("direction") or "both"
    depth = next((n for n in _DEPTHS if str(n) == visit.chosen("depth")), 2)
    if not node:
        await visit.look(lambda tx: None)
        return await visit.render("lineage.html", node="", up=[], down=[], truncated=False, picture=None)

    def read(tx: Transaction) -> tuple[Graph, Graph, Node | None, bool]:
        up = trace(tx, visit.actor, node, direction=UP, depth=depth) if direction != DOWN else _EMPTY
        down = trace(tx, visit.actor, node, direction=DOWN, depth=depth) if direction != UP else _EMPTY
        start = next((n for graph in (down, up) for n in graph.nodes if n.key in graph.starts), None)
        return up, down, start, start is not None and _may_recall(tx, visit, start)

    up, down, start, may_recall = await visit.look(read)
    query = {"node": node, "direction": direction, "depth": depth}
    return await visit.render(
        "lineage.html",
        node=node,
        start=start,
        start_page=None if start is None else page_of(start),
        may_recall=may_recall,
        up=_others(up),
        down=_others(down),
        reached=[n for n in down.nodes if n.key not in down.starts],
        direction=direction,
        depth=depth,
        depths=_DEPTHS,
        truncated=up.truncated or down.truncated,
        picture=_picture(
            up,
            down,
            None if visit.chosen("all") else f"/lineage?{urlencode({**query, 'all': 1})}",
            tint=len(down.nodes) > 1,
        ),
        twin=f"/api/v1/lineage?{urlencode({'ref': node, 'direction': direction, 'depth': depth})}",
    )


def _may_recall(tx: Transaction, visit: Visit, node: Node) -> bool:
    if node.kind != "version" or page_of(node) is None:
        return False
    name = ModelName.parse(node.name.rpartition(":")[0])
    return find_actions(visit.actor, catalog.find_model(tx, visit.actor, name)).recall


def _picture(up: Graph, down: Graph, unfold: str | None, *, tint: bool = True) -> Markup | None:
    """None: there is nothing to draw, or so much that only the table can be read."""
    if len(up.nodes) + len(down.nodes) > (5000 if unfold else _MOST_DRAWN):
        return None
    return graphs.draw(up, down, _next_page, unfold, tint=tint)


def _next_page(node: Node) -> str | None:
    """Return the lineage of another node: nodes of the picture are followed."""
    return None if node.hidden or not node.name else f"/lineage?node={quote(node.name, safe='')}"


def _others(graph: Graph) -> list[tuple[Node, str | None]]:
    """Return the nodes nearest first, without the requested one, each with its page."""
    return [(node, page_of(node)) for node in graph.nodes if node.key not in graph.starts][:_MOST_NODES]


def page_of(node: Node) -> str | None:
    if node.hidden or not node.name:
        return None
    if node.kind == "version":
        model, _, number = node.name.rpartition(":")
        return f"/models/{model}/versions/{number}"
    if node.kind == "run":
        return f"/runs/{node.name.removeprefix('run:')}"
    if node.kind == "dataset":
        name, _, digest = node.name.partition("@")
        return f"/datasets/{name}?version={digest}" if name.count("/") == 1 else None
    return None


# --- recall -----------------------------------------------------------------------------------------------


@table.get(f"{PATH}/recall")
async def ask_recall(visit: Visit) -> Response:
    """Show what a recall reaches, before it is done."""
    return await _ask(visit)


async def _ask(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        reach = preview_recall(tx, visit.actor, visit.ref)
        number = int(visit.path["version"])
        wanted = PromotionFilter(number=number, states=(OPEN,))
        return {
            "reach": reach,
            "promotions": list_promotions(tx, visit.actor, visit.model, wanted, None, 20),
            "picture": _picture(
                _EMPTY, reach.graph, f"/lineage?node={quote(str(visit.ref), safe='')}&direction=down"
            ),
            "page_of": page_of,
        }

    return await show_part(
        visit,
        "recall.html",
        read,
        problem,
        typed=visit.given("reason"),
        mode=visit.given("mode") or "refuse",
    )


@table.post(f"{PATH}/recall", operation="recall_version", command="recall")
async def recall(visit: Visit) -> Response:
    mode, reason = visit.given("mode"), visit.given("reason")
    try:
        await visit.write(lambda tx: recall_version(tx, visit.actor, visit.ref, mode=mode, reason=reason))
    except ModelyardError as error:
        return await _ask(visit, error)
    return visit.go(visit.request.url.path.removesuffix("/recall"), "The version was recalled.")


@table.post(f"{PATH}/recall/lift", operation="lift_recall", command="recall")
async def lift(visit: Visit) -> Response:
    reason = visit.given("reason") or None
    await visit.write(lambda tx: lift_recall(tx, visit.actor, visit.ref, reason))
    return visit.go(visit.request.url.path.removesuffix("/recall/lift"), "The recall was lifted.")
