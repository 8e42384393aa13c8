"""Carry out builds: start their attempts, look at their agents, end those that are lost, and clean up after them.

Each call of `carry_on` is a short poll. What it does follows from the rows and from a look at the executor alone, so
that a server that was killed between any two steps goes on at the next poll.
"""

from __future__ import annotations

from functools import partial

import msgspec

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Permission, Scope
from modelyard.domain.errors import ModelyardError
from modelyard.domain.times import seconds
from modelyard.engines.executor import Executor, State, Task
from modelyard.registry.access import usecases as accounts
from modelyard.registry.builds import queries, rules
from modelyard.registry.builds.endings import (
    BUILD,
    CarryOut,
    end_attempt,
    fail_unstarted,
    wake_next,
)
from modelyard.registry.builds.nouns import (
    CANCELLED,
    CANCELLING,
    LOST,
    QUEUED,
    STARTING,
    TIMED_OUT,
    WAITING,
    Build,
    BuildAttempt,
)
from modelyard.registry.builds.pools import Pool, Pools
from modelyard.registry.builds.recipe import Recipe
from modelyard.registry.builds.usecases import recipe_of, refuse_pool, resolve_inputs
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import Again, Done, Ending, Job, Outcome

POLL = seconds(1.0)
SOON = seconds(0.25)
WAIT_FOR_ROOM = seconds(60)
"""A build that waits is woken when a place becomes free; this is only the second line."""
LAST_WORDS = seconds(10)
"""An agent that said its last word may take this long to end by itself."""


class Secret(msgspec.Struct, frozen=True):
    """The token of an attempt, known only until its agent has started."""

    number: int
    token: str


def carry_on(db: Database, pools: Pools, job: Job) -> Ending:
    """Do what is due for a build, and say when to look again."""
    build_id = BUILD.read(job).build
    build, attempt = db.read(lambda tx: _read(tx, build_id))
    if build is None:
        return lambda _: Done()
    pool = pools.find(build.pool)
    if pool is None:
        return partial(_end_without_pool, build=build)
    if attempt is not None and attempt.cleaned_at is None:
        if attempt.has_ended:
            return _clean_up(pool.executor, build, attempt, db.clock())
        return _watch(db, pools, pool, build, attempt)
    if build.has_ended:
        return lambda _: Done()
    started = db.write(lambda tx: start_attempt(tx, pools, pool, build_id))
    if started is None:
        return lambda tx: _look_again(tx, build_id, WAIT_FOR_ROOM)
    build, attempt = db.read(lambda tx: _read(tx, build_id))
    assert build is not None
    _submit(pools, pool.executor, build, started)
    return lambda tx: _look_again(tx, build_id, POLL)


def _read(tx: Transaction, build_id: int) -> tuple[Build | None, BuildAttempt | None]:
    build = queries.find_by_id(tx, build_id)
    return build, None if build is None else queries.find_attempt(tx, build.id, build.attempt)


def _look_again(tx: Transaction, build_id: int, wait: int) -> Outcome:
    """Return when to look again, as the build is now: it may have changed while this poll ran."""
    build, attempt = _read(tx, build_id)
    if build is None or (build.has_ended and (attempt is None or attempt.cleaned_at is not None)):
        return Done()
    if build.has_ended or build.status == CANCELLING or (attempt is not None and attempt.has_ended):
        is_waiting = build.status == QUEUED and attempt is not None and attempt.cleaned_at is not None
        wait = wait if is_waiting else min(wait, SOON)
    return Again(tx.now + wait)


def _end_without_pool(tx: Transaction, build: Build) -> Outcome:
    reason = f"this server has no pool {build.pool}"
    if build.attempt and end_attempt(tx, SYSTEM, build.id, build.attempt, LOST, reason) is not None:
        pass
    elif not build.has_ended:
        fail_unstarted(tx, build, reason)
    attempt = queries.find_attempt(tx, build.id, build.attempt)
    if attempt is not None:
        _note_clean(tx, attempt)
    return Done()


# --- starting --------------------------------------------------------------------------------------------


