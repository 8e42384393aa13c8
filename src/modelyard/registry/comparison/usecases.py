"""Compare versions and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.domain.drift import Drift, compare
from modelyard.domain.errors import BlobNotFound, InvalidFact, ModelyardError
from modelyard.domain.metric_names import MetricName
from modelyard.domain.metric_schemas import direction_of
from modelyard.domain.names import Alias, Ref
from modelyard.domain.record import number_to_json
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.comparison import queries, rules
from modelyard.registry.comparison.rules import MetricKey, MetricRow, Side
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.evaluations import queries as evaluations
from modelyard.registry.promotion.permits import find_readable
from modelyard.registry.runs import usecases as runs
from modelyard.registry.versions import queries as version_queries
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import DELETED, flags_of

RUN = "run:"
CHAMPIONS = ("champion", "production")
"""Aliases whose version counts as the present champion, the first that is set."""
MOST_CURVES = 20
POINTS = 200


class DataDifference(msgspec.Struct, frozen=True):
    """The difference of one dataset from the first side to another. drift None: a side lacks the profile."""

    name: str
    before: str | None
    after: str | None
    drift: Drift | None


class Curve(msgspec.Struct, frozen=True):
    metric: str
    side: int
    steps: list[int]
    values: list[float]


class Comparison(msgspec.Struct, frozen=True):
    """A comparison. Each list of differences has one entry for each side after the first, compared with the first."""

    sides: list[Side]
    champion: str | None
    lead: rules.Lead
    params: list[tuple[str, list[Any], bool]]
    metrics: list[MetricRow]
    code: list[rules.CodeDifference]
    environment: list[rules.EnvironmentDifference]
    files: list[rules.FilesDifference]
    data: list[list[DataDifference]]
    curves: list[Curve]


class _Gathered(msgspec.Struct, frozen=True):
    sides: list[Side]
    champion: str | None
    champion_metrics: Mapping[MetricKey, float]
    curves: list[Curve]
    profiles: Mapping[str, str]


def compare_all(
    db: Database,
    blobs: BlobStore,
    actor: Actor,
    refs: Sequence[str],
    directions: Mapping[str, str] | None = None,
    *,
    with_curves: bool = True,
) -> Comparison:
    """Compare 2 to 8 versions or runs (`run:<id>`), in the order given, each with the first.

    directions: metric → higher or lower, for metrics whose better direction is not known.
    Raises Invalid for fewer or more of them; also the errors of resolving one.
    """
    rules.check_count(refs)
    access.refuse_strangers(actor)
    found = db.read(lambda tx: _gather(tx, actor, refs, with_curves))
    first, rest = found.sides[0], found.sides[1:]
    chosen = directions or {}
    metrics = rules.compare_metrics(
        found.sides, found.champion_metrics, lambda name: chosen.get(name) or direction_of(name)
    )
    return Comparison(
        found.sides,
        found.champion,
        rules.find_lead(found.sides, metrics),
        rules.compare_params(found.sides),
        metrics,
        [rules.compare_code(first, side) for side in rest],
        [rules.compare_environment(first, side) for side in rest],
        [rules.compare_files(first, side) for side in rest],
        [_compare_data(blobs, found.profiles, first, side) for side in rest],
        found.curves,
    )


def _gather(tx: Transaction, actor: Actor, refs: Sequence[str], with_curves: bool) -> _Gathered:
    sides = [
        _run_side(tx, actor, ref) if ref.startswith(RUN) else _version_side(tx, actor, ref) for ref in refs
    ]
    champion, metrics = _champion_of(tx, actor, sides)
    digests = {str(entry.get("digest")) for side in sides for entry in side.data}
    profiles = queries.find_profiles(tx, actor, digests)
    curves = _read_curves(tx, actor, sides) if with_curves else []
    return _Gathered(sides, champion, metrics, curves, profiles)


def _version_side(tx: Transaction, actor: Actor, ref: str) -> Side:
    model, version = find_readable(tx, actor, Ref.parse(ref, actor.default_namespace))
    side = metric_side(tx, model, version)
    side.files = queries.list_files(tx, version.manifest_id)
    side.tensors = queries.list_tensors(tx, version.manifest_id)
    return side


def metric_side(tx: Transaction, model: Model, version: Version) -> Side:
    """Return a version as a side for the comparison of its facts, without its files."""
    facts = version.record.value
    run = facts.get("run", {}).get("id")
    side = Side(
        ref=f"{model.name}:{version.number}",
        kind="version",
        created_at=version.created_at,
        created_by=version.created_by,
        state=version.state,
        flags=flags_of(version),
        params=facts.get("params", {}),
        code=facts.get("code", {}),
        environment=facts.get("environment", {}),
        data=[entry for entry in facts.get("data", ()) if entry.get("digest")],
        format=version.format_facts.value,
        size_bytes=version.size_bytes,
        run=run if isinstance(run, str) else None,
    )
    rules.add_metrics(side, facts.get("metrics", ()))
    _add_evaluations(tx, side, version.id)
    rules.finish_metrics(side)
    return side


def _add_evaluations(tx: Transaction, side: Side, version_id: int) -> None:
    for found in reversed(evaluations.list_evaluations(tx, version_id, tx.now)):
        where = {"split": found.split, "dataset": found.dataset}
        rules.add_metrics(side, [{**where, **metric} for metric in found.metrics], again=True)


def _run_side(tx: Transaction, actor: Actor, ref: str) -> Side:
    view = runs.show_run(tx, actor, ref.removeprefix(RUN))
    facts = view.run.facts.value
    side = Side(
        ref=f"{RUN}{view.run.uid}",
        kind="run",
        created_at=view.run.created_at,
        created_by=view.run.created_by,
        state=view.run.status,
        params=view.params,
        code=facts.get("code", {}),
        environment=facts.get("environment", {}),
        data=[entry for entry in view.inputs if entry.get("digest")],
        run=view.run.uid,
    )
    for m in view.metrics:
        name = MetricName.parse(m.name)
        entry = {"name": name.name, "split": name.split, "dataset": name.dataset}
        rules.add_metrics(side, [{**entry, "value": number_to_json(m.value)}])
    rules.finish_metrics(side)
    return side


def _champion_of(
    tx: Transaction, actor: Actor, sides: Sequence[Side]
) -> tuple[str | None, Mapping[MetricKey, float]]:
    """Find the champion of the model of the first version among the sides."""
    first = next((side for side in sides if side.kind == "version"), None)
    if first is None:
        return None, {}
    model, _ = find_readable(tx, actor, Ref.parse(first.ref))
    champion = find_champion(tx, model)
    if champion is None:
        return None, {}
    ref = f"{model.name}:{champion.number}"
    known = next((side for side in sides if side.ref == ref), None)
    return ref, (known or metric_side(tx, model, champion)).metrics


def find_champion(tx: Transaction, model: Model) -> Version | None:
    """Return the version that a model's versions are compared with now; None: none of CHAMPIONS is set."""
    for alias in CHAMPIONS:
        found = version_queries.find_by_alias(tx, model.id, Alias(alias))
        if found is not None and found.state != DELETED:
            return found
    return None


