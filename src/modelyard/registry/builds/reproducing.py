"""Build from the record of a version: to reproduce it, or to train it again with other params or data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid, InvalidRecipe, ModelyardError
from modelyard.domain.names import Ref
from modelyard.domain.reproduction import IMPOSSIBLE, words_for
from modelyard.registry.access import rules as access
from modelyard.registry.builds import queries, rules, verdicts
from modelyard.registry.builds.nouns import Build, BuildView, Findings, Pins
from modelyard.registry.builds.pools import Pools
from modelyard.registry.builds.recipe import parse_recipe
from modelyard.registry.builds.usecases import BuildRequest, recipe_of, request_of, start_build
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.runs import usecases as runs
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import DELETED

LOCK = "environment/lock.txt"
"""The file of a run with the lock that was made for it."""
VARIABLES = "variables"
"""The part of the code fact with the variables on which a result can depend."""


class Reproduction(msgspec.Struct, frozen=True):
    """view: the build that repeats the version; None: it is impossible. missing: why."""

    view: BuildView | None
    missing: Sequence[str] = ()


class Retraining(msgspec.Struct, frozen=True):
    """params: instead of the recorded ones, by name. data: datasets instead of the recorded ones, by the recipe's names.
    is_warm: give the files of the version to the training."""

    params: Mapping[str, Any] = {}
    data: Mapping[str, str] = {}
    is_warm: bool = False


class _Record(msgspec.Struct):
    """What the registry still has of the build of a version."""

    build: Build | None = None
    inputs: dict[str, str] = msgspec.field(default_factory=dict)
    lock_run: str | None = None
    missing: list[str] = msgspec.field(default_factory=list)


def may_reproduce(actor: Actor, pools: Pools, model: Model, version: Version) -> bool:
    """Return whether the actor may reproduce a version, and a build registered it."""
    rights = (Permission.BUILD_START, Permission.CHECK_REPORT)
    return (
        version.build is not None
        and version.state != DELETED
        and all(access.may(actor, right, model.place) for right in rights)
        and pools.may_run(actor, pools.default)
    )


def reproduce_version(
    tx: Transaction,
    actor: Actor,
    settings: catalog.CatalogSettings,
    pools: Pools,
    ref: Ref,
    tolerance: float | None = None,
) -> Reproduction:
    """Queue a build of the version's record, whose result is compared with the version. It registers nothing.

    tolerance: of metrics, relative; None: the usual one. If something is missing, that is the verdict at once.
    Raises Denied, VersionNotFound, VersionDeleted, PoolRefused, TooManyBuilds, TokenScopeTooNarrow.
    """
    model, version = versions.find_present(tx, actor, ref, Permission.BUILD_START)
    access.check(actor, Permission.CHECK_REPORT, model.place)
    if tolerance is not None and not 0 <= tolerance <= 1:
        raise Invalid(reason=f"{tolerance} is not a relative tolerance", fix="Give a number from 0 to 1")
    record = _find_record(tx, actor, model, version)
    build = record.build
    if build is None or record.missing:
        words = words_for(IMPOSSIBLE, record.missing)
        verdicts.note(tx, actor, model, version, Findings(IMPOSSIBLE, missing=record.missing), words, None)
        return Reproduction(None, record.missing)
    pins = Pins(record.inputs, record.lock_run, _variables(version), tolerance=tolerance)
    view = start_build(
        tx,
        actor,
        settings,
        pools,
        _request(build, pools),
        recipe_of(build),
        reproduces=version.number,
        pins=pins,
    )
    return Reproduction(view)


def retrain_version(
    tx: Transaction,
    actor: Actor,
    settings: catalog.CatalogSettings,
    pools: Pools,
    ref: Ref,
    changes: Retraining,
) -> BuildView:
    """Queue a build of the version's record with other params or data. Its version names this one as its parent.

    Raises Invalid if the record is incomplete or a name is unknown; InvalidRecipe for an unknown param; DatasetNotFound; and like
    submit_build.
    """
    model, version = versions.find_present(tx, actor, ref, Permission.BUILD_START)
    record = _find_record(tx, actor, model, version)
    build = record.build
    missing = [each for each in record.missing if not any(_names(each, name) for name in changes.data)]
    if build is None or missing:
        raise Invalid(
            reason=f"{model.name}:{version.number} cannot be trained again: {'; '.join(missing)}",
            fix="Build it from its source: modelyard build FOLDER",
        )
    request = _request(build, pools)
    request = msgspec.structs.replace(request, params={**request.params, **changes.params})
    recipe = parse_recipe(request.recipe, params=request.params, model=request.model)
    rules.check_request(request.recipe, recipe.params, request.source)
    for name in changes.data:
        if name not in recipe.file.data:
            known = ", ".join(sorted(recipe.file.data)) or "none"
            raise Invalid(
                reason=f"the recipe has no data {name[:80]!r} (it has: {known})", fix="Name one of these"
            )
    pins = Pins(
        {**record.inputs, **changes.data}, record.lock_run, _variables(version), is_warm=changes.is_warm
    )
    return start_build(tx, actor, settings, pools, request, recipe, parent=version.number, pins=pins)


def _request(build: Build, pools: Pools) -> BuildRequest:
    """Return the request that asks for the same build again, elsewhere if its pool is gone."""
    request = request_of(build)
    return request if build.pool in pools.names else msgspec.structs.replace(request, pool=None)


def _names(missing: str, data: str) -> bool:
    return missing.startswith(f"data {data}:")


def _variables(version: Version) -> dict[str, str]:
    code = version.record.value.get("code") or {}
    found = code.get(VARIABLES)
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _find_record(tx: Transaction, actor: Actor, model: Model, version: Version) -> _Record:
    """Return what is left of the version's build, and name what is missing."""
    if version.build is None:
        return _Record(missing=["no build registered it, so that the registry does not know how it was made"])
    build = queries.find_build(tx, actor, version.build)
    if build is None:
        return _Record(missing=[f"build {version.build[:12]} of it is not here"])
    short = build.uid[:12]
    if not build.has_ended:
        return _Record(missing=[f"build {short} of it has not ended"])
    if (build.model_id, build.version_number) != (model.id, version.number):
        return _Record(missing=[f"a program registered it during build {short}, whose result it is not"])
    try:
        recipe = recipe_of(build)
    except InvalidRecipe as problem:
        return _Record(missing=[f"its recipe is not valid any more: {problem.message}"])
    found = _Record(build)
    if build.bundle is not None:
        digest = Digest(build.bundle)
        if uploads.list_withheld_among(tx, [digest]):
            found.missing.append(f"its source {build.bundle[:19]} is withheld")
        elif uploads.find_state(tx, digest) is None:
            found.missing.append(f"its source {build.bundle[:19]} is gone")
    environment = recipe.file.environment
    if made_of := environment.requirements or environment.project:
        run = (version.record.value.get("run") or {}).get("id")
        found.lock_run = str(run or rules.run_of(build.uid, build.attempt))
        try:
            runs.find_artifact(tx, actor, found.lock_run, LOCK)
        except ModelyardError as error:
            found.missing.append(f"the lock that was made of {made_of}: {error.message}")
    attempt = queries.find_attempt(tx, build.id, build.attempt)
    for each in attempt.inputs if attempt is not None else ():
        found.inputs[each.name] = each.dataset
        try:
            namespace, name, content = rules.parse_dataset(each.dataset, model.name.namespace)
            datasets.find_content(tx, actor, namespace, name, content)
        except ModelyardError as error:
            found.missing.append(f"data {each.name}: {error.message}")
    return found
