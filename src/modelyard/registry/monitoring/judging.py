"""Close windows, judge them, and decide whether a deployment needs retraining: the chore of monitoring.

Each window is judged by one transaction, which stores it only if no other one did, and only for the parts that were compared. A
process that is killed leaves all of that or nothing; another one starts from the same rows and comes to the same result. A window
with too few rows is stored as small, and its parts are judged together with those of the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobNotFound, InvalidFact
from modelyard.domain.monitoring import (
    AGE,
    DATA,
    DAY,
    RECALLED,
    JudgedWindow,
    Reason,
    drift_reasons,
    judge_columns,
    may_enter,
)
from modelyard.domain.profile import Profile, read_profile
from modelyard.domain.profile_merge import merge_profiles
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.deployments import moving
from modelyard.registry.deployments import queries as deployment_queries
from modelyard.registry.deployments.nouns import Deployment, Revision
from modelyard.registry.monitoring import queries, rules
from modelyard.registry.monitoring.nouns import (
    COUNTED,
    JUDGED,
    SMALL,
    Counts,
    MonitorSettings,
    ObservedWindow,
    Part,
    RetrainingState,
)
from modelyard.registry.monitoring.queries import WaitingWindow

_AT_ONCE = 5000
_MOST_SMALL = 48
"""So many small windows are judged together at most; rows of earlier ones are left out."""
_FORGET_AT_ONCE = 500


def judge_windows(db: Database, blobs: BlobStore) -> int:
    """Judge the windows that have closed. Returns how many were."""
    now = db.clock()
    waiting = [
        each
        for each in db.read(lambda tx: queries.list_waiting(tx, _AT_ONCE))
        if rules.is_closed(each.start, each.length, each.newest, now)
    ]
    count = 0
    for each in waiting:
        count += _judge(db, blobs, each)
    return count


class _Basis(msgspec.Struct, frozen=True):
    """All that a window is judged by. small: windows before it that wait for it, newest first. training: digest of the profile of
    the version's training data."""

    deployment: Deployment
    revision: Revision
    settings: MonitorSettings
    parts: Sequence[Part]
    small: Sequence[ObservedWindow]
    training: Digest | None
    first: Sequence[Part]
    previous: Sequence[Part]


def _judge(db: Database, blobs: BlobStore, waiting: WaitingWindow) -> bool:
    basis = db.read(lambda tx: _read(tx, waiting))
    if basis is None:
        return False
    window = _compare(blobs, basis, waiting)
    return db.write(lambda tx: _store(tx, waiting, basis, window))


def _read(tx: Transaction, waiting: WaitingWindow) -> _Basis | None:
    deployment = deployment_queries.find_by_id(tx, waiting.deployment_id)
    revision = deployment_queries.find_revision(tx, waiting.deployment_id, waiting.revision)
    if deployment is None or revision is None:
        return None
    before = queries.list_revision_windows(tx, deployment.id, waiting.revision, waiting.start, _MOST_SMALL)
    small: list[ObservedWindow] = []
    previous: Sequence[Part] = ()
    for each in before:
        if each.state == SMALL:
            small.append(each)
            continue
        if each.state == JUDGED:
            previous = _parts_of(tx, deployment.id, each)
        break
    first = queries.find_first_judged(tx, deployment.id, revision.version_id)
    training = next(
        (each.profile for each in queries.list_training_data(tx, revision.version_id) if each.profile), None
    )
    starts = [waiting.start, *(each.start for each in small)]
    return _Basis(
        deployment,
        revision,
        queries.find_settings(tx, deployment.id),
        queries.list_parts(tx, deployment.id, waiting.revision, starts),
        small,
        training,
        () if first is None else _parts_of(tx, deployment.id, first),
        previous,
    )


def _parts_of(tx: Transaction, deployment_id: int, window: ObservedWindow) -> list[Part]:
    """List the parts of a judged window, with those of the small ones that were judged with it."""
    between = queries.list_revision_windows(tx, deployment_id, window.revision, window.start, _MOST_SMALL)
    starts = [window.start, *(each.start for each in between if each.start >= window.since)]
    return queries.list_parts(tx, deployment_id, window.revision, starts)


