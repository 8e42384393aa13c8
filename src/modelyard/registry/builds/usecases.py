"""Submit, show, list, cancel and repeat builds; claim attempts and store what their agents report."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission, Scope
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    AttemptSuperseded,
    BlobNotFound,
    BuildNotFound,
    BuildOver,
    Denied,
    FileNotFound,
    FramesMissing,
    Invalid,
    InvalidRecipe,
    InvalidRequest,
    PoolRefused,
    TokenScopeTooNarrow,
    TooManyBuilds,
)
from modelyard.domain.manifest import File
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.access import rules as access
from modelyard.registry.access import usecases as accounts
from modelyard.registry.builds import queries, rules, secrets
from modelyard.registry.builds.endings import BUILD, CarryOut, end_attempt, end_build, wake, write_log
from modelyard.registry.builds.nouns import (
    CANCELLED,
    CANCELLING,
    FAILED,
    QUEUED,
    RUNNING,
    SKIPPED,
    AttemptResult,
    Build,
    BuildAttempt,
    BuildDetails,
    BuildStep,
    BuildView,
    Findings,
    Frame,
    Input,
    LogPart,
    Pins,
)
from modelyard.registry.builds.pools import OFF, Pools
from modelyard.registry.builds.recipe import Recipe, parse_recipe
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.keyring.keys import Keyring
from modelyard.registry.runs import list_queries as run_lists
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import usecases as versions
from modelyard.registry.withheld.refusals import bytes_withheld


class BuildRequest(msgspec.Struct, frozen=True):
    """recipe: text of the file. bundle: digest of the source; None: there is none. model, params, pool: instead of the
    recipe's. source: the code fact of the bundled folder."""

    recipe: str
    bundle: str | None = None
    model: str | None = None
    params: Mapping[str, Any] = {}
    pool: str | None = None
    source: Mapping[str, Any] = {}


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
    refuse_pool(actor, pools, pool)
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


def _refuse_narrow_token(actor: Actor, model: ModelName) -> None:
    """Raise TokenScopeTooNarrow if the token of an attempt would allow more than the token that asks for it."""
    for permission in rules.ATTEMPT_PERMISSIONS:
        is_own = permission is Permission.BUILD_REPORT
        if not is_own and not actor.scope.allows(permission, model.namespace, None):
            raise TokenScopeTooNarrow(
                actor=actor.name, permission=permission.value, where=f"namespace {model.namespace}"
            )


def refuse_pool(actor: Actor, pools: Pools, pool: str) -> None:
    """Raise PoolRefused if the account may not run code in the pool."""
    found = pools.find(pool)
    if found is not None and not pools.may_run(actor, pool):
        why = "the operator turned them off" if found.builds == OFF else "they are for admins alone"
        raise PoolRefused(actor=actor.name, pool=pool, why=why, setting=found.setting)


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
        text = queries.read_step_end(tx, build.id, build.attempt, failed)
        lines = text.splitlines()[-rules.LAST_LINES :]
    findings = queries.find_findings(tx, build.id) if build.verdict else None
    return BuildDetails(view_build(tx, build), steps, attempts, lines, findings)


class BuildPage(msgspec.Struct, frozen=True):
    """A build with what a person wants next to it. previous: the build of the model before it. log: the end of its log.
    may_cancel, may_rerun: what the actor may do."""

    details: BuildDetails
    previous: Build | None
    changes: Sequence[rules.Change]
    log: str
    may_cancel: bool
    may_rerun: bool


def show_page(tx: Transaction, actor: Actor, pools: Pools, uid: str) -> BuildPage:
    """Return a build, what changed since the build of its model before it, and the end of its log."""
    details = show_build(tx, actor, uid)
    build = details.view.build
    previous = queries.find_previous(tx, actor, build)
    pieces = queries.read_log(tx, build.id, max(0, build.log_bytes - rules.PAGE_LOG_BYTES))
    text = "".join(piece.text for piece in pieces)
    may_start = access.may(actor, Permission.BUILD_START, build.place)
    return BuildPage(
        details,
        previous,
        [] if previous is None else rules.list_changes(previous, build),
        text[-rules.PAGE_LOG_BYTES :],
        may_cancel=may_start and not build.has_ended,
        may_rerun=may_start and pools.may_run(actor, build.pool),
    )


