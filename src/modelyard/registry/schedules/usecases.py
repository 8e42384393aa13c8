"""Create, edit, pause, resume, fire, show and delete schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid, ScheduleNotFound, TooManySchedules
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.builds import usecases as builds
from modelyard.registry.builds.nouns import Build, BuildView
from modelyard.registry.builds.pools import Pools
from modelyard.registry.builds.recipe import Recipe
from modelyard.registry.builds.rules import parse_dataset
from modelyard.registry.builds.usecases import BuildRequest
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.deployments.showing import find_deployment
from modelyard.registry.schedules import queries, rules, timing
from modelyard.registry.schedules.firing import free_due
from modelyard.registry.schedules.nouns import (
    ACTIVE,
    CRON,
    DATASET,
    INTERVAL,
    LATEST,
    PAUSED,
    QUEUE,
    RETRAINING,
    SKIP,
    STARTED,
    TRIGGERS,
    VERSION,
    Firing,
    Schedule,
    ScheduleView,
)


class ScheduleRequest(msgspec.Struct, frozen=True):
    """What somebody asks for; None: the default, or unchanged.

    cron (in `zone`), every, on_dataset, on_version, on_retraining: when it starts builds, exactly one of them. recipe with bundle and source,
    or build: what it builds. The others are as in `Schedule`.
    """

    model: str | None = None
    cron: str | None = None
    zone: str | None = None
    every: str | None = None
    on_dataset: str | None = None
    on_version: str | None = None
    on_retraining: str | None = None
    missed: str | None = None
    overlap: str | None = None
    jitter: str | None = None
    debounce: str | None = None
    pause_after: int | None = None
    build: str | None = None
    recipe: str | None = None
    bundle: str | None = None
    source: Mapping[str, Any] = {}
    params: Mapping[str, Any] | None = None
    pool: str | None = None


_WHEN = ("cron", "every", "on_dataset", "on_version", "on_retraining")


def add_schedule(
    tx: Transaction, actor: Actor, settings: catalog.CatalogSettings, pools: Pools, request: ScheduleRequest
) -> ScheduleView:
    """Have builds of a model started without a person, in the name of the actor, with all that a build needs now.

    Raises like submit_build; Invalid, BuildNotFound, ModelNotFound, TooManySchedules.
    """
    access.refuse_strangers(actor)
    built, recipe = _read_source(tx, actor, request)
    model, _ = builds.check_start(tx, actor, settings, pools, built, recipe)
    access.check(actor, rules.MANAGE, model.place)
    if not _given(request, _WHEN):
        raise Invalid(
            reason="nothing says when the builds start",
            fix="Give one of cron, every, on_dataset, on_version and on_retraining",
        )
    count = queries.count_of_model(tx, model.id)
    if count >= rules.MOST_OF_A_MODEL:
        raise TooManySchedules(model=str(model.name), count=count)
    when = _check_when(tx, actor, model, request)
    # New data must not be forgotten because the last build still runs; the next day comes anyway.
    usual = QUEUE if when["kind"] in TRIGGERS else SKIP
    values = {
        **when,
        "missed": rules.check_missed(request.missed or LATEST),
        "overlap": rules.check_overlap(request.overlap or usual),
        **_check_numbers(request),
        **_source_of(built, recipe),
    }
    values.setdefault("pause_after", rules.DEFAULT_PAUSE_AFTER)
    made = queries.insert_schedule(tx, model_id=model.id, owner_id=actor.id, state=ACTIVE, **values)
    schedule = _begin(tx, made)
    words = rules.describe(schedule, tx.now).words
    tx.append(events.ScheduleCreated(**events.about(model.name), schedule=made, words=words), actor, model.id)
    return view_schedule(tx, actor, made)


def edit_schedule(
    tx: Transaction,
    actor: Actor,
    settings: catalog.CatalogSettings,
    pools: Pools,
    schedule_id: int,
    request: ScheduleRequest,
) -> ScheduleView:
    """Change a schedule. Its next time is computed from now, and its builds run in the name of the actor from now on.

    Raises like add_schedule; ScheduleNotFound.
    """
    schedule = find_schedule(tx, actor, schedule_id, rules.MANAGE)
    given = [
        name
        for name, value in msgspec.structs.asdict(request).items()
        if value is not None and (name != "source" or value)
    ]
    if not given:
        raise Invalid(reason="nothing is to change", fix="Give the options that change")
    model = catalog.find_open_model(tx, actor, schedule.model, rules.MANAGE)
    values: dict[str, Any] = {}
    if _given(request, _WHEN) or request.zone is not None:
        values |= _check_when(tx, actor, model, request, schedule)
    if request.missed is not None:
        values["missed"] = rules.check_missed(request.missed)
    if request.overlap is not None:
        values["overlap"] = rules.check_overlap(request.overlap)
    values |= _check_numbers(request)
    built, recipe = _change_source(tx, actor, schedule, request)
    values |= _source_of(built, recipe)
    builds.check_start(tx, actor, settings, pools, built, recipe)
    queries.update_schedule(tx, schedule.id, owner_id=actor.id, **values)
    changed = _begin(tx, schedule.id)
    words = rules.describe(changed, tx.now).words
    tx.append(
        events.ScheduleEdited(
            **events.about(schedule.model), schedule=schedule.id, changed=sorted(given), words=words
        ),
        actor,
        schedule.model_id,
    )
    return view_schedule(tx, actor, schedule.id)


def _begin(tx: Transaction, schedule_id: int) -> Schedule:
    """Compute the next time of a schedule from now on. Raises Invalid for a jitter that does not fit its times."""
    schedule = queries.find_schedule(tx, schedule_id)
    assert schedule is not None
    due = None
    if not schedule.is_trigger:
        clock = rules.timing_of(schedule, tx.now)
        timing.check_jitter(clock, schedule.jitter_seconds, tx.now)
        due = clock.after(tx.now) if schedule.state == ACTIVE else None
    next_at = None if due is None else timing.with_jitter(schedule.id, due, schedule.jitter_seconds)
    queries.update_schedule(
        tx,
        schedule.id,
        due_at=due,
        next_at=next_at,
        waits_for=None,
        cause="",
        depth=1,
        failures=0,
        from_seq=queries.find_log_size(tx),
    )
    found = queries.find_schedule(tx, schedule_id)
    assert found is not None
    return found


# --- what a request says ---------------------------------------------------------------------------------


def _given(request: ScheduleRequest, names: Sequence[str]) -> list[str]:
    found = [name for name in names if getattr(request, name) is not None]
    if len(found) > 1:
        raise Invalid(reason=f"{' and '.join(found)} are given together", fix="Give one of them")
    return found


def _check_when(
    tx: Transaction, actor: Actor, model: Model, request: ScheduleRequest, before: Schedule | None = None
) -> dict[str, Any]:
    """Return the columns that say when a schedule starts builds. before: the schedule that is edited."""
    cron = request.cron
    if cron is None and before is not None and before.kind == CRON and not _given(request, _WHEN):
        cron = before.expression
    if request.zone is not None and cron is None:
        raise Invalid(reason="only a cron expression has a time zone", fix="Leave out the zone, or give cron")
    when: dict[str, Any] = {"zone": "UTC", "parent_id": None}
    if cron is not None:
        zone = request.zone or (before.zone if before is not None and before.kind == CRON else "UTC")
        checked = timing.check_cron(cron, zone, tx.now)
        return when | {"kind": CRON, "expression": checked.expression, "zone": zone}
    if request.every is not None:
        return when | {
            "kind": INTERVAL,
            "expression": timing.check_interval(request.every, tx.now).expression,
        }
    if request.on_dataset is not None:
        namespace, name, digest = parse_dataset(request.on_dataset, model.name.namespace)
        if digest is not None:
            raise Invalid(
                reason="a digest names one content, and no new one will have it", fix="Leave out the digest"
            )
        space = datasets.find_content(tx, actor, namespace, name, None)
        return when | {"kind": DATASET, "expression": space.reference.partition("@")[0]}
    if request.on_retraining is not None:
        namespace, _, name = request.on_retraining.rpartition("/")
        deployment = find_deployment(tx, actor, namespace or model.name.namespace, name)
        return when | {"kind": RETRAINING, "expression": deployment.full_name}
    assert request.on_version is not None
    text, alias = rules.parse_parent(request.on_version)
    parent = catalog.find_model(tx, actor, ModelName.parse(text, model.name.namespace))
    if parent.id == model.id:
        raise Invalid(
            reason=f"each build of {model.name} makes a new version of it, which would start the next build",
            fix="Name another model, or give cron or every",
        )
    expression = f"{parent.name}@{alias}" if alias else str(parent.name)
    return when | {"kind": VERSION, "expression": expression, "parent_id": parent.id}


def _check_numbers(request: ScheduleRequest) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if request.jitter is not None:
        values["jitter_seconds"] = rules.parse_seconds(request.jitter, timing.LONGEST_JITTER, "jitter")
    if request.debounce is not None:
        values["debounce_seconds"] = rules.parse_seconds(request.debounce, rules.LONGEST_DEBOUNCE, "debounce")
    if request.pause_after is not None:
        values["pause_after"] = rules.check_pause_after(request.pause_after)
    return values


def _read_source(
    tx: Transaction, actor: Actor, request: ScheduleRequest, model: str | None = None
) -> tuple[BuildRequest, Recipe]:
    """Return the build that a request describes, checked. model: the schedule's; None: the request's."""
    if request.build is not None:
        if request.recipe is not None or request.bundle is not None:
            raise Invalid(reason="a build and a recipe are given together", fix="Give one of them")
        found = builds.find_build(tx, actor, request.build)
        wanted = model or request.model
        if wanted is not None and str(ModelName.parse(wanted, found.model.namespace)) != str(found.model):
            raise Invalid(
                reason=f"build {found.uid[:12]} is one of {found.model}, not of {wanted}",
                fix="Name a build of the same model: modelyard builds ls",
            )
        built = builds.request_of(found)
        params = {**built.params, **(request.params or {})}
        built = msgspec.structs.replace(built, params=params, pool=request.pool or built.pool)
        recipe = builds.parse_request(built)
        builds.check_contents(built, recipe)
        return built, recipe
    if request.recipe is None:
        raise Invalid(
            reason="nothing says what is built", fix="Give a recipe with its source, or a build to repeat"
        )
    return builds.read_request(
        tx,
        actor,
        BuildRequest(
            request.recipe,
            request.bundle,
            model or request.model,
            request.params or {},
            request.pool,
            request.source,
        ),
    )


def _change_source(
    tx: Transaction, actor: Actor, schedule: Schedule, request: ScheduleRequest
) -> tuple[BuildRequest, Recipe]:
    if request.build is not None or request.recipe is not None:
        return _read_source(tx, actor, request, str(schedule.model))
    built = request_of(schedule)
    params = built.params if request.params is None else {**built.params, **request.params}
    built = msgspec.structs.replace(built, params=params, pool=request.pool or built.pool)
    recipe = builds.parse_request(built)
    builds.check_contents(built, recipe)
    return built, recipe


def request_of(schedule: Schedule) -> BuildRequest:
    """Return the request for a build of a schedule."""
    return BuildRequest(
        schedule.recipe,
        schedule.bundle,
        str(schedule.model),
        schedule.params.value,
        schedule.pool,
        schedule.source.value,
    )


def _source_of(built: BuildRequest, recipe: Recipe) -> dict[str, Any]:
    return {
        "recipe": built.recipe,
        "bundle": built.bundle,
        "source": dict(built.source),
        "params": dict(recipe.params),
        "pool": built.pool,
    }


# --- reading ---------------------------------------------------------------------------------------------


def find_schedule(
    tx: Transaction, actor: Actor, schedule_id: int, permission: Permission = Permission.MODEL_READ
) -> Schedule:
    """Return a schedule. Raises ScheduleNotFound, Denied, Unauthenticated."""
    access.refuse_strangers(actor)
    found = queries.find_schedule(tx, schedule_id, actor)
    if found is None:
        raise ScheduleNotFound(schedule=schedule_id)
    access.check(actor, permission, found.place, lambda: ScheduleNotFound(schedule=schedule_id))
    return found


def _view(tx: Transaction, actor: Actor, schedule: Schedule, last: Firing | None) -> ScheduleView:
    may_change = access.may(actor, rules.MANAGE, schedule.place)
    return ScheduleView(schedule, rules.describe(schedule, tx.now), last, may_change)


def view_schedule(tx: Transaction, actor: Actor, schedule_id: int) -> ScheduleView:
    """Return a schedule with its next times. Raises ScheduleNotFound."""
    schedule = find_schedule(tx, actor, schedule_id)
    return _view(tx, actor, schedule, queries.find_last(tx, schedule_id))


def may_repeat(actor: Actor, pools: Pools, build: Build) -> bool:
    """Return whether the actor may have a build repeated by a schedule."""
    return access.may(actor, rules.MANAGE, build.place) and pools.may_run(actor, build.pool)


def may_start(actor: Actor, pools: Pools, schedule: Schedule) -> bool:
    """Return whether the actor may start builds of the schedule here, now or by resuming it."""
    return access.may(actor, rules.MANAGE, schedule.place) and pools.may_run(
        actor, schedule.pool or pools.default
    )


def list_schedules(
    tx: Transaction,
    actor: Actor,
    before: int | None,
    limit: int,
    *,
    namespace: str | None = None,
    model: ModelName | None = None,
) -> list[ScheduleView]:
    """List schedules, newest first. Raises ModelNotFound, NamespaceNotFound."""
    access.refuse_strangers(actor)
    model_id = None if model is None else catalog.find_model(tx, actor, model).id
    if namespace is not None:
        namespace = catalog.find_namespace(tx, actor, namespace).name
    found = queries.list_schedules(tx, actor, before, limit, namespace=namespace, model_id=model_id)
    lasts = queries.find_lasts(tx, [schedule.id for schedule in found]) if found else {}
    return [_view(tx, actor, schedule, lasts.get(schedule.id)) for schedule in found]


def list_stopped(tx: Transaction, actor: Actor, limit: int) -> list[Schedule]:
    """List the actor's own schedules that the server paused, or somebody else did, newest first."""
    found = queries.list_paused_of(tx, actor, limit)
    return [each for each in found if not each.state_reason.startswith(_by(actor))]


