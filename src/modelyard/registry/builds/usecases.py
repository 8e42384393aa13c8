"""Submit, show, list, cancel and repeat builds."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    BlobNotFound,
    BuildNotFound,
    BuildOver,
    Invalid,
    InvalidRecipe,
    PoolRefused,
    TokenScopeTooNarrow,
    TooManyBuilds,
)
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.builds import log_queries, queries, rules, secrets
from modelyard.registry.builds.endings import BUILD, CarryOut, end_build, wake
from modelyard.registry.builds.nouns import (
    ACTIVE,
    BROKEN,
    CANCELLED,
    CANCELLING,
    FAILED,
    QUEUED,
    SUCCEEDED,
    Build,
    BuildDetails,
    BuildView,
    Input,
    Pins,
)
from modelyard.registry.builds.pools import OFF, Pools, may_use
from modelyard.registry.builds.recipe import Recipe, parse_recipe
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.runs import list_queries as run_lists
from modelyard.registry.uploads import queries as uploads


class BuildRequest(msgspec.Struct, frozen=True):
    """recipe: text of the file. bundle: digest of the source; None: there is none. model, params, pool, priority: instead of the
    recipe's. source: the code fact of the bundled folder."""

    recipe: str
    bundle: str | None = None
    model: str | None = None
    params: Mapping[str, Any] = {}
    pool: str | None = None
    source: Mapping[str, Any] = {}
    priority: str | None = None


# --- recipes ---------------------------------------------------------------------------------------------


class RecipeCheck(msgspec.Struct, frozen=True):
    """recipe None: it has a problem, which then is given with its line."""

    recipe: Recipe | None
    problem: InvalidRecipe | None = None


def check_recipe(actor: Actor, text: str) -> RecipeCheck:
    """Parse a recipe; a problem is an answer, not an error. For every signed-in account."""
    access.check(actor, Permission.NAMESPACE_READ, _place_of_scope(actor))
    try:
        return RecipeCheck(parse_recipe(text))
    except InvalidRecipe as problem:
        return RecipeCheck(None, problem)


def _place_of_scope(actor: Actor) -> access.Place:
    return msgspec.structs.replace(access.SERVER, namespace=actor.scope.namespace, model=actor.scope.model)


def recipe_of(build: Build) -> Recipe:
    """Return the recipe of a build. Raises InvalidRecipe if this release no longer accepts it."""
    return parse_recipe(build.recipe, params=build.params.value, model=str(build.model))


# --- asking for builds -----------------------------------------------------------------------------------


def submit_build(
    tx: Transaction, actor: Actor, settings: catalog.CatalogSettings, pools: Pools, request: BuildRequest
) -> BuildView:
    """Queue a build of a recipe. The model, and if necessary its namespace, is created if it is missing.

    Raises InvalidRecipe, Invalid, BlobNotFound, Denied, PoolRefused, TokenScopeTooNarrow, TooManyBuilds,
    QuotaExceeded, DatasetNotFound.
    """
    request, recipe = read_request(tx, actor, request)
    return start_build(tx, actor, settings, pools, request, recipe)


def rerun_build(
    tx: Transaction, actor: Actor, settings: catalog.CatalogSettings, pools: Pools, uid: str
) -> BuildView:
    """Queue a new build of the same recipe, bundle and params. Raises like submit_build; BuildNotFound."""
    build = find_build(tx, actor, uid)
    request = request_of(build)
    return start_build(
        tx,
        actor,
        settings,
        pools,
        request,
        parse_request(request),
        rerun_of=build.uid,
        reproduces=build.reproduces,
        parent=build.parent,
        pins=build.fixed,
    )


def request_of(build: Build) -> BuildRequest:
    """Return the request that asks for the same build again."""
    return BuildRequest(
        build.recipe, build.bundle, str(build.model), build.params.value, build.pool, build.source.value
    )


def parse_request(request: BuildRequest) -> Recipe:
    """Raises InvalidRecipe."""
    return parse_recipe(request.recipe, params=request.params, model=request.model)


def read_request(tx: Transaction, actor: Actor, request: BuildRequest) -> tuple[BuildRequest, Recipe]:
    """Parse and check what an account sends for a build. Raises InvalidRecipe, Invalid, BlobNotFound, QuotaExceeded."""
    recipe = parse_request(request)
    check_contents(request, recipe)
    if request.bundle is not None:
        bundle = Digest.parse(request.bundle)
        size = uploads.find_known_sizes(tx, actor, [bundle]).get(bundle)
        if size is None:
            raise BlobNotFound(digest=bundle)
        if size > rules.MAX_BUNDLE_BYTES:
            raise Invalid(
                reason=f"the source bundle has {size} bytes; at most {rules.MAX_BUNDLE_BYTES} are taken",
                fix="Keep data and results out of it, with a file .modelyardignore",
            )
        catalog.refuse_announced(tx, actor, recipe.model.namespace, size)
        request = msgspec.structs.replace(request, bundle=bundle)
    return request, recipe


