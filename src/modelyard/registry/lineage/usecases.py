"""Read the graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import (
    InvalidAlias,
    InvalidDigest,
    InvalidName,
    InvalidReference,
    InvalidRequest,
    NotFound,
    RunNotFound,
)
from modelyard.domain.names import Ref
from modelyard.registry import edges
from modelyard.registry.access import rules as access
from modelyard.registry.datasets import queries as dataset_queries
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.datasets.nouns import DatasetVersion
from modelyard.registry.lineage import queries
from modelyard.registry.lineage.nouns import FoundEdge, GraphEdge
from modelyard.registry.runs import usecases as runs
from modelyard.registry.runs.rules import is_beginning
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.nouns import Recall

UP, DOWN, BOTH = "up", "down", "both"
MAX_EDGES = 50_000
MAX_DEPTH = 1_000
HIDDEN = "hidden"


class Node(msgspec.Struct):
    """A node. hidden: the actor may not see it, so only its kind is given. outside: it is not in this registry."""

    key: str
    kind: str
    depth: int
    name: str = ""
    """A reference that commands understand; for a run or an outside node, its own text."""
    title: str = ""
    """Its display name, if that differs from its name."""
    hidden: bool = False
    digest: str | None = None
    state: str | None = None
    aliases: Sequence[str] = ()
    owners: Sequence[str] = ()
    deprecated: bool = False
    recalled: Recall | None = None
    created_at: int | None = None
    created_by: str | None = None


class Graph(msgspec.Struct, frozen=True):
    """A part of the graph. starts: keys of the requested nodes.

    Nodes are nearest first; truncated: there are more edges.
    """

    starts: list[str]
    nodes: list[Node]
    edges: list[GraphEdge]
    truncated: bool

    @property
    def by_key(self) -> dict[str, Node]:
        return {node.key: node for node in self.nodes}


def trace(
    tx: Transaction,
    actor: Actor,
    ref: str,
    *,
    kind: str | None = None,
    direction: str = BOTH,
    depth: int | None = None,
) -> Graph:
    """Trace the origins or the descendants of a reference.

    ref: of a version, `[namespace/]dataset@sha256:…` (the same content counts under any name), or `run:<id>`.
    kind: version or dataset, where a reference could be both; None: a version if there is one.
    Raises what resolving the reference raises, and InvalidRequest.
    """
    _check_question(kind, direction, depth)
    starts = find_starts(tx, actor, ref, kind)
    return trace_from(tx, actor, starts, direction=direction, depth=depth)


def _check_question(kind: str | None, direction: str, depth: int | None) -> None:
    choices = {
        "direction": (direction, (UP, DOWN, BOTH)),
        "kind": (kind, (None, edges.VERSION, edges.DATASET)),
    }
    for name, (value, known) in choices.items():
        if value not in known:
            words = ", ".join(choice for choice in known if choice)
            raise InvalidRequest(reason=f"{name} is {str(value)[:40]!r}", fix=f"Use {words}")
    if depth is not None and not 1 <= depth <= MAX_DEPTH:
        raise InvalidRequest(reason=f"depth is {depth}", fix=f"Use 1 to {MAX_DEPTH}, or leave it out")


def trace_from(
    tx: Transaction, actor: Actor, starts: Sequence[str], *, direction: str = BOTH, depth: int | None = None
) -> Graph:
    found: list[FoundEdge] = []
    truncated = False
    for down in (True, False):
        if direction in (BOTH, DOWN if down else UP):
            walked = queries.list_edges(tx, starts, down=down, depth=depth, limit=MAX_EDGES + 1)
            truncated |= len(walked) > MAX_EDGES
            found += walked[:MAX_EDGES]
    found = list(dict.fromkeys(found))
    depths = _depths(starts, found)
    nodes = {key: Node(key, key.partition(":")[0], far) for key, far in depths.items()}
    describe_nodes(tx, actor, nodes)
    ordered = sorted(nodes.values(), key=lambda node: (node.depth, node.kind, node.name, node.key))
    return _hide(Graph(list(starts), ordered, [queries.to_graph_edge(edge) for edge in found], truncated))


def find_starts(tx: Transaction, actor: Actor, ref: str, kind: str | None) -> list[str]:
    if ref.startswith(f"{edges.RUN}:"):
        uid = ref.partition(":")[2]
        return [find_run(tx, actor, edges.node(edges.RUN, _whole_uid(tx, actor, uid)))]
    if kind != edges.DATASET:
        try:
            _, version = versions.find_version(tx, actor, Ref.parse(ref, actor.default_namespace))
            return [edges.node(edges.VERSION, version.id)]
        except (NotFound, InvalidReference, InvalidName, InvalidAlias, InvalidDigest) as exc:
            # The name may be a dataset's; if it is not, the first error is the better one.
            if kind == edges.VERSION:
                raise
            try:
                return _dataset_starts(tx, actor, ref)
            except (NotFound, InvalidReference, InvalidDigest):
                raise exc from None
    return _dataset_starts(tx, actor, ref)


def _whole_uid(tx: Transaction, actor: Actor, uid: str) -> str:
    """Return the full id of a run; a run outside this registry has only that id."""
    return runs.find_run(tx, actor, uid).uid if is_beginning(uid) else uid


def find_run(tx: Transaction, actor: Actor, ref: str) -> str:
    """Return the node of a run that the actor may see. Raises RunNotFound."""
    nodes = {ref: Node(ref, edges.RUN, 0)}
    describe_nodes(tx, actor, nodes)
    if nodes[ref].hidden or not nodes[ref].state:
        raise RunNotFound(run=ref.partition(":")[2][:60])
    return ref


def _dataset_starts(tx: Transaction, actor: Actor, ref: str) -> list[str]:
    content = find_dataset(tx, actor, ref)
    same = dataset_queries.list_by_digest(tx, content.digest)
    ids = [content.id, *(other.id for other in same if other.id != content.id)]
    return [edges.node(edges.DATASET, content_id) for content_id in ids]


def split_dataset_ref(ref: str, default_namespace: str | None) -> tuple[str, str, str | None]:
    """Return (namespace, name, selector) of `[namespace/]name[@digest]`. Raises InvalidReference."""
    place, _, selector = ref.partition("@")
    namespace, slash, name = place.partition("/")
    if not slash:
        namespace, name = default_namespace or "", place
    if not namespace or not name or "/" in name:
        raise InvalidReference(
            value=ref[:200],
            reason="it does not name a dataset",
            fix="Write namespace/dataset@sha256:<64 hex digits, or the first eight>",
        )
    return namespace, name, selector or None


def find_dataset(tx: Transaction, actor: Actor, ref: str) -> DatasetVersion:
    return datasets.find_content(tx, actor, *split_dataset_ref(ref, actor.default_namespace))


def _depths(starts: Sequence[str], found: Iterable[FoundEdge]) -> dict[str, int]:
    """Return for each node its distance in steps from the nearest start."""
    beside: dict[str, list[str]] = {}
    for edge in found:
        beside.setdefault(edge.source, []).append(edge.target)
        beside.setdefault(edge.target, []).append(edge.source)
    depths = dict.fromkeys(starts, 0)
    waiting = deque(starts)
    while waiting:
        key = waiting.popleft()
        for other in beside.get(key, ()):
            if other not in depths:
                depths[other] = depths[key] + 1
                waiting.append(other)
    return depths


# --- visibility ----------------------------------------------------------------------------------------


def describe_nodes(tx: Transaction, actor: Actor, nodes: dict[str, Node]) -> None:
    """Fill in names of the nodes that the actor may see, and mark the rest as hidden."""
    for node in nodes.values():
        node.hidden = node.kind != edges.OUTSIDE
        if not node.hidden:
            node.name = node.key.partition(":")[2]
    _describe_versions(tx, actor, nodes)
    _describe_datasets(tx, actor, nodes)
    _describe_runs(tx, actor, nodes)


def _ids(nodes: dict[str, Node], kind: str) -> dict[int, Node]:
    return {
        int(number): node
        for key, node in nodes.items()
        if node.kind == kind and (number := key.partition(":")[2]).isdigit()
    }


def _describe_versions(tx: Transaction, actor: Actor, nodes: dict[str, Node]) -> None:
    wanted = _ids(nodes, edges.VERSION)
    if not wanted:
        return
    rows = queries.list_versions(tx, wanted)
    models = {model.id: model for model in queries.list_models(tx, actor, {row.model_id for row in rows})}
    seen = {
        model_id for model_id, model in models.items() if access.may(actor, Permission.MODEL_READ, model.place)
    }
    visible = [row for row in rows if row.model_id in seen]
    if not visible:
        return
    pointing = queries.list_aliases(tx, [row.id for row in visible])
    owners = queries.list_owners(tx, seen)
    for row in visible:
        node = wanted[row.id]
        node.hidden = False
        node.name = f"{models[row.model_id].name}:{row.number}"
        node.digest, node.state = row.digest, row.state
        node.aliases = pointing.get(row.id, ())
        node.owners = owners.get(row.model_id, ())
        node.deprecated = bool(row.deprecated)
        node.recalled = row.recall
        node.created_at, node.created_by = row.created_at, row.created_by


def _describe_datasets(tx: Transaction, actor: Actor, nodes: dict[str, Node]) -> None:
    wanted = _ids(nodes, edges.DATASET)
    if not wanted:
        return
    rows = queries.list_contents(tx, wanted)
    places = queries.list_places(tx, actor, {row.namespace_id for row in rows})
    for row in rows:
        place = places[row.namespace_id]
        if access.may(actor, Permission.NAMESPACE_READ, place):
            node = wanted[row.id]
            node.hidden = False
            node.name = f"{place.namespace}/{row.name}@{row.digest}"
            node.digest = row.digest
            node.created_at, node.created_by = row.created_at, row.created_by


def _describe_runs(tx: Transaction, actor: Actor, nodes: dict[str, Node]) -> None:
    wanted = {node.key.partition(":")[2]: node for node in nodes.values() if node.kind == edges.RUN}
    if not wanted:
        return
    rows = queries.list_runs(tx, wanted)
    places = queries.list_places(tx, actor, {row.namespace_id for row in rows})
    for row in rows:
        node = wanted.pop(row.uid)
        if access.may(actor, Permission.NAMESPACE_READ, places[row.namespace_id]):
            node.hidden = False
            node.name, node.title, node.state = node.key, row.name, row.status
            node.created_at, node.created_by = row.created_at, row.created_by
    for node in wanted.values():
        # A record names a run outside this registry, so there is nothing to hide.
        node.hidden = False
        node.name = node.key


def _hide(graph: Graph) -> Graph:
    """Replace the keys of hidden nodes, which would reveal the number of versions, and the details of their edges."""
    hidden = {node.key for node in graph.nodes if node.hidden}
    if not hidden:
        return graph
    masks = {key: f"{HIDDEN}:{index}" for index, key in enumerate(sorted(hidden), start=1)}
    for node in graph.nodes:
        node.key = masks.get(node.key, node.key)
    shown = [
        GraphEdge(
            masks.get(edge.source, edge.source),
            masks.get(edge.target, edge.target),
            edge.relation,
            {} if {edge.source, edge.target} & hidden else edge.details,
        )
        for edge in graph.edges
    ]
    return Graph([masks.get(key, key) for key in graph.starts], graph.nodes, shown, graph.truncated)