def find_revision(tx: Transaction, actor: Actor, uid: str) -> tuple[int, int]:
    """Return (id, revision) of a build, to wait for a change of it. Raises BuildNotFound."""
    build = find_build(tx, actor, uid)
    return build.id, build.revision


def read_log(tx: Transaction, actor: Actor, uid: str, step: str | None, position: int) -> LogPart:
    """Return the next part of the log of a build, or of a step in its newest attempt; "" if there is no more yet.

    A part of the log that is not kept is replaced by a line about it. Raises BuildNotFound.
    """
    build = find_build(tx, actor, uid)
    if step is None:
        pieces = [(p.position, p.text) for p in queries.read_log(tx, build.id, position)]
    else:
        found = queries.read_step_log(tx, build.id, build.attempt, step, position)
        pieces = [(p.step_position, p.text) for p in found]
    text = []
    for start, piece in pieces:
        data = piece.encode()
        if start > position:
            text.append(
                f"[{start - position} bytes are left out here: a log of more than "
                f"{rules.LOG_HEAD_BYTES + rules.LOG_TAIL_BYTES} bytes keeps only its beginning and its end]\n"
            )
        text.append(data[max(0, position - start) :].decode("utf-8", "ignore"))
        position = start + len(data)
    return LogPart("".join(text), position, build.has_ended and not pieces)


def find_bundle(tx: Transaction, actor: Actor, uid: str) -> File:
    """Return the source bundle of a build, for the agent of its newest attempt.

    It is given to no one else, since a bundle is code that no scan has judged. Raises BuildNotFound, FileNotFound, BytesWithheld,
    Denied.
    """
    number = find_build(tx, actor, uid, Permission.BUILD_REPORT).attempt
    build, _ = _find_reporting(tx, actor, uid, number)
    if build.bundle is None:
        raise FileNotFound(path="the source bundle", reference=f"build {build.uid}")
    digest = Digest(build.bundle)
    state = uploads.find_state(tx, digest)
    if uploads.list_withheld_among(tx, [digest]):
        raise bytes_withheld(tx, digest)
    if state is None:
        raise FileNotFound(path="the source bundle", reference=f"build {build.uid}")
    return File("bundle.tar", digest, state[1])


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


# --- for agents ------------------------------------------------------------------------------------------


class BuildPlan(msgspec.Struct, frozen=True):
    """All that an agent needs to carry out an attempt. run: id of the run that the training is recorded as. token: for
    everything from now on."""

    build: Build
    attempt: BuildAttempt
    recipe: Recipe
    run: str
    timeout_seconds: float
    token: str


class Standing(msgspec.Struct, frozen=True):
    """last: number of the last stored frame. is_wanted: the agent goes on."""

    last: int
    is_wanted: bool


def _find_reporting(
    tx: Transaction, actor: Actor, uid: str, number: int, *, begins: bool = False
) -> tuple[Build, BuildAttempt]:
    """Return the attempt that the actor's token was made for. begins: with the ticket. Raises BuildNotFound, Denied."""
    build = find_build(tx, actor, uid, Permission.BUILD_REPORT)
    attempt = queries.find_attempt(tx, build.id, number)
    if attempt is None or actor.token_id is None or actor.token_id != _token_of(attempt, begins=begins):
        raise Denied(
            actor=actor.name,
            permission=f"report attempt {number}",
            where=f"build {build.uid}",
            who="the server",
            role="its own agent",
        )
    return build, attempt


def _token_of(attempt: BuildAttempt, *, begins: bool) -> int | None:
    """Return the id of the token that may begin an attempt, or report it."""
    has_begun = attempt.started_at is not None
    if begins:
        return attempt.ticket_id if has_begun else attempt.token_id
    return attempt.token_id if has_begun else None


def revoke_tokens(tx: Transaction, attempt: BuildAttempt) -> None:
    accounts.revoke_attempt_token(tx, attempt.token_id)
    if attempt.ticket_id is not None:
        accounts.revoke_attempt_token(tx, attempt.ticket_id)


