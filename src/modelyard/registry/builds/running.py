"""Carry out builds: start their attempts, look at their agents, end those that are lost, and clean up after them.

Each call of `carry_on` is a short poll. What it does follows from the rows and from a look at the executor alone, so
that a server that was killed between any two steps goes on at the next poll.
"""

from __future__ import annotations

from functools import partial

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Permission, Scope
from modelyard.domain.errors import ExecutorUnavailable, ModelyardError, TaskRefused
from modelyard.domain.times import seconds
from modelyard.engines.executor import Executor, Look, State, Task
from modelyard.registry.access import usecases as accounts
from modelyard.registry.access.nouns import Account
from modelyard.registry.builds import queries, rules, secrets
from modelyard.registry.builds.agents import revoke_tokens
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
    FAILED,
    LOST,
    QUEUED,
    STARTING,
    TIMED_OUT,
    WAITING,
    Build,
    BuildAttempt,
)
from modelyard.registry.builds.packing import pack_log
from modelyard.registry.builds.pools import Pool, Pools
from modelyard.registry.builds.usecases import recipe_of, refuse_pool, resolve_inputs
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import Again, Done, Ending, Job, Outcome

POLL = seconds(1.0)
SOON = seconds(0.25)
AWAY = seconds(5)
"""Time until an executor that did not answer is asked again."""
WAIT_FOR_ROOM = seconds(60)
"""A build that waits is woken when a place becomes free; this is only the second line."""
HELD_STEP = seconds(10)
"""Time between two notes that an executor keeps an attempt waiting."""
MOST_FAILURES = 8
"""Polls of a build that fail in a row, over some minutes, before the build ends."""
BY_ITSELF = seconds(25)
"""An agent learns of a cancellation within four seconds, gives its step ten, and may take this long altogether. Most engines would ask
its step a second time, which ends a program while it saves its work."""
LAST_WORDS = seconds(10)
"""An agent that said its last word may take this long to end by itself."""


class Secret(msgspec.Struct, frozen=True):
    """The ticket of an attempt, known only until its agent has started."""

    number: int
    token: str


def carry_on(db: Database, blobs: BlobStore, pools: Pools, job: Job) -> Ending:
    """Do what is due for a build, and say when to look again."""
    build_id = BUILD.read(job).build
    build, attempt = db.read(lambda tx: _read(tx, build_id))
    if build is None:
        return lambda _: Done()
    pack_log(db, blobs, build)
    pool = pools.find(build.pool)
    if pool is None:
        return partial(_end_without_pool, build=build)
    if attempt is None or attempt.cleaned_at is not None:
        if build.has_ended:
            return lambda _: Done()
        started = db.write(lambda tx: start_attempt(tx, pools, pool, build_id))
        if started is None:
            return lambda tx: _look_again(tx, build_id, WAIT_FOR_ROOM)
        build, attempt = db.read(lambda tx: _read(tx, build_id))
        assert build is not None
        assert attempt is not None
        return _submit(pool, build, attempt, started)
    if attempt.has_ended:
        return _clean_up(pool.executor, build, attempt, db.clock())
    return _watch(db, pool, build, attempt)