def _compare(blobs: BlobStore, basis: _Basis, waiting: WaitingWindow) -> ObservedWindow:
    own = [each for each in basis.parts if each.start == waiting.start]
    counts = reduce(Counts.plus, (each.counts for each in own), Counts())
    merged = _merged(basis.parts)
    state, columns = SMALL, []
    if merged is None:
        state = COUNTED
    elif merged.rows >= basis.settings.least_rows:
        state = JUDGED
        columns = judge_columns(
            merged,
            _stored_profile(blobs, basis.training),
            _merged(basis.first),
            _merged(basis.previous),
            limit=basis.settings.limit,
            limits=basis.settings.limits,
        )
    since = min([waiting.start, *(each.start for each in basis.small)]) if state == JUDGED else waiting.start
    return ObservedWindow(
        waiting.revision,
        waiting.start,
        basis.revision.version,
        since,
        waiting.start + waiting.length,
        state,
        counts,
        {each.name: round(each.psi or 0.0, 6) for each in columns if each.is_over},
        0,
        columns,
    )


def _merged(parts: Sequence[Part]) -> Profile | None:
    """Return the profile of all parts together; None: none of them has one. Parts whose columns have other types are left out."""
    profiles = [read_profile(each.profile) for each in parts if each.profile is not None]
    profiles = [each for each in profiles if each.rows]
    if not profiles:
        return None
    try:
        return merge_profiles(profiles)
    except InvalidFact:
        newest = profiles[-1]
        types = {name: column.type for name, column in newest.columns.items()}
        same = [p for p in profiles if {name: c.type for name, c in p.columns.items()} == types]
        return merge_profiles(same)


def _stored_profile(blobs: BlobStore, digest: Digest | None) -> Profile | None:
    if digest is None:
        return None
    try:
        return datasets.read_stored_profile(blobs, digest)
    except (BlobNotFound, InvalidFact):
        return None


def _store(tx: Transaction, waiting: WaitingWindow, basis: _Basis, window: ObservedWindow) -> bool:
    """Store what was judged, unless somebody else did, or another part came meanwhile. Returns whether it was stored."""
    tx.leaves_rights = True
    deployment = deployment_queries.lock_by_id(tx, waiting.deployment_id)
    if deployment is None:
        return False
    present = queries.list_parts(tx, deployment.id, waiting.revision, [waiting.start])
    seen = [each for each in basis.parts if each.start == waiting.start]
    if [(p.part, p.received_at) for p in present] != [(p.part, p.received_at) for p in seen]:
        return False
    if not queries.insert_window(
        tx, deployment.id, basis.revision.version_id, window, has_columns=window.state == JUDGED
    ):
        return False
    _forget_parts(tx, deployment, basis, window)
    review(tx, deployment)
    return True


def _forget_parts(tx: Transaction, deployment: Deployment, basis: _Basis, window: ObservedWindow) -> None:
    """Keep only parts that later windows are compared or merged with: of this window, of the first one of the version that serves,
    and of the small ones that wait."""
    kept = [(window.revision, start) for start in (window.start, *(each.start for each in basis.small))]
    if window.state != JUDGED:
        kept += [(each.revision, each.start) for each in basis.previous]
    kept += [(each.revision, each.start) for each in basis.first]
    if deployment.version_id != basis.revision.version_id:
        first = queries.find_first_judged(tx, deployment.id, deployment.version_id)
        if first is not None:
            kept += [(each.revision, each.start) for each in _parts_of(tx, deployment.id, first)]
        serving = queries.list_revision_windows(tx, deployment.id, deployment.serving, 1 << 60, _MOST_SMALL)
        kept += [(each.revision, each.start) for each in serving]
    queries.forget_parts(tx, deployment.id, kept)


# --- needs retraining ------------------------------------------------------------------------------------


def review_deployments(db: Database) -> None:
    """Look at the reasons that come without a window: age, newer data, a recall, another version that serves."""
    for deployment_id, _ in db.read(deployment_queries.list_all):
        if db.read(lambda tx, each=deployment_id: _would_change(tx, each)):  # type: ignore[misc]
            db.write(lambda tx, each=deployment_id: _review_one(tx, each))  # type: ignore[misc]