def start_attempt(tx: Transaction, pools: Pools, pool: Pool, build_id: int) -> Secret | None:
    """Begin the next attempt of a queued build, with a token in the name of the account that asked for it; its rights are
    asked again. None: the build does not wait, or its pool has no room for it. A build that may no longer run fails."""
    build, before = _read(tx, build_id)
    if build is None or build.status != QUEUED or (before is not None and before.cleaned_at is None):
        return None
    chosen = rules.choose_next(queries.list_open(tx, pool.name), pool.slots)
    if build.id not in {each.id for each in chosen}:
        wake_next(tx, pool.name, pool.slots)
        return None
    owner = accounts.find_account(tx, build.requester_id)
    if owner is None:
        fail_unstarted(tx, build, f"the account {build.requested_by} was disabled or deleted")
        return None
    try:
        recipe = recipe_of(build)
        actor = owner.to_actor()
        catalog.find_open_model(tx, actor, build.model, Permission.BUILD_START)
        refuse_pool(actor, pools, pool.name)
        inputs = resolve_inputs(tx, actor, recipe, build.fixed)
    except ModelyardError as error:
        fail_unstarted(tx, build, str(error))
        return None
    number = build.attempt + 1
    started_at = build.started_at or tx.now
    token = _issue(tx, build, number, recipe)
    queries.insert_attempt(
        tx,
        build.id,
        number=number,
        status=STARTING,
        host=pool.executor.place,
        token_id=token.id,
        inputs=inputs,
        steps=[(step.name, WAITING) for step in rules.steps_of(build, recipe)],
    )
    queries.update_build(
        tx, build.id, status=STARTING, reason="", attempt=number, started_at=started_at, step=None
    )
    tx.append(
        events.BuildStarted(**events.about(build.model), build=build.uid, attempt=number), actor, build.model_id
    )
    return Secret(number, token.secret)


def _issue(tx: Transaction, build: Build, number: int, recipe: Recipe) -> accounts.NewToken:
    owner = accounts.find_account(tx, build.requester_id)
    assert owner is not None
    return accounts.issue_attempt_token(
        tx,
        owner,
        name=f"build {build.uid[:12]}, attempt {number}",
        scope=Scope(rules.attempt_permissions(build), build.model.namespace),
        expires_in_days=(recipe.timeout_seconds + rules.TOKEN_MARGIN_SECONDS) / 86_400,
    )


def _submit(pools: Pools, executor: Executor, build: Build, secret: Secret) -> None:
    recipe = recipe_of(build)
    executor.submit(
        Task(
            rules.attempt_name(build.uid, secret.number),
            {
                "MODELYARD_URL": pools.url,
                "MODELYARD_TOKEN": secret.token,
                "MODELYARD_BUILD": build.uid,
                "MODELYARD_ATTEMPT": str(secret.number),
            },
            share=build.model.namespace,
            cpu=recipe.file.resources.cpu,
            memory_bytes=recipe.memory_bytes,
            network=recipe.file.network,
        )
    )


def reissue_token(tx: Transaction, build_id: int, number: int) -> Secret | None:
    """Give an attempt whose agent has never started another token in place of the first, which is known nowhere any more.

    None: the attempt is over, was claimed after all, or its account is gone."""
    build, attempt = _read(tx, build_id)
    if build is None or attempt is None or attempt.number != number or attempt.status != STARTING:
        return None
    if accounts.find_account(tx, build.requester_id) is None:
        end_attempt(
            tx, SYSTEM, build.id, number, LOST, f"the account {build.requested_by} was disabled or deleted"
        )
        return None
    token = _issue(tx, build, number, recipe_of(build))
    accounts.revoke_attempt_token(tx, attempt.token_id)
    queries.update_attempt(tx, attempt.id, token_id=token.id)
    return Secret(number, token.secret)


# --- watching --------------------------------------------------------------------------------------------


