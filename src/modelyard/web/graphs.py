"""The picture of a lineage: layers from left to right, as SVG made on the server.

Each node is a link. Five or more nodes of a layer that are alike (the same kind and model, the same neighbours) are one
folded node. A table next to the picture has the same nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from markupsafe import Markup, escape

from modelyard.registry.lineage.usecases import Graph, Node

FOLD = 5
"""As many nodes that are alike become one."""
_WIDE, _HIGH, _GAP_X, _GAP_Y, _EDGE = 180, 48, 62, 14, 12
_MOST_WORDS = 22
_KINDS = {
    "version": "versions",
    "run": "runs",
    "dataset": "datasets",
    "outside": "sources elsewhere",
    "deployment": "deployments",
}


class Box(msgspec.Struct):
    """A node or several folded ones, at its place."""

    keys: list[str]
    words: str
    second: str
    href: str | None
    kind: str
    layer: int
    row: float = 0.0


def merge(up: Graph, down: Graph) -> tuple[dict[str, int], dict[str, Node], list[tuple[str, str]]]:
    """Return (key → layer, negative for origins; key → node; edges without repetition)."""
    layers: dict[str, int] = {node.key: node.depth for node in down.nodes}
    nodes = {node.key: node for node in down.nodes}
    # Hidden nodes are numbered separately in the two graphs.
    names = {node.key: f"up {node.key}" if node.hidden else node.key for node in up.nodes}
    for node in up.nodes:
        key = names[node.key]
        nodes.setdefault(key, node)
        layers.setdefault(key, -node.depth)
    pairs = [(edge.source, edge.target) for edge in down.edges]
    pairs += [(names.get(edge.source, edge.source), names.get(edge.target, edge.target)) for edge in up.edges]
    return layers, nodes, [pair for pair in dict.fromkeys(pairs) if pair[0] in layers and pair[1] in layers]


def draw(
    up: Graph,
    down: Graph,
    page_of: Callable[[Node], str | None],
    unfold: str | None = None,
    *,
    tint: bool = False,
) -> Markup | None:
    """Draw both directions from the start. unfold: address of the page that folds nothing; None: fold nothing.

    tint: mark the start and all that descends from it. None for a node without edges.
    """
    layers, nodes, pairs = merge(up, down)
    if not pairs:
        return None
    starts = {*down.starts, *up.starts}
    boxes = _boxes(layers, nodes, pairs, page_of, unfold)
    by_layer: dict[int, list[Box]] = {}
    for box in boxes:
        by_layer.setdefault(box.layer, []).append(box)
    of = {key: box for box in boxes for key in box.keys}
    tall = max(len(column) for column in by_layer.values())
    _place(by_layer, of, pairs, tall)
    first = min(by_layer)
    width = (max(by_layer) - first + 1) * (_WIDE + _GAP_X) - _GAP_X + 2 * _EDGE
    height = tall * (_HIGH + _GAP_Y) - _GAP_Y + 2 * _EDGE
    parts = [
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M1 1L7 4L1 7"></path></marker></defs>'
    ]
    drawn: set[tuple[int, int]] = set()
    for source, target in pairs:
        one, two = of[source], of[target]
        if one is two or (id(one), id(two)) in drawn:
            continue
        drawn.add((id(one), id(two)))
        hot = tint and one.layer >= 0 and two.layer >= 0
        parts.append(_arrow(one, two, first, hot=hot))
    parts += [
        _box(box, first, is_start=bool(starts & {*box.keys}), hot=tint and box.layer >= 0) for box in boxes
    ]
    # Built only from numbers and escaped words.
    return Markup(  # noqa: S704
        f'<svg class="graph" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="Lineage, origins to the left">{"".join(parts)}</svg>'
    )


def _boxes(
    layers: Mapping[str, int],
    nodes: Mapping[str, Node],
    pairs: Sequence[tuple[str, str]],
    page_of: Callable[[Node], str | None],
    unfold: str | None,
) -> list[Box]:
    beside: dict[str, set[str]] = {}
    for source, target in pairs:
        beside.setdefault(source, set()).add(target)
        beside.setdefault(target, set()).add(source)
    alike: dict[tuple[object, ...], list[str]] = {}
    for key, layer in layers.items():
        node = nodes[key]
        model = node.name.rpartition(":")[0] if node.kind == "version" and not node.hidden else ""
        near = frozenset(other for other in beside.get(key, ()) if abs(layers[other]) < abs(layer))
        alike.setdefault((layer, node.kind, model, node.hidden, near if layer else key), []).append(key)
    found = []
    for keys in alike.values():
        if len(keys) >= FOLD and unfold is not None:
            node = nodes[keys[0]]
            kind = "hidden" if node.hidden else _KINDS.get(node.kind, node.kind)
            second = node.name.rpartition(":")[0] if node.kind == "version" and not node.hidden else "folded"
            found.append(Box(keys, f"{len(keys)} {kind}", second, unfold, node.kind, layers[keys[0]]))
            continue
        for key in keys:
            node = nodes[key]
            found.append(Box([key], _name(node), _second(node), page_of(node), node.kind, layers[key]))
    return found


def _name(node: Node) -> str:
    if node.hidden:
        return f"a {node.kind} you may not see"
    if node.kind == "dataset":
        return node.name.partition("@")[0]
    return node.title or node.name.removeprefix("run:")


def _second(node: Node) -> str:
    if node.hidden:
        return ""
    if node.recalled is not None:
        return "version, recalled"
    if node.aliases:
        return "version, " + ", ".join(node.aliases)
    if node.kind == "dataset":
        return f"dataset {(node.digest or '').removeprefix('sha256:')[:8]}"
    return f"{node.kind}, {node.state}" if node.kind == "run" and node.state else node.kind


def _place(
    by_layer: Mapping[int, list[Box]],
    of: Mapping[str, Box],
    pairs: Sequence[tuple[str, str]],
    tall: int,
) -> None:
    """Give each box a row: near the middle of its neighbours, outwards from the start."""
    near: dict[int, list[Box]] = {}
    for source, target in pairs:
        near.setdefault(id(of[source]), []).append(of[target])
        near.setdefault(id(of[target]), []).append(of[source])
    for layer in sorted(by_layer, key=abs):
        column = by_layer[layer]
        if layer:
            inner = {
                id(box): [b.row for b in near.get(id(box), ()) if abs(b.layer) < abs(layer)] for box in column
            }
            column.sort(key=lambda box: (sum(inner[id(box)]) / max(1, len(inner[id(box)])), box.words))
        top = (tall - len(column)) / 2
        for position, box in enumerate(column):
            box.row = top + position


def _at(box: Box, first: int) -> tuple[float, float]:
    return (
        _EDGE + (box.layer - first) * (_WIDE + _GAP_X),
        round(_EDGE + box.row * (_HIGH + _GAP_Y), 1),
    )


def _arrow(one: Box, two: Box, first: int, *, hot: bool) -> str:
    (x1, y1), (x2, y2) = _at(one, first), _at(two, first)
    half = _HIGH / 2
    x1 += _WIDE
    if x2 <= x1:
        # Within a layer, or backwards: around the right side.
        bend = x1 + _GAP_X / 2
        return (
            f'<path class="edge{" hot" if hot else ""}" d="M{x1} {y1 + half}C{bend} {y1 + half} {bend} {y2 + half} '
            f'{x2 + _WIDE} {y2 + half}" marker-end="url(#arrow)"></path>'
        )
    bend = _GAP_X / 2
    return (
        f'<path class="edge{" hot" if hot else ""}" d="M{x1} {y1 + half}C{x1 + bend} {y1 + half} {x2 - bend} '
        f'{y2 + half} {x2 - 1} {y2 + half}" marker-end="url(#arrow)"></path>'
    )


def _box(box: Box, first: int, *, is_start: bool, hot: bool) -> str:
    x, y = _at(box, first)
    words = box.words if len(box.words) <= _MOST_WORDS else f"{box.words[: _MOST_WORDS - 1]}…"
    second = box.second if len(box.second) <= 26 else f"{box.second[:25]}…"
    kind = "node" + (" start" if is_start else "") + (" hot" if hot else "")
    many = len(box.keys) > 1
    shadow = (
        f'<rect class="{kind} behind" x="{x + 4}" y="{y + 4}" width="{_WIDE}" height="{_HIGH}" rx="7"></rect>'
    )
    body = (
        f'{shadow if many else ""}<rect class="{kind}" x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="7"></rect>'
        f'<text class="name" x="{x + 12}" y="{y + 20}">{escape(words)}</text>'
        f'<text x="{x + 12}" y="{y + 37}">{escape(second)}</text><title>{escape(box.words)} ({escape(box.second)})</title>'
    )
    return f'<a href="{escape(box.href)}">{body}</a>' if box.href else f"<g>{body}</g>"