def _would_change(tx: Transaction, deployment_id: int) -> bool:
    deployment = deployment_queries.find_by_id(tx, deployment_id)
    if deployment is None or deployment.is_removed:
        return False
    state = queries.find_retraining(tx, deployment_id)
    found = list_reasons(tx, deployment)
    if state is None:
        return bool(found)
    settings = queries.find_settings(tx, deployment_id)
    if state.since is None and found:
        return (
            may_enter(tx.now, state.left_at, settings.cool_down_seconds * MICROSECONDS)
            or list(state.reasons) != found
        )
    return list(state.reasons) != found


def _review_one(tx: Transaction, deployment_id: int) -> None:
    tx.leaves_rights = True
    deployment = deployment_queries.lock_by_id(tx, deployment_id)
    if deployment is not None and not deployment.is_removed:
        review(tx, deployment)


def review(tx: Transaction, deployment: Deployment) -> None:
    """Enter or leave the state `needs retraining`, each once, with an event. The deployment's row is locked."""
    settings = queries.find_settings(tx, deployment.id)
    state = queries.find_retraining(tx, deployment.id) or RetrainingState([], None, None, tx.now)
    reasons = list_reasons(tx, deployment)
    since, left_at = state.since, state.left_at
    about = moving.about(deployment, deployment.version)
    if reasons and since is None:
        if may_enter(tx.now, left_at, settings.cool_down_seconds * MICROSECONDS):
            since = tx.now
            event = events.DeploymentNeedsRetraining(
                **about, revision=deployment.serving, reasons=[each.words for each in reasons]
            )
            tx.append(event, SYSTEM, deployment.model_id)
    elif not reasons and since is not None:
        since, left_at = None, tx.now
        words = "none of the reasons holds any more"
        tx.append(
            events.DeploymentRetrainingNotNeeded(**about, revision=deployment.serving, reason=words),
            SYSTEM,
            deployment.model_id,
        )
    if (list(state.reasons), state.since) != (reasons, since):
        queries.store_retraining(tx, deployment.id, RetrainingState(reasons, since, left_at, tx.now))


def list_reasons(tx: Transaction, deployment: Deployment) -> list[Reason]:
    """Return why a deployment needs retraining now, as far as is known."""
    if deployment.is_stopped:
        return []
    settings = queries.find_settings(tx, deployment.id)
    command = f"modelyard retrain {deployment.reference}"
    windows = queries.list_windows(
        tx, deployment.id, settings.of, version_id=deployment.version_id, state=JUDGED
    )
    found = drift_reasons(
        [JudgedWindow(each.over) for each in windows], settings.over, settings.of, settings.limit, command
    )
    model = moving.model_of(tx, SYSTEM, deployment)
    serving = deployment_queries.find_revision(tx, deployment.id, deployment.serving)
    assert serving is not None
    version = moving.version_of(tx, model, serving)
    age = (tx.now - version.created_at) // MICROSECONDS
    if settings.max_age_seconds is not None and age > settings.max_age_seconds:
        # Whole units of the limit, so that the words do not change with each look.
        times = age // max(1, settings.max_age_seconds)
        found.append(
            Reason(
                AGE,
                f"v{version.number} is older than its limit",
                f"over {times} times the limit" if times > 1 else "over the limit",
                _duration(settings.max_age_seconds),
                "",
                command,
            )
        )
    if version.recall is not None:
        found.append(
            Reason(
                RECALLED,
                f"v{version.number} was recalled: {version.recall.reason}"[:300],
                "yes",
                "no",
                "",
                f"modelyard rollback {deployment.full_name}",
            )
        )
    if settings.newer_data:
        for each in queries.list_training_data(tx, version.id):
            if each.newer is not None:
                found.append(
                    Reason(
                        DATA,
                        f"{each.name} has newer content than v{version.number} was trained on",
                        str(each.newer)[:19],
                        str(each.digest)[:19],
                        "",
                        command,
                    )
                )
    return found


def _duration(seconds: int) -> str:
    return f"{seconds // DAY} d" if seconds >= DAY and seconds % DAY == 0 else f"{seconds} s"


def forget_windows(tx: Transaction) -> bool:
    """Delete some windows that are old enough. Returns whether there may be more."""
    tx.leaves_rights = True
    before = tx.now // MICROSECONDS - rules.KEEP_SECONDS
    return queries.forget_windows(tx, before, _FORGET_AT_ONCE) >= _FORGET_AT_ONCE