def _watch(db: Database, pools: Pools, pool: Pool, build: Build, attempt: BuildAttempt) -> Ending:
    """Look at an attempt that has not ended."""
    executor, name, now = pool.executor, rules.attempt_name(build.uid, attempt.number), db.clock()
    is_here = attempt.host == executor.place

    def ending(status: str, reason: str) -> Ending:
        def end(tx: Transaction) -> Outcome:
            if end_attempt(tx, SYSTEM, build.id, attempt.number, status, reason) is not None:
                # At once: nothing that its agent says from now on counts.
                accounts.revoke_attempt_token(tx, attempt.token_id)
            return _look_again(tx, build.id, SOON)

        return end

    recipe = recipe_of(build)
    if now > rules.deadline(build, recipe.timeout_seconds) + rules.OVERTIME:
        return ending(TIMED_OUT, f"it took longer than {recipe.file.resources.timeout}")
    heard_at = attempt.heard_at
    if heard_at is not None and now > heard_at + rules.LOST_AFTER:
        return ending(*_lost(build, f"its agent on {attempt.host} has been silent for a minute"))
    if heard_at is None and now > attempt.created_at + rules.START_WITHIN:
        return ending(*_lost(build, f"its agent on {attempt.host} did not begin within two minutes"))
    if not is_here:
        return lambda tx: _look_again(tx, build.id, POLL)
    look = executor.look(name)
    if look.state is State.GONE or (look.state is State.UNKNOWN and heard_at is not None):
        tail = executor.log_tail(name)
        words = f"{look.reason or 'its agent is gone'}, before it said how the attempt ended"
        return ending(*_lost(build, f"{words}\n{tail}" if tail else words))
    if look.state is State.UNKNOWN:
        if build.status == CANCELLING:
            return ending(CANCELLED, "cancelled before its agent started")
        secret = db.write(lambda tx: reissue_token(tx, build.id, attempt.number))
        if secret is not None:
            _submit(pools, executor, build, secret)
    elif build.status == CANCELLING:
        executor.cancel(name)
    return lambda tx: _look_again(tx, build.id, POLL)


def _lost(build: Build, reason: str) -> tuple[str, str]:
    """Return (status, reason) of an attempt whose agent no longer answers."""
    return (CANCELLED, "cancelled") if build.status == CANCELLING else (LOST, reason)


# --- cleaning up -----------------------------------------------------------------------------------------


def _clean_up(executor: Executor, build: Build, attempt: BuildAttempt, now: int) -> Ending:
    """See that the process of an ended attempt is gone, then delete its workspace and its token."""
    name = rules.attempt_name(build.uid, attempt.number)
    if attempt.host == executor.place:
        if executor.look(name).state is State.RUNNING:
            assert attempt.ended_at is not None
            by_itself = attempt.heard_at is not None and attempt.heard_at >= attempt.ended_at
            if not by_itself or now > attempt.ended_at + LAST_WORDS:
                executor.cancel(name)
            return lambda tx: _look_again(tx, build.id, SOON)
        executor.clean(name)
    return lambda tx: _cleaned(tx, build.id, attempt)


def _cleaned(tx: Transaction, build_id: int, attempt: BuildAttempt) -> Outcome:
    _note_clean(tx, attempt)
    build = queries.find_by_id(tx, build_id)
    return Done() if build is None or build.has_ended else Again(tx.now)


def _note_clean(tx: Transaction, attempt: BuildAttempt) -> None:
    accounts.revoke_attempt_token(tx, attempt.token_id)
    if attempt.cleaned_at is None:
        queries.update_attempt(tx, attempt.id, cleaned_at=tx.now)


def queue_builds(db: Database) -> None:
    """Queue the jobs of builds that lost theirs, for example because an admin cancelled one."""
    unfinished = db.read(queries.list_unfinished)
    if not unfinished:
        return
    present = db.read(lambda tx: jobs.list_open_keys(tx, [BUILD], [uid for _, uid, _ in unfinished]))

    def enqueue(tx: Transaction) -> None:
        for build_id, uid, namespace in unfinished:
            if uid not in present:
                jobs.enqueue(tx, BUILD, CarryOut(build_id), key=uid, namespace=namespace)
        tx.leaves_rights = True

    if len(present) < len(unfinished):
        db.write(enqueue)