def _by(actor: Actor) -> str:
    return f"by {actor.name}"


def list_firings(
    tx: Transaction, actor: Actor, schedule_id: int, before: int | None, limit: int
) -> list[Firing]:
    """List what became of the times of a schedule, newest first. Raises ScheduleNotFound."""
    find_schedule(tx, actor, schedule_id)
    return queries.list_firings(tx, schedule_id, before, limit)


# --- changing the state ----------------------------------------------------------------------------------


def pause_schedule(tx: Transaction, actor: Actor, schedule_id: int, reason: str | None) -> ScheduleView:
    """Let no more of its times start a build, until it is resumed. Raises ScheduleNotFound, Denied."""
    schedule = find_schedule(tx, actor, schedule_id, rules.MANAGE)
    if schedule.state == ACTIVE:
        words = rules.reason_text(_by(actor) + (f": {reason}" if reason else ""))
        queries.pause(tx, schedule.id, words)
        tx.append(
            events.SchedulePaused(**events.about(schedule.model), schedule=schedule.id, reason=words),
            actor,
            schedule.model_id,
        )
    return view_schedule(tx, actor, schedule_id)


def resume_schedule(
    tx: Transaction, actor: Actor, settings: catalog.CatalogSettings, pools: Pools, schedule_id: int
) -> ScheduleView:
    """Start builds again, from the next time on, in the name of the actor. Raises like add_schedule; ScheduleNotFound."""
    schedule = find_schedule(tx, actor, schedule_id, rules.MANAGE)
    if schedule.state == PAUSED:
        catalog.find_open_model(tx, actor, schedule.model, rules.MANAGE)
        built = request_of(schedule)
        builds.check_start(tx, actor, settings, pools, built, builds.parse_request(built))
        queries.update_schedule(
            tx, schedule.id, state=ACTIVE, state_reason="", paused_at=None, owner_id=actor.id
        )
        _begin(tx, schedule.id)
        tx.append(
            events.ScheduleResumed(**events.about(schedule.model), schedule=schedule.id),
            actor,
            schedule.model_id,
        )
    return view_schedule(tx, actor, schedule_id)