def check_contents(request: BuildRequest, recipe: Recipe) -> None:
    """Raise Invalid for params that are not plain values, for credentials, and for texts that are too long."""
    rules.check_request(request.recipe, recipe.params, request.source)


def check_start(
    tx: Transaction,
    actor: Actor,
    settings: catalog.CatalogSettings,
    pools: Pools,
    request: BuildRequest,
    recipe: Recipe,
    pins: Pins = queries.NO_PINS,
) -> tuple[Model, str]:
    """Return the model and the pool of a build that the actor may start now."""
    pool = rules.check_pool(request.pool or recipe.file.pool or pools.default, pools.names)
    model, _ = catalog.ensure_model(tx, actor, settings, recipe.model)
    access.check(actor, Permission.BUILD_START, model.place)
    _refuse_narrow_token(actor, recipe.model)
    refuse_pool(actor, pools, pool, recipe)
    resolve_inputs(tx, actor, recipe, pins)
    secrets.refuse_unknown(tx, actor, model.name.namespace, recipe.secrets)
    return model, pool


def start_build(
    tx: Transaction,
    actor: Actor,
    settings: catalog.CatalogSettings,
    pools: Pools,
    request: BuildRequest,
    recipe: Recipe,
    *,
    rerun_of: str | None = None,
    schedule: int | None = None,
    reproduces: int | None = None,
    parent: int | None = None,
    pins: Pins = queries.NO_PINS,
) -> BuildView:
    """Queue a build whose request was checked before. schedule: number of the one that starts it. reproduces, parent,
    pins: as for `Build`.

    Nothing is written if it raises and the model exists.
    """
    model, pool = check_start(tx, actor, settings, pools, request, recipe, pins)
    count = queries.count_open(tx, model.name.namespace)
    if count >= rules.MAX_OPEN:
        raise TooManyBuilds(namespace=model.name.namespace, count=count)
    uid = uuid.uuid4().hex
    build_id = queries.insert_build(
        tx,
        actor,
        uid=uid,
        model_id=model.id,
        status=QUEUED,
        pool=pool,
        priority=_priority(actor, model, pools, pool, request.priority, recipe),
        recipe=request.recipe,
        bundle=request.bundle,
        source=request.source,
        params=recipe.params,
        rerun_of=rerun_of,
        schedule_id=schedule,
        reproduces=reproduces,
        parent=parent,
        pins=pins,
    )
    tx.append(
        events.BuildSubmitted(
            **events.about(model.name), build=uid, pool=pool, rerun_of=rerun_of, schedule=schedule
        ),
        actor,
        model.id,
    )
    jobs.enqueue(tx, BUILD, CarryOut(build_id), key=uid, namespace=model.name.namespace)
    return BuildView(_found(tx, actor, uid), None, {})


def _priority(actor: Actor, model: Model, pools: Pools, pool: str, asked: str | None, recipe: Recipe) -> int:
    """Return the priority of a build: the one asked for, otherwise the recipe's, otherwise the pool's. Raises Denied if the actor
    asks for more than normal and may not; a recipe that does counts as normal then, since others wrote it. Invalid."""
    if asked is not None:
        priority = rules.PRIORITIES[rules.check_priority(asked)]
        if priority > 0:
            access.check(actor, Permission.BUILD_PRIORITIZE, model.place)
        return priority
    if recipe.file.priority is not None:
        priority = rules.PRIORITIES[recipe.file.priority]
        return priority if access.may(actor, Permission.BUILD_PRIORITIZE, model.place) else min(0, priority)
    found = pools.find(pool)
    return 0 if found is None else rules.PRIORITIES[found.priority]


def _refuse_narrow_token(actor: Actor, model: ModelName) -> None:
    """Raise TokenScopeTooNarrow if the token of an attempt would allow more than the token that asks for it."""
    for permission in rules.ATTEMPT_PERMISSIONS:
        is_own = permission is Permission.BUILD_REPORT
        if not is_own and not actor.scope.allows(permission, model.namespace, None):
            raise TokenScopeTooNarrow(
                actor=actor.name, permission=permission.value, where=f"namespace {model.namespace}"
            )