def _why_over(build: Build, attempt: BuildAttempt) -> str | None:
    """Return why nothing more of an attempt is stored; None: it goes on."""
    if attempt.number != build.attempt:
        return f"attempt {build.attempt} replaced it"
    return f"it ended as {attempt.status}" if attempt.has_ended else None


def claim_attempt(tx: Transaction, actor: Actor, uid: str, number: int, word: str = "") -> BuildPlan:
    """Begin an attempt with its ticket, and replace that by the token of the attempt. As long as nothing was reported, the answer
    may have been lost, so the ticket begins the attempt again. word: chosen by the agent, which reads secrets with it.

    Raises AttemptSuperseded, Denied, BuildNotFound.
    """
    build, attempt = _find_going_on(tx, actor, uid, number, begins=True)
    recipe = recipe_of(build)
    owner = accounts.find_account(tx, build.requester_id)
    assert owner is not None
    token = accounts.issue_attempt_token(
        tx,
        owner,
        name=f"build {build.uid[:12]}, attempt {number}",
        scope=Scope(rules.attempt_permissions(build), build.model.namespace),
        expires_in_days=rules.token_days(recipe.timeout_seconds),
    )
    if attempt.ticket_id is not None:
        accounts.revoke_attempt_token(tx, attempt.token_id)
    ticket = attempt.token_id if attempt.ticket_id is None else attempt.ticket_id
    claim = secrets.claim_of(word)
    queries.update_attempt(tx, attempt.id, ticket_id=ticket, token_id=token.id, claim=claim)
    if attempt.started_at is None:
        queries.update_attempt(tx, attempt.id, status=RUNNING, started_at=tx.now, heard_at=tx.now)
        if build.status != CANCELLING:
            queries.update_build(tx, build.id, status=RUNNING, reason="")
    left = rules.deadline(build, recipe.timeout_seconds) - tx.now
    run = rules.run_of(build.uid, number)
    return BuildPlan(build, attempt, recipe, run, max(1.0, left / 1_000_000), token.secret)


def reveal_secrets(
    tx: Transaction, actor: Actor, keyring: Keyring, uid: str, number: int, step: str, word: str
) -> dict[str, str]:
    """Return the secrets of one step to the agent that claimed the attempt with this word.

    Raises AttemptSuperseded, BuildNotFound, Denied, BuildSecretNotFound, InvalidRequest.
    """
    build, attempt = _find_going_on(tx, actor, uid, number)
    planned = next((each for each in recipe_of(build).steps if each.name == step), None)
    if planned is None:
        raise InvalidRequest(
            reason=f"build {build.uid} has no step {step[:80]!r}", fix="Name a step of the plan"
        )
    namespace = build.model.namespace
    return secrets.reveal(tx, actor, keyring, namespace, planned.secrets, claim=attempt.claim, word=word)


def _find_going_on(
    tx: Transaction, actor: Actor, uid: str, number: int, *, begins: bool = False
) -> tuple[Build, BuildAttempt]:
    """Return the attempt of the actor's token. begins: its ticket counts too.

    Raises AttemptSuperseded if it is over, Denied, BuildNotFound.
    """
    build, attempt = _find_reporting(tx, actor, uid, number, begins=begins)
    why = _why_over(build, attempt)
    if why is not None:
        raise AttemptSuperseded(build=build.uid, attempt=number, why=why)
    return build, attempt


def recipe_of(build: Build) -> Recipe:
    """Return the recipe of a build. Raises InvalidRecipe if this release no longer accepts it."""
    return parse_recipe(build.recipe, params=build.params.value, model=str(build.model))


