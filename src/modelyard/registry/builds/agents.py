"""What the agent of an attempt asks for and reports: its plan, its source, its secrets, and how its steps go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission, Scope
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    AttemptSuperseded,
    Denied,
    FileNotFound,
    FramesMissing,
    InvalidRequest,
)
from modelyard.domain.manifest import File
from modelyard.domain.names import Ref
from modelyard.registry.access import usecases as accounts
from modelyard.registry.builds import queries, rules, secrets
from modelyard.registry.builds.endings import end_attempt, write_log
from modelyard.registry.builds.nouns import (
    CANCELLING,
    FAILED,
    RUNNING,
    SKIPPED,
    AttemptResult,
    Build,
    BuildAttempt,
    BuildStep,
    Findings,
    Frame,
)
from modelyard.registry.builds.recipe import Recipe
from modelyard.registry.builds.usecases import find_build, recipe_of
from modelyard.registry.keyring.keys import Keyring
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import usecases as versions
from modelyard.registry.withheld.refusals import bytes_withheld


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
    accounts.revoke_program_token(tx, attempt.token_id)
    if attempt.ticket_id is not None:
        accounts.revoke_program_token(tx, attempt.ticket_id)


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
    token = accounts.issue_program_token(
        tx,
        owner,
        name=f"build {build.uid[:12]}, attempt {number}",
        scope=Scope(rules.attempt_permissions(build), build.model.namespace),
        expires_in_days=rules.token_days(recipe.timeout_seconds),
    )
    if attempt.ticket_id is not None:
        accounts.revoke_program_token(tx, attempt.token_id)
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
        accounts.revoke_program_token(tx, attempt.ticket_id)
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
    texts: list[tuple[BuildStep, str, int]] = []
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
            # The clock of another machine may be wrong.
            at = max(attempt.created_at, min(report.at, tx.now))
            texts.append((step, rules.add_log(step, report.log, is_last=is_over), at))
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