def refuse_pool(actor: Actor, pools: Pools, pool: str, recipe: Recipe) -> None:
    """Raise PoolRefused if the account may not run code in the pool, or not with the network for which the recipe asks."""
    found = pools.find(pool)
    if found is not None and not may_use(actor, found.builds):
        why = "the operator turned them off" if found.builds == OFF else "they are for admins alone"
        raise PoolRefused(actor=actor.name, pool=pool, why=why, setting=found.setting)
    asking = [step.name for step in recipe.steps if step.network]
    if found is not None and asking and not may_use(actor, found.network):
        forbidden = "is turned off" if found.network == OFF else "is for admins alone"
        why = f"the network, for which {', '.join(asking)} asks, {forbidden}"
        raise PoolRefused(actor=actor.name, pool=pool, why=why, setting="setting local_network")


def resolve_inputs(tx: Transaction, actor: Actor, recipe: Recipe, pins: Pins) -> list[Input]:
    """Return the data that the recipe names, or that is fixed in its place, with the digests of now. Raises DatasetNotFound, NamespaceNotFound."""
    found = []
    for name, entry in recipe.file.data.items():
        namespace, dataset, digest = rules.parse_dataset(
            pins.inputs.get(name, entry.ref), recipe.model.namespace
        )
        content = datasets.find_content(tx, actor, namespace, dataset, digest)
        found.append(Input(name, content.reference, content.digest, entry.path or ""))
    return found


def cancel_build(tx: Transaction, actor: Actor, uid: str) -> BuildView:
    """End a queued build at once, or ask the agent of a running one to end it. Raises BuildNotFound, BuildOver, Denied."""
    build = find_build(tx, actor, uid, Permission.BUILD_START)
    if build.has_ended:
        raise BuildOver(build=build.uid, status=build.status)
    if build.cancel_asked_at is None:
        tx.append(events.BuildCancelled(**events.about(build.model), build=build.uid), actor, build.model_id)
        status = QUEUED if build.status == QUEUED else CANCELLING
        queries.update_build(tx, build.id, status=status, cancel_asked_at=tx.now)
        if status == QUEUED:
            end_build(tx, actor, build, CANCELLED, f"cancelled by {actor.name} before it started")
        wake(tx, build)
    return view_build(tx, _found(tx, actor, build.uid))


# --- reading ---------------------------------------------------------------------------------------------


def find_build(
    tx: Transaction, actor: Actor, uid: str, permission: Permission = Permission.MODEL_READ
) -> Build:
    """Return the build with this id, or the only readable one whose id begins with it.

    Raises BuildNotFound, Denied, Unauthenticated; Invalid if several ids begin with it.
    """
    found = queries.find_build(tx, actor, uid) if rules.is_uid(uid) else None
    if found is None and rules.is_beginning(uid):
        several = queries.list_builds(tx, actor, queries.BuildSearch(uid=uid), None, 2)
        if len(several) > 1:
            raise Invalid(reason=f"several build ids begin with {uid}", fix="Give more digits of the id")
        found = queries.find_build(tx, actor, several[0].uid) if several else None
    if found is None:
        if actor.is_anonymous:
            access.check(actor, permission, access.SERVER)
        raise BuildNotFound(build=uid[:60])
    access.check(actor, permission, found.place, lambda: BuildNotFound(build=uid))
    return found


def _found(tx: Transaction, actor: Actor, uid: str) -> Build:
    found = queries.find_build(tx, actor, uid)
    assert found is not None
    return found


def view_build(tx: Transaction, build: Build) -> BuildView:
    return _views(tx, [build])[0]


def _views(tx: Transaction, builds: Sequence[Build]) -> list[BuildView]:
    uids = {build.uid: rules.run_of(build.uid, build.attempt) for build in builds}
    ids = queries.find_runs(tx, uids.values()) if uids else {}
    _, metrics, _ = run_lists.list_shown(tx, list(ids.values()))
    return [
        BuildView(build, run if run in ids else None, metrics.get(ids.get(run, 0), {}))
        for build in builds
        for run in [uids[build.uid]]
    ]


def list_builds(
    tx: Transaction,
    actor: Actor,
    before: int | None,
    limit: int,
    *,
    namespace: str | None = None,
    model: ModelName | None = None,
    status: str | None = None,
) -> list[BuildView]:
    """List builds, newest first. Raises ModelNotFound, NamespaceNotFound; Invalid for an unknown state."""
    model_id = None if model is None else catalog.find_model(tx, actor, model).id
    if namespace is not None:
        namespace = catalog.find_namespace(tx, actor, namespace).name
    search = queries.BuildSearch(
        namespace=namespace, model_id=model_id, status=None if status is None else rules.check_status(status)
    )
    return _views(tx, queries.list_builds(tx, actor, search, before, limit))


