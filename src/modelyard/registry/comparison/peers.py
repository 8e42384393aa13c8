"""The other versions of a model, or the other runs of an experiment, as a background for compared ones."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import ModelyardError
from modelyard.domain.metric_names import MetricName
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.comparison.history import rank_versions
from modelyard.registry.comparison.rules import Side, add_metrics, finish_metrics
from modelyard.registry.comparison.usecases import RUN
from modelyard.registry.runs import usecases as runs
from modelyard.registry.runs.rules import RunSearch
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.queries import list_by_number

MOST_PEERS = 50


class Peers(msgspec.Struct, frozen=True):
    """The others. best_by: the metric whose best versions they are; "": they are the newest.

    total: number of versions of the model; None: not counted.
    """

    sides: Sequence[Side] = ()
    best_by: str = ""
    total: int | None = None


def list_peers(tx: Transaction, actor: Actor, sides: Sequence[Side], best_by: str = "") -> Peers:
    """List at most MOST_PEERS others of the same model, or of the same experiment; none if the sides have several.

    best_by: choose the best versions by this metric; if they cannot be ranked by it, or without it, the newest.
    They have their parameters and metrics only.
    """
    known = {side.ref for side in sides}
    try:
        found = (
            _versions(tx, actor, sides, best_by)
            if sides[0].kind == "version"
            else Peers(_runs(tx, actor, sides))
        )
    except ModelyardError:
        # People who may vote on a promotion see its version, but not the others of the model.
        return Peers()
    return replace(found, sides=[side for side in found.sides if side.ref not in known])


def _versions(tx: Transaction, actor: Actor, sides: Sequence[Side], best_by: str) -> Peers:
    models = {Ref.parse(side.ref).model if side.kind == "version" else None for side in sides}
    (name, *others) = models
    if others or name is None:
        return Peers()
    found = []
    model = catalog.find_model(tx, actor, name)
    best = _best(tx, actor, name, best_by) if best_by else []
    chosen = (
        list_by_number(tx, model.id, best)
        if best
        else [
            view.version
            for view in versions.list_versions(tx, actor, name, versions.VersionFilter(), None, MOST_PEERS)
        ]
    )
    for version in chosen:
        facts = version.record.value
        side = _side(
            f"{name}:{version.number}", "version", version.created_at, version.created_by, version.state
        )
        side.params = facts.get("params", {})
        add_metrics(side, facts.get("metrics", ()))
        finish_metrics(side)
        found.append(side)
    return Peers(found, best_by if best else "", model.version_count)


def _best(tx: Transaction, actor: Actor, name: ModelName, metric: str) -> list[int]:
    """Return the numbers of the best versions; empty if they cannot be ranked."""
    try:
        return [row.version for row in rank_versions(tx, actor, name, metric, limit=MOST_PEERS).items]
    except ModelyardError:
        return []


def _runs(tx: Transaction, actor: Actor, sides: Sequence[Side]) -> list[Side]:
    if any(side.kind != "run" for side in sides):
        return []
    places = {
        (run.namespace, run.experiment)
        for run in (runs.find_run(tx, actor, side.ref.removeprefix(RUN)) for side in sides)
    }
    ((namespace, experiment), *others) = places
    if others:
        return []
    found = []
    wanted = RunSearch(namespace=namespace, experiment=experiment)
    for listed in runs.list_runs(tx, actor, wanted, None, MOST_PEERS):
        run = listed.run
        side = _side(f"{RUN}{run.uid}", "run", run.created_at, run.created_by, run.status)
        side.params = listed.params
        for text, value in listed.metrics.items():
            name = MetricName.parse(text)
            add_metrics(
                side, [{"name": name.name, "split": name.split, "dataset": name.dataset, "value": value}]
            )
        finish_metrics(side)
        found.append(side)
    return found


def _side(ref: str, kind: str, created_at: int, created_by: str, state: str) -> Side:
    return Side(ref=ref, kind=kind, created_at=created_at, created_by=created_by, state=state)