def store_records(
    tx: Transaction, actor: Actor, uid: str, number: int, first: int, frames: Sequence[Frame]
) -> Standing:
    """Store the new ones of an agent's frames; without frames the agent only says that it lives.

    Raises AttemptSuperseded if there is something new and the attempt is over, FramesMissing, Denied, BuildNotFound.
    """
    build, attempt = _find_reporting(tx, actor, uid, number)
    if len(frames) > rules.MAX_FRAMES or not 0 < first < 2**53:
        raise InvalidRequest(
            reason=f"a message has at most {rules.MAX_FRAMES} frames, and they are numbered from 1",
            fix="Send fewer frames at once",
        )
    known = attempt.last_number
    if frames and first > known + 1:
        raise FramesMissing(build=build.uid, known=known, given=first)
    new = frames[known + 1 - first :] if frames else []
    why = _why_over(build, attempt)
    if why is not None:
        if new or not frames:
            raise AttemptSuperseded(build=build.uid, attempt=number, why=why)
        return Standing(known, is_wanted=False)
    last = known + len(new)
    queries.hear(tx, attempt.id, last)
    if attempt.ticket_id is None:
        tx.leaves_rights = True
    else:
        # The agent has its token, so the ticket is of no use to anybody any more.
        accounts.revoke_attempt_token(tx, attempt.ticket_id)
        queries.update_attempt(tx, attempt.id, ticket_id=None)
    if new:
        end = _store(tx, build, attempt, new)
        if end is not None:
            _end(tx, actor, build, end)
    return Standing(last, is_wanted=build.cancel_asked_at is None)


def _store(
    tx: Transaction, build: Build, attempt: BuildAttempt, frames: Sequence[Frame]
) -> AttemptResult | None:
    """Store what frames say of steps. Returns the end of the attempt; None: it goes on."""
    steps = {step.name: step for step in queries.list_steps(tx, attempt.id)}
    end = next((frame.end for frame in frames if frame.end is not None), None)
    texts: list[tuple[BuildStep, str]] = []
    changed: dict[str, BuildStep] = {}
    current = build.step
    for frame in frames:
        for report in frame.events:
            step = steps.get(report.step)
            if step is None:
                raise InvalidRequest(
                    reason=f"build {build.uid} has no step {report.step[:80]!r}",
                    fix="Report the steps of the plan",
                )
            rules.check_step(report)
            changed[step.name] = step
            _apply(step, report)
            is_over = report.state not in (None, RUNNING)
            texts.append((step, rules.add_log(step, report.log, is_last=is_over)))
            if report.state in (RUNNING, FAILED):
                current = step.name
    write_log(tx, build, texts)
    for step in changed.values():
        queries.set_step(tx, attempt.id, step)
    queries.update_build(tx, build.id, step=current)
    return end


def _apply(step: BuildStep, report: Any) -> None:
    if report.state is not None:
        step.state = report.state
        if report.state == RUNNING:
            step.started_at = step.started_at or report.at
        elif report.state != SKIPPED:
            step.started_at = step.started_at or report.at
            step.ended_at = report.at
    if report.reason:
        step.reason = rules.reason_text(report.reason)
    if report.exit_code is not None:
        step.exit_code = report.exit_code
    if report.resources:
        step.resources = dict(report.resources)


def _end(tx: Transaction, actor: Actor, build: Build, end: AttemptResult) -> None:
    rules.check_end(end)
    values: dict[str, Any] = {}
    if end.version is not None:
        if build.reproduces is not None:
            raise InvalidRequest(reason="the build repeats a version", fix="Report no version of its own")
        model, version = versions.find_version(tx, actor, Ref.parse(end.version))
        if model.id != build.model_id:
            raise InvalidRequest(
                reason=f"{end.version[:100]} is not a version of {build.model}", fix="Report its own version"
            )
        values["version_number"] = version.number
    if end.promotion is not None:
        if not queries.belongs_to(tx, end.promotion, build.model_id):
            raise InvalidRequest(
                reason=f"promotion {end.promotion} is not one of {build.model}", fix="Report its own promotion"
            )
        values["promotion_id"] = end.promotion
    if end.result is not None:
        if build.reproduces is None:
            raise InvalidRequest(reason="the build repeats no version", fix="Report a result only for that")
        queries.set_findings(tx, build.id, Findings("", result=end.result))
    if values:
        queries.update_build(tx, build.id, **values)
    end_attempt(tx, actor, build.id, build.attempt, end.status, end.reason)