def show_build(tx: Transaction, actor: Actor, uid: str) -> BuildDetails:
    build = find_build(tx, actor, uid)
    attempts = queries.list_attempts(tx, build.id)
    steps = queries.list_steps(tx, attempts[-1].id) if attempts else []
    lines: list[str] = []
    failed = next((step.name for step in steps if step.state == FAILED), None)
    if failed is not None:
        text = log_queries.read_step_end(tx, build.id, build.attempt, failed)
        lines = text.splitlines()[-rules.LAST_LINES :]
    findings = queries.find_findings(tx, build.id) if build.verdict else None
    return BuildDetails(view_build(tx, build), steps, attempts, lines, findings)


def find_revision(tx: Transaction, actor: Actor, uid: str) -> tuple[int, int]:
    """Return (id, revision) of a build, to wait for a change of it. Raises BuildNotFound."""
    build = find_build(tx, actor, uid)
    return build.id, build.revision


def list_open_builds(tx: Transaction, actor: Actor, pool: str, limit: int) -> list[BuildView]:
    """List the builds of a pool that have not ended, as far as the actor may read them, newest first."""
    search = queries.BuildSearch(pool=pool, statuses=(QUEUED, *ACTIVE))
    return _views(tx, queries.list_builds(tx, actor, search, None, limit))


def list_failed_builds(tx: Transaction, actor: Actor, limit: int) -> list[Build]:
    """List the builds of the last week that failed, were lost or took too long, newest first."""
    search = queries.BuildSearch(statuses=BROKEN, ended_after=tx.now - rules.WEEK)
    return queries.list_builds(tx, actor, search, None, limit)


class Week(msgspec.Struct, frozen=True):
    """What became of the builds of seven days. median: of the seconds that those took which succeeded; None: none did."""

    ended: int
    failed: int
    median: float | None


class Summary(msgspec.Struct, frozen=True):
    """The builds that an actor may read. waits_since: of the oldest queued one."""

    running: int
    queued: int
    waits_since: int | None
    week: Week
    week_before: Week


def summarise(tx: Transaction, actor: Actor) -> Summary:
    """Count the builds that the actor may read, now and in the last two weeks."""
    opened = queries.list_builds(
        tx, actor, queries.BuildSearch(statuses=(QUEUED, *ACTIVE)), None, rules.MAX_OPEN
    )
    queued = [build for build in opened if build.status == QUEUED]
    weeks = [_week(tx, actor, tx.now - n * rules.WEEK) for n in range(2)]
    since = min((build.created_at for build in queued), default=None)
    return Summary(len(opened) - len(queued), len(queued), since, *weeks)


def _week(tx: Transaction, actor: Actor, end: int) -> Week:
    rows = queries.count_ended(tx, actor, end - rules.WEEK, end, rules.MOST_COUNTED)
    took = [
        (done - begun) / 1_000_000 for status, begun, done in rows if status == SUCCEEDED and begun is not None
    ]
    failed = sum(status in BROKEN for status, _, _ in rows)
    return Week(len(rows), failed, statistics.median(took) if took else None)


def list_step_states(tx: Transaction, views: Sequence[BuildView]) -> dict[int, list[str]]:
    """Return id of the build → states of its steps, for builds that the actor was shown."""
    return queries.list_step_states(tx, [view.build.id for view in views])


# --- pools -----------------------------------------------------------------------------------------------


class PoolView(msgspec.Struct, frozen=True):
    """most: builds that run at once; running, waiting: builds."""

    name: str
    executor: str
    most: int
    running: int
    waiting: int
    isolated: bool
    note: str


def list_pools(tx: Transaction, actor: Actor, pools: Pools) -> list[PoolView]:
    """List the pools with their numbers of builds, for every signed-in account."""
    access.check(actor, Permission.NAMESPACE_READ, _place_of_scope(actor))
    access.refuse_strangers(actor)
    found = []
    for pool in pools:
        builds = queries.list_open(tx, pool.name)
        waiting = sum(build.status == QUEUED for build in builds)
        found.append(
            PoolView(
                pool.name,
                pool.executor.kind,
                pool.slots,
                len(builds) - waiting,
                waiting,
                pool.executor.is_isolated,
                pool.note,
            )
        )
    return found


def count_builds(tx: Transaction) -> dict[str, int]:
    """Count builds by state for /metrics, whose door checks the permission."""
    return queries.count_by_status(tx)
