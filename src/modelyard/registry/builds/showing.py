"""A build with what a person wants next to it: the build to compare it with, what changed, some of its log, and what may be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import ModelyardError
from modelyard.domain.names import Ref
from modelyard.registry.access import rules as access
from modelyard.registry.builds import queries, rules
from modelyard.registry.builds.logs import show_lines
from modelyard.registry.builds.nouns import Build, BuildAttempt, BuildDetails, BuildStep, LogView
from modelyard.registry.builds.pools import Pools
from modelyard.registry.builds.reproducing import may_reproduce
from modelyard.registry.builds.usecases import recipe_of, show_build, view_build
from modelyard.registry.runs import usecases as runs
from modelyard.registry.versions import usecases as versions

_MOST_CHANGES = 30


class BuildPage(msgspec.Struct, frozen=True):
    """previous: the last build of the model before it that succeeded, otherwise the one before it; earlier: its steps.
    cpu, memory_bytes: what the recipe asks for. may_cancel, may_rerun: what the actor may do."""

    details: BuildDetails
    previous: Build | None
    earlier: Sequence[BuildStep]
    changes: Sequence[rules.Change]
    log: LogView
    cpu: float | None
    memory_bytes: int | None
    metrics: Sequence[tuple[str, float | str]]
    metrics_before: Mapping[str, float | str]
    may_cancel: bool
    may_rerun: bool
    may_reproduce: bool

    @property
    def network(self) -> str:
        return rules.network_words(self.details.steps)


def show_page(
    tx: Transaction,
    blobs: BlobStore,
    actor: Actor,
    pools: Pools,
    uid: str,
    step: str | None = None,
    line: int | None = None,
) -> BuildPage:
    """Return a build for a page, with the end of its log. step: only of this step; line: around this line of it.

    Raises BuildNotFound.
    """
    details = show_build(tx, actor, uid)
    build = details.view.build
    previous = queries.find_previous(tx, actor, build)
    attempt = None if previous is None else queries.find_attempt(tx, previous.id, previous.attempt)
    may_start = access.may(actor, Permission.BUILD_START, build.place)
    try:
        recipe = recipe_of(build)
    except ModelyardError:
        # This release no longer accepts it.
        recipe = None
    return BuildPage(
        details,
        previous,
        () if attempt is None else queries.list_steps(tx, attempt.id),
        [] if previous is None else _changes(tx, actor, previous, attempt, details)[:_MOST_CHANGES],
        show_lines(tx, blobs, build, step, line),
        None if recipe is None else recipe.file.resources.cpu,
        None if recipe is None else recipe.memory_bytes,
        [*details.view.metrics.items()],
        {} if previous is None else view_build(tx, previous).metrics,
        may_cancel=may_start and not build.has_ended,
        may_rerun=may_start and pools.may_run(actor, build.pool),
        may_reproduce=_may_reproduce(tx, actor, pools, build),
    )


def _may_reproduce(tx: Transaction, actor: Actor, pools: Pools, build: Build) -> bool:
    """Return whether the actor may reproduce the version that the build registered."""
    if build.version is None:
        return False
    try:
        model, version = versions.find_version(tx, actor, Ref.parse(build.version))
    except ModelyardError:
        # It was deleted, or its model is no longer readable.
        return False
    return may_reproduce(actor, pools, model, version)


def _changes(
    tx: Transaction, actor: Actor, previous: Build, attempt: BuildAttempt | None, details: BuildDetails
) -> list[rules.Change]:
    build = details.view.build
    found = rules.list_changes(previous, build)
    if attempt is not None and details.attempts:
        found += rules.list_data_changes(attempt.inputs, details.attempts[-1].inputs)
    environments = [_environment_of(tx, actor, each) for each in (previous, build)]
    # Without both of them, nothing is known to differ.
    return found + (rules.list_environment_changes(*environments) if all(environments) else [])


def _environment_of(tx: Transaction, actor: Actor, build: Build) -> Mapping[str, Any]:
    """Return the environment that the training recorded; empty if it did not, or the actor may not read runs."""
    try:
        run = runs.find_run(tx, actor, rules.run_of(build.uid, build.attempt))
    except ModelyardError:
        return {}
    return run.facts.value.get("environment") or {}
