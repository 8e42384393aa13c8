"""End attempts and builds, write their logs, and wake the builds that may start then."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Actor
from modelyard.domain.errors import InvalidRecipe
from modelyard.registry.builds import log_queries, queries, rules, verdicts
from modelyard.registry.builds.line_times import read_times, times_of_texts, within, write_times
from modelyard.registry.builds.nouns import (
    FAILED,
    LOST,
    QUEUED,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    WAITING,
    Build,
    BuildStep,
    LogPiece,
)
from modelyard.registry.builds.recipe import parse_recipe
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import JobKind


class CarryOut(msgspec.Struct, frozen=True):
    """build: id of its row."""

    build: int


BUILD = JobKind("build", CarryOut)
"""A short poll, again and again, from the submission of a build until nothing of it is left on the machine."""


def wake(tx: Transaction, build: Build) -> None:
    """Look at a build at once."""
    assert build.place.namespace is not None
    jobs.enqueue(tx, BUILD, CarryOut(build.id), key=build.uid, namespace=build.place.namespace)


def wake_next(tx: Transaction, pool: str, slots: int | None = None) -> None:
    """Look at once at the queued builds that may start. slots: of the pool; None: as if one place had become free."""
    builds = queries.list_open(tx, pool)
    if slots is None:
        slots = sum(build.status != QUEUED for build in builds) + 1
    for build in rules.choose_next(builds, slots):
        jobs.enqueue(tx, BUILD, CarryOut(build.id), key=build.uid, namespace=build.namespace)


def end_build(tx: Transaction, actor: Actor, build: Build, status: str, reason: str) -> None:
    """End a build for good, and let the next one of its pool start."""
    if build.reproduces is not None:
        reason, second = verdicts.judge(tx, build, status, reason)
        if second is not None:
            assert build.place.namespace is not None
            jobs.enqueue(tx, BUILD, CarryOut(second[0]), key=second[1], namespace=build.place.namespace)
    reason = rules.reason_text(reason)
    found = queries.find_by_id(tx, build.id)
    number = None if found is None else found.version_number
    if number is None and status != SUCCEEDED:
        # The agent may have registered a version, and ended before it could say so.
        number = queries.find_version_made_by(tx, build)
    queries.update_build(tx, build.id, status=status, reason=reason, ended_at=tx.now, version_number=number)
    if found is not None:
        queries.count_more(tx, build.id, rules.kept_log_bytes(found.log_bytes))
    tx.append(
        events.BuildEnded(
            **events.about(build.model),
            build=build.uid,
            attempt=build.attempt,
            status=status,
            reason=reason,
            number=number,
        ),
        actor,
        build.model_id,
    )
    wake_next(tx, build.pool)


def end_attempt(
    tx: Transaction, actor: Actor, build_id: int, number: int, status: str, reason: str
) -> str | None:
    """End an attempt, and its build unless the recipe asks for another attempt. Returns the state of the build; None if the
    attempt had ended before. Its process, workspace and token are removed by the job of the build."""
    build = queries.find_by_id(tx, build_id)
    attempt = queries.find_attempt(tx, build_id, number)
    if build is None or attempt is None or attempt.has_ended or build.has_ended:
        return None
    reason = rules.reason_text(reason)
    _end_steps(tx, build, attempt.id, status, reason)
    queries.update_attempt(tx, attempt.id, status=status, reason=reason, ended_at=tx.now)
    try:
        left = parse_recipe(build.recipe, params=build.params.value, model=str(build.model)).attempts_left_after
    except InvalidRecipe:
        left = {}
    following = rules.status_after(status, number, left, cancelled=build.cancel_asked_at is not None)
    if following == QUEUED:
        words = (
            f"attempt {number} ended as {status}: {reason}" if reason else f"attempt {number} ended as {status}"
        )
        queries.update_build(tx, build.id, status=QUEUED, reason=f"{words}; another attempt follows", step=None)
        wake_next(tx, build.pool)
    else:
        end_build(tx, actor, build, following, reason)
    wake(tx, build)
    return following


def _end_steps(tx: Transaction, build: Build, attempt_id: int, status: str, reason: str) -> None:
    """Close what the agent left open: steps that wait or run, and lines without an end."""
    texts: list[tuple[BuildStep, str, int]] = []
    changed = []
    for step in queries.list_steps(tx, attempt_id):
        if step.open_line:
            texts.append((step, rules.add_log(step, "", is_last=True), tx.now))
        elif step.state not in (WAITING, RUNNING):
            continue
        if step.state == RUNNING:
            step.state, step.ended_at = FAILED, tx.now
            step.reason = step.reason or (reason if status != LOST else f"the agent was lost: {reason}")
        elif step.state == WAITING:
            step.state = SKIPPED
        changed.append(step)
    write_log(tx, build, texts)
    for step in changed:
        queries.set_step(tx, attempt_id, step)


def write_log(tx: Transaction, build: Build, texts: Sequence[tuple[BuildStep, str, int]]) -> None:
    """Append texts of steps, each with its time, to the log, in their order, and count their bytes in the steps; above the limit
    the middle of the log is deleted."""
    runs = [
        (step, [(text, at // 1000) for _, text, at in group])
        for step, group in _by_step([each for each in texts if each[1]])
    ]
    if not runs:
        return
    # The build as it was read may be older than what this change has written.
    last = log_queries.find_last_piece(tx, build.id)
    end = last.position + len(last.text.encode()) if last else 0
    pieces: list[LogPiece] = []
    for step, timed in runs:
        times = times_of_texts(timed, step.log_lines)
        for cut in rules.cut_pieces("".join(text for text, _ in timed)):
            size, first = len(cut.encode()), step.log_lines + 1
            here = within(times, first, first + cut.count("\n"))
            if not pieces and last is not None and _fits(last, build, step, size):
                known = read_times(last.times)
                here = [each for each in here if not known or each[0] > known[-1][0]]
                last = msgspec.structs.replace(last, text=last.text + cut, times=write_times([*known, *here]))
                log_queries.set_piece(tx, build.id, last)
            else:
                place = (end, build.attempt, step.name, step.log_bytes, step.log_lines)
                pieces.append(LogPiece(*place, cut, write_times(here)))
            step.log_bytes += size
            step.log_lines += cut.count("\n")
            end += size
    log_queries.add_pieces(tx, build.id, pieces)
    queries.update_build(tx, build.id, log_bytes=end)
    if end > rules.LOG_HEAD_BYTES + rules.LOG_TAIL_BYTES:
        log_queries.cut_log(tx, build.id, rules.LOG_HEAD_BYTES, end - rules.LOG_TAIL_BYTES)


def _by_step(
    texts: Sequence[tuple[BuildStep, str, int]],
) -> list[tuple[BuildStep, list[tuple[BuildStep, str, int]]]]:
    """Return the texts in their order, those of one step that follow one another together."""
    return [
        (group[0][0], group) for group in ([*each] for _, each in groupby(texts, lambda text: text[0].name))
    ]


def _fits(last: LogPiece, build: Build, step: BuildStep, size: int) -> bool:
    """Return whether a text may continue the last piece of the log."""
    is_same = (last.attempt, last.step) == (build.attempt, step.name)
    return is_same and len(last.text.encode()) + size <= rules.PIECE_BYTES


def fail_unstarted(tx: Transaction, build: Build, reason: str) -> None:
    """End a queued build whose attempt cannot start."""
    end_build(tx, SYSTEM, build, FAILED, reason)