def fire_schedule(
    tx: Transaction, actor: Actor, settings: catalog.CatalogSettings, pools: Pools, schedule_id: int
) -> BuildView:
    """Start a build of a schedule now, in the name of the actor, paused or not; its times stay as they are.

    Raises ScheduleNotFound, and like submit_build.
    """
    schedule = find_schedule(tx, actor, schedule_id, Permission.BUILD_START)
    catalog.find_open_model(tx, actor, schedule.model, Permission.BUILD_START)
    built = request_of(schedule)
    view = builds.start_build(
        tx, actor, settings, pools, built, builds.parse_request(built), schedule=schedule.id
    )
    due = free_due(tx, schedule.id, tx.now)
    queries.insert_firing(
        tx,
        schedule.id,
        due_at=due,
        last_due_at=due,
        count=1,
        outcome=STARTED,
        cause=_by(actor),
        build=view.build.uid,
        depth=1,
    )
    return view


def delete_schedule(tx: Transaction, actor: Actor, schedule_id: int) -> None:
    """Delete a schedule and the record of its times; its builds stay. Raises ScheduleNotFound, Denied."""
    schedule = find_schedule(tx, actor, schedule_id, rules.MANAGE)
    queries.delete_schedule(tx, schedule.id)
    tx.append(
        events.ScheduleDeleted(**events.about(schedule.model), schedule=schedule.id), actor, schedule.model_id
    )


def count_schedules(tx: Transaction) -> dict[str, int]:
    """Count schedules by state for /metrics, whose door checks the permission."""
    return queries.count_by_state(tx)