def note_failure(tx: Transaction, job: Job, reason: str) -> None:
    """Say on the build that the server could not go on with it; after some failures in a row, end it."""
    build, attempt = _read(tx, BUILD.read(job).build)
    if build is None or build.has_ended:
        return
    words = rules.reason_text(f"the server cannot go on with the build: {reason}")
    is_last = job.failures + 1 >= MOST_FAILURES
    if attempt is None or attempt.has_ended:
        if is_last:
            fail_unstarted(tx, build, words)
        else:
            queries.update_build(tx, build.id, reason=f"{words}; it tries again")
    elif attempt.heard_at is None or tx.now > attempt.heard_at + rules.LOST_AFTER:
        # An agent that is heard says by itself how the attempt ends.
        if is_last:
            end_attempt(tx, SYSTEM, build.id, attempt.number, *_lost(build, words))
        elif build.status == STARTING:
            queries.update_build(tx, build.id, reason=f"{words}; it tries again")


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
    """Begin the next attempt of a queued build, with a ticket in the name of the account that asked for it; its rights are
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
        refuse_pool(actor, pools, pool.name, recipe)
        inputs = resolve_inputs(tx, actor, recipe, build.fixed)
        secrets.refuse_unknown(tx, actor, build.model.namespace, recipe.secrets)
    except ModelyardError as error:
        fail_unstarted(tx, build, str(error))
        return None
    number = build.attempt + 1
    started_at = build.started_at or tx.now
    ticket = _issue_ticket(tx, owner, build, number)
    queries.insert_attempt(
        tx,
        build.id,
        number=number,
        status=STARTING,
        host=pool.executor.place,
        token_id=ticket.id,
        inputs=inputs,
        steps=[(step.name, WAITING) for step in rules.steps_of(build, recipe)],
    )
    queries.update_build(
        tx, build.id, status=STARTING, reason="", attempt=number, started_at=started_at, step=None
    )
    tx.append(
        events.BuildStarted(**events.about(build.model), build=build.uid, attempt=number), actor, build.model_id
    )
    return Secret(number, ticket.secret)


def _issue_ticket(tx: Transaction, owner: Account, build: Build, number: int) -> accounts.NewToken:
    return accounts.issue_program_token(
        tx,
        owner,
        name=f"build {build.uid[:12]}, begin attempt {number}",
        scope=Scope(frozenset(rules.TICKET_PERMISSIONS), build.model.namespace),
        expires_in_days=rules.TICKET_DAYS,
    )


def _submit(pool: Pool, build: Build, attempt: BuildAttempt, secret: Secret) -> Ending:
    recipe = recipe_of(build)
    resources = recipe.file.resources
    task = Task(
        rules.attempt_name(build.uid, secret.number),
        {
            "MODELYARD_URL": pool.url,
            "MODELYARD_TOKEN": secret.token,
            "MODELYARD_BUILD": build.uid,
            "MODELYARD_ATTEMPT": str(secret.number),
        },
        share=build.model.namespace,
        cpu=resources.cpu,
        gpu=resources.gpu,
        memory_bytes=recipe.memory_bytes,
        timeout_seconds=recipe.timeout_seconds,
    )
    try:
        pool.executor.submit(task)
    except TaskRefused as error:
        return _ending(build, attempt, FAILED, str(error))
    except ExecutorUnavailable as error:
        return _held(build, attempt, str(error), AWAY)
    return lambda tx: _look_again(tx, build.id, POLL)


def reissue_token(tx: Transaction, build_id: int, number: int) -> Secret | None:
    """Give an attempt whose agent has never started another token in place of the first, which is known nowhere any more.

    None: the attempt is over, was claimed after all, or its account is gone."""
    build, attempt = _read(tx, build_id)
    if build is None or attempt is None or attempt.number != number or attempt.status != STARTING:
        return None
    owner = accounts.find_account(tx, build.requester_id)
    if owner is None:
        end_attempt(
            tx, SYSTEM, build.id, number, LOST, f"the account {build.requested_by} was disabled or deleted"
        )
        return None
    ticket = _issue_ticket(tx, owner, build, number)
    revoke_tokens(tx, attempt)
    queries.update_attempt(tx, attempt.id, token_id=ticket.id)
    return Secret(number, ticket.secret)


# --- watching --------------------------------------------------------------------------------------------


def _watch(db: Database, pool: Pool, build: Build, attempt: BuildAttempt) -> Ending:
    """Look at an attempt that has not ended."""
    executor, now = pool.executor, db.clock()
    recipe = recipe_of(build)
    heard_at = attempt.heard_at
    if heard_at is not None and now > rules.deadline(build, recipe.timeout_seconds) + rules.OVERTIME:
        return _ending(build, attempt, TIMED_OUT, f"it took longer than {recipe.file.resources.timeout}")
    if heard_at is not None and now > heard_at + rules.LOST_AFTER:
        return _ending(
            build,
            attempt,
            *_lost(
                build,
                f"its agent on {attempt.host} has been silent for a minute. The end of the log may be missing",
            ),
        )
    if attempt.host != executor.place:
        return _waited(build, attempt, now) or (lambda tx: _look_again(tx, build.id, POLL))
    try:
        return _look_at(db, pool, build, attempt, executor.look(rules.attempt_name(build.uid, attempt.number)))
    except ExecutorUnavailable as error:
        if build.status == CANCELLING and heard_at is None:
            return _ending(build, attempt, CANCELLED, "cancelled before its agent started")
        if heard_at is None:
            return _held(build, attempt, str(error), AWAY)
        # The agent itself says what happens.
        return lambda tx: _look_again(tx, build.id, AWAY)


def _look_at(db: Database, pool: Pool, build: Build, attempt: BuildAttempt, look: Look) -> Ending:
    """Do what follows from the state of a task. Raises ExecutorUnavailable."""
    executor, now = pool.executor, db.clock()
    name = rules.attempt_name(build.uid, attempt.number)
    is_heard = attempt.heard_at is not None
    is_orphaned = look.state is State.RUNNING and not look.has_agent
    if look.state is State.GONE or (is_heard and (look.state is State.UNKNOWN or is_orphaned)):
        tail = executor.log_tail(name)
        words = f"{look.reason or 'its agent is gone'}, before it said how the attempt ended. The end of the log may be missing"
        return _ending(build, attempt, *_lost(build, f"{words}\n{tail}" if tail else words))
    if build.status == CANCELLING and look.state is not State.RUNNING:
        # One that still waits is taken from the cluster by the cleaning up.
        return _ending(build, attempt, CANCELLED, "cancelled before its agent started")
    if look.state is State.WAITING and not is_heard:
        if not look.can_start and now > attempt.created_at + rules.HOPELESS_AFTER:
            refused = TaskRefused(executor=executor.kind, reason=look.reason)
            return _ending(build, attempt, FAILED, str(refused))
        return _held(build, attempt, look.reason, POLL)
    waited = _waited(build, attempt, now)
    if waited is not None:
        return waited
    if look.state is State.UNKNOWN:
        secret = db.write(lambda tx: reissue_token(tx, build.id, attempt.number))
        if secret is not None:
            return _submit(pool, build, attempt, secret)
    elif build.cancel_asked_at is not None and (not is_heard or now > build.cancel_asked_at + BY_ITSELF):
        executor.cancel(name)
    return lambda tx: _look_again(tx, build.id, POLL)


def _waited(build: Build, attempt: BuildAttempt, now: int) -> Ending | None:
    """Return the end of an attempt whose agent did not begin, though nothing kept it from that; None: it still may."""
    since = max(attempt.created_at, attempt.held_at or 0)
    if attempt.heard_at is not None or now <= since + rules.START_WITHIN:
        return None
    return _ending(
        build, attempt, *_lost(build, f"its agent on {attempt.host} did not begin within two minutes")
    )


def _held(build: Build, attempt: BuildAttempt, reason: str, wait: int) -> Ending:
    """Note that the executor keeps an attempt waiting, and why. The time limit of the build does not run meanwhile."""

    def note(tx: Transaction) -> Outcome:
        now, since = tx.now, max(attempt.created_at, attempt.held_at or 0)
        if now > attempt.created_at + rules.HELD_AT_MOST:
            return _ending(build, attempt, *_lost(build, f"it did not start within a week: {reason}"))(tx)
        words = rules.reason_text(reason)
        present, of_now = _read(tx, build.id)
        if present is not None and of_now is not None and of_now.status == STARTING:
            if now >= since + HELD_STEP or attempt.held_at is None:
                assert present.started_at is not None
                queries.update_attempt(tx, attempt.id, held_at=now)
                queries.update_build(tx, build.id, started_at=present.started_at + now - since, reason=words)
            elif present.reason != words:
                queries.update_build(tx, build.id, reason=words)
        return _look_again(tx, build.id, wait)

    return note


def _ending(build: Build, attempt: BuildAttempt, status: str, reason: str) -> Ending:
    def end(tx: Transaction) -> Outcome:
        if end_attempt(tx, SYSTEM, build.id, attempt.number, status, reason) is not None:
            # At once: nothing that its agent says from now on counts.
            revoke_tokens(tx, attempt)
        return _look_again(tx, build.id, SOON)

    return end


def _lost(build: Build, reason: str) -> tuple[str, str]:
    """Return (status, reason) of an attempt whose agent no longer answers."""
    return (CANCELLED, "cancelled") if build.status == CANCELLING else (LOST, reason)


# --- cleaning up -----------------------------------------------------------------------------------------


def _clean_up(executor: Executor, build: Build, attempt: BuildAttempt, now: int) -> Ending:
    """See that the process of an ended attempt is gone, then delete its workspace and its token."""
    assert attempt.ended_at is not None
    name = rules.attempt_name(build.uid, attempt.number)
    if attempt.host == executor.place:
        is_late = now > attempt.ended_at + LAST_WORDS
        try:
            state = executor.look(name).state
            by_itself = attempt.heard_at is not None and attempt.heard_at >= attempt.ended_at
            if state in (State.WAITING, State.RUNNING) and (not by_itself or is_late):
                executor.cancel(name)
            # A task that a cluster does not give up finds no valid token if it starts after all.
            if state is State.RUNNING or (state is State.WAITING and not is_late):
                return lambda tx: _look_again(tx, build.id, SOON)
            executor.clean(name)
        except ExecutorUnavailable:
            if now <= attempt.ended_at + rules.HELD_AT_MOST:
                return lambda tx: _without_token(tx, attempt)
    return lambda tx: _cleaned(tx, build.id, attempt)


def _without_token(tx: Transaction, attempt: BuildAttempt) -> Outcome:
    """Wait for an executor that does not answer. What it still runs can say nothing any more."""
    revoke_tokens(tx, attempt)
    return Again(tx.now + AWAY)


def _cleaned(tx: Transaction, build_id: int, attempt: BuildAttempt) -> Outcome:
    _note_clean(tx, attempt)
    build = queries.find_by_id(tx, build_id)
    return Done() if build is None or build.has_ended else Again(tx.now)


def _note_clean(tx: Transaction, attempt: BuildAttempt) -> None:
    revoke_tokens(tx, attempt)
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