# --- curves ------------------------------------------------------------------------------------------------


def _read_curves(tx: Transaction, actor: Actor, sides: Sequence[Side]) -> list[Curve]:
    """Read the series of the compared runs, or of the runs that made the versions; shared metrics come first."""
    names: dict[str, list[int]] = {}
    for position, side in enumerate(sides):
        for name in _series_of(tx, actor, side):
            names.setdefault(name, []).append(position)
    chosen = sorted(names, key=lambda name: (-len(names[name]), name))[:MOST_CURVES]
    found = []
    for name in chosen:
        for position in names[name]:
            uid = sides[position].run
            assert uid is not None
            points = runs.read_series(tx, actor, uid, name, most_points=POINTS).points
            found.append(Curve(name, position, list(points.steps), list(points.values)))
    return found


def _series_of(tx: Transaction, actor: Actor, side: Side) -> list[str]:
    if side.run is None:
        return []
    try:
        view = runs.show_run(tx, actor, side.run)
    except ModelyardError:
        # The record names a run outside this registry, or one that the actor may not see.
        return []
    return [metric.name for metric in view.metrics if metric.count > 1]


# --- data --------------------------------------------------------------------------------------------------


def _compare_data(
    blobs: BlobStore, profiles: Mapping[str, str], before: Side, after: Side
) -> list[DataDifference]:
    """Compare datasets of the same name, or the only one of each side."""
    one = {str(entry.get("name")): str(entry["digest"]) for entry in before.data}
    two = {str(entry.get("name")): str(entry["digest"]) for entry in after.data}
    pairs = {name: (one.get(name), two.get(name)) for name in sorted({*one, *two})}
    if len(one) == len(two) == 1 and len(pairs) == 2:
        (first, before_digest), (second, after_digest) = *one.items(), *two.items()
        pairs = {f"{first} → {second}": (before_digest, after_digest)}
    found = []
    for name, digests in pairs.items():
        drift = None
        if digests[0] and digests[1]:
            drift = _drift(blobs, profiles.get(digests[0]), profiles.get(digests[1]))
        found.append(DataDifference(name, digests[0], digests[1], drift))
    return found


def _drift(blobs: BlobStore, before: str | None, after: str | None) -> Drift | None:
    if before is None or after is None:
        return None
    try:
        return _drift_of(blobs, Digest(before), Digest(after))
    except (BlobNotFound, InvalidFact):
        return None


@lru_cache(maxsize=256)
def _drift_of(blobs: BlobStore, before: Digest, after: Digest) -> Drift:
    """Return the drift between two profiles. It is remembered, because profiles never change."""
    return compare(datasets.read_stored_profile(blobs, before), datasets.read_stored_profile(blobs, after))
