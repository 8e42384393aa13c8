"""Start, record, find, read and delete runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard.db.json_columns import dump_json
from modelyard.db.tables import run_artifacts, run_inputs, run_metrics, run_params, run_tags
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    ExperimentNotFound,
    FileNotFound,
    HasDependents,
    Invalid,
    InvalidDigest,
    InvalidPath,
    InvalidReference,
    MissingBlobs,
    ModelyardError,
    NotFound,
    RecordsMissing,
    RunNotFound,
    SeriesNotFound,
)
from modelyard.domain.manifest import File
from modelyard.domain.names import ModelName, Ref
from modelyard.domain.paths import check_path
from modelyard.domain.secrets import mask, mask_json
from modelyard.domain.texts import near_words
from modelyard.domain.times import MICROSECONDS
from modelyard.registry import edges
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.datasets import rules as dataset_rules
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.runs import list_queries, queries, rules, series, series_queries
from modelyard.registry.runs.nouns import Experiment, Metric, Run
from modelyard.registry.runs.rules import Artifact, RecordBatch, RunSearch
from modelyard.registry.scan.serving import Holder, refuse_held_bytes
from modelyard.registry.scan.waiting import ask_for_scans
from modelyard.registry.terms.usecases import refuse_unaccepted_bytes
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import usecases as versions
from modelyard.registry.withheld.refusals import bytes_withheld

_MOST_NAMED = 1000
_LEAST_STEP, _MOST_STEP = -(2**63), 2**63 - 1
_LOG_PIECES = 1_000


# --- writing ---------------------------------------------------------------------------------------------


class RunStart(msgspec.Struct, frozen=True):
    uid: str
    experiment: ModelName
    name: str
    parent: str | None
    started_at: int


def start_run(
    tx: Transaction, actor: Actor, settings: catalog.CatalogSettings, start: RunStart
) -> tuple[Run, bool]:
    """Return (the run, whether it is new); starting a run twice is not an error.

    The experiment, and if necessary its namespace, is created if it is missing.
    """
    uid = rules.parse_uid(start.uid)
    found = queries.find_run(tx, actor, uid)
    if found is not None:
        access.check(actor, Permission.RUN_LOG, found.place, lambda: RunNotFound(run=uid))
        return found, False
    parent = rules.parse_uid(start.parent) if start.parent else None
    namespace = catalog.ensure_namespace(tx, actor, settings, start.experiment.namespace, Permission.RUN_LOG)
    experiment_id = queries.count_run_in_experiment(tx, actor, namespace.id, start.experiment.name)
    queries.insert_run(
        tx,
        actor,
        uid=uid,
        namespace_id=namespace.id,
        experiment_id=experiment_id,
        name=(mask(start.name.strip()) or uid[:8])[: rules.MAX_RUN_NAME],
        parent=parent,
        status=rules.RUNNING,
        started_at=start.started_at,
    )
    run = queries.find_run(tx, actor, uid)
    assert run is not None
    tx.append(
        events.RunStarted(
            namespace=run.namespace, run=uid, name=run.name, experiment=run.experiment_ref, parent=parent
        ),
        actor,
    )
    return run, True


def find_run(
    tx: Transaction, actor: Actor, uid: str, permission: Permission = Permission.NAMESPACE_READ
) -> Run:
    """Return the run with this id, or the only readable one whose id begins with it.

    Raises RunNotFound, Denied, Unauthenticated; Invalid if several ids begin with it.
    """
    found = queries.find_run(tx, actor, uid)
    if found is None and rules.is_beginning(uid):
        found = _find_by_beginning(tx, actor, uid)
    if found is None:
        if actor.is_anonymous:
            access.check(actor, permission, access.SERVER)
        raise RunNotFound(run=uid[:60])
    access.check(actor, permission, found.place, lambda: RunNotFound(run=uid))
    return found


def _find_by_beginning(tx: Transaction, actor: Actor, text: str) -> Run | None:
    runs = list_queries.list_runs(tx, actor, rules.RunSearch(uid=text), None, 2)
    if len(runs) > 1:
        raise Invalid(reason=f"several run ids begin with {text}", fix="Give more digits of the id")
    return runs[0] if runs else None


def store_records(
    tx: Transaction, actor: Actor, uid: str, header: rules.BatchHeader, read: Callable[[RecordBatch, int], None]
) -> tuple[int, list[str]]:
    """Store the new part of a batch. Returns (number of the last stored frame, notes on this batch).

    read: adds the frame at a position in the batch to the records to store; called only for new frames.
    Raises RecordsMissing if frames before this batch are missing, MissingBlobs for an artifact whose bytes are not
    stored; then nothing of the batch is stored.
    """
    tx.leaves_rights = True
    run = find_run(tx, actor, uid, Permission.RUN_LOG)
    known = queries.find_last_number(tx, run.id, header.writer)
    if header.first > known + 1:
        raise RecordsMissing(run=uid, known=known, given=header.first)
    batch = RecordBatch()
    for position in range(max(0, known + 1 - header.first), header.count):
        read(batch, position)
    last = max(known, header.first + header.count - 1)
    _store(tx, actor, run, batch)
    if last > known:
        queries.set_last_number(tx, run.id, header.writer, last)
    skew = 0 if header.clock is None else tx.now - header.clock
    if abs(skew) <= rules.SKEW_MICROSECONDS:
        skew = 0
    log_bytes = _store_log(tx, run, batch)
    queries.hear(tx, run.id, skew, log_bytes)
    if batch.notes:
        _store_notes(tx, run, batch.notes)
    if batch.resumed and run.status != rules.RUNNING:
        queries.set_status(tx, run.id, rules.RUNNING, None, None)
    if batch.end is not None:
        _end(tx, actor, run, batch.end)
    return last, batch.notes


def _store(tx: Transaction, actor: Actor, run: Run, batch: RecordBatch) -> None:
    if batch.points:
        known = series_queries.find_metrics(tx, run.id, list(batch.points))
        new = [name for name in batch.points if name not in known]
        left_out = _too_many(tx, batch, run_metrics, run.id, new, rules.MAX_METRICS, "metrics")
        kept = {name: points for name, points in batch.points.items() if name not in left_out and points}
        series_queries.add_points(tx, run.id, known, kept)
    if batch.params:
        left_out = _too_many(tx, batch, run_params, run.id, list(batch.params), rules.MAX_PARAMS, "params")
        queries.set_params(tx, run.id, {n: v for n, v in batch.params.items() if n not in left_out})
    if batch.tags:
        left_out = _too_many(tx, batch, run_tags, run.id, list(batch.tags), rules.MAX_TAGS, "tags")
        queries.set_tags(tx, run.id, {k: v for k, v in batch.tags.items() if k not in left_out})
    if batch.artifacts:
        _store_artifacts(tx, actor, run, batch)
    for entry in batch.inputs:
        _store_input(tx, actor, run, batch, mask_json(entry))
    for reference in batch.versions:
        _store_version(tx, actor, run, batch, reference)
    if batch.facts:
        merged = rules.merge_facts(run.facts.value, mask_json(batch.facts))
        if len(dump_json(merged) or "") > rules.MAX_FACTS_BYTES:
            batch.note(f"Facts that would take more than {rules.MAX_FACTS_BYTES} bytes were left out.")
        else:
            queries.set_facts(tx, run.id, merged)


def _too_many(
    tx: Transaction, batch: RecordBatch, table: Any, run_id: int, names: Sequence[str], limit: int, what: str
) -> set[str]:
    """Return the names beyond the limit, and note them on the run."""
    if not names:
        return set()
    room = limit - queries.count_names(tx, table, run_id)
    if room >= len(names):
        return set()
    # Existing names count twice against the limit, which is exact enough near it.
    left_out = set(names[max(0, room) :])
    batch.note(f"A run holds at most {limit} {what}; later ones were left out.")
    return left_out


def _store_artifacts(tx: Transaction, actor: Actor, run: Run, batch: RecordBatch) -> None:
    valid: dict[str, Artifact] = {}
    for path, artifact in batch.artifacts.items():
        try:
            check_path(path)
            valid[path] = Artifact(
                path, Digest.parse(artifact.digest), artifact.size_bytes, artifact.media_type
            )
        except (InvalidPath, InvalidDigest) as error:
            batch.note(f"Artifact {path[:100]!r} was left out: {error.message}.")
    left_out = _too_many(tx, batch, run_artifacts, run.id, list(valid), rules.MAX_ARTIFACTS, "artifacts")
    kept = [artifact for path, artifact in valid.items() if path not in left_out]
    digests = {Digest(artifact.digest) for artifact in kept}
    sizes = uploads.find_known_sizes(tx, actor, digests, refuse_withheld=False)
    if len(sizes) < len(digests):
        withheld = set(uploads.list_withheld_among(tx, digests - set(sizes)))
        for artifact in kept:
            if artifact.digest in withheld:
                reason = bytes_withheld(tx, Digest(artifact.digest)).message
                batch.note(f"Artifact {artifact.path[:100]!r} was left out: {reason}.")
        kept = [artifact for artifact in kept if artifact.digest not in withheld]
        digests -= withheld
    missing = sorted(digests - set(sizes))
    if missing:
        raise MissingBlobs(count=len(missing), first=missing[0], digests=missing[:1000])
    full = catalog.words_above_quota(tx, run.namespace, sum(sizes[Digest(each.digest)] for each in kept))
    if full:
        batch.note(f"Files were left out, the first {kept[0].path[:100]!r}: {full}.")
        return
    queries.set_artifacts(
        tx, actor, run, [Artifact(a.path, a.digest, sizes[Digest(a.digest)], a.media_type) for a in kept]
    )
    unread = [digest for digest, read in uploads.find_read(tx, digests).items() if read.scan is None]
    ask_for_scans(tx, unread, run.namespace)


def _store_input(tx: Transaction, actor: Actor, run: Run, batch: RecordBatch, entry: Mapping[str, Any]) -> None:
    name, digest = entry.get("name"), entry.get("digest")
    try:
        if not isinstance(name, str) or not isinstance(digest, str) or not name:
            raise InvalidReference(value=str(name)[:60], reason="an input has a name and a digest")
        digest = str(Digest.parse(digest))
    except ModelyardError as error:
        batch.note(f"Input {str(name)[:60]!r} was left out: {error.message}.")
        return
    if not _too_many(tx, batch, run_inputs, run.id, [name], rules.MAX_INPUTS, "inputs"):
        text = dump_json(dict(entry))
        assert text is not None
        queries.set_input(tx, actor, run.id, batch.name(name, "an input"), digest, text)
        for known in dataset_rules.find_entries([entry]):
            reader = edges.node(edges.RUN, run.uid)
            datasets.note_use(tx, actor, run.namespace, known, reader, "read")


def _store_version(tx: Transaction, actor: Actor, run: Run, batch: RecordBatch, reference: str) -> None:
    try:
        _, version = versions.find_version(tx, actor, Ref.parse(reference, run.namespace))
    except (NotFound, InvalidReference) as error:
        batch.note(f"Version {reference[:100]!r} was not noted: {error.message}.")
        return
    queries.add_version(tx, run.id, version.id)
    here = edges.node(edges.VERSION, version.id)
    edges.add_edges(tx, [edges.Edge(edges.node(edges.RUN, run.uid), here, "produced")])


def _store_log(tx: Transaction, run: Run, batch: RecordBatch) -> int:
    """Store a piece of the log. Returns its new length in bytes."""
    if not batch.log:
        return run.log_bytes
    room = rules.MAX_LOG_BYTES - run.log_bytes
    # A credential may have begun in the last stored line. The stored text keeps its length, so that positions in
    # the log stay valid.
    piece = queries.find_last_log(tx, run.id) if run.log_bytes else None
    begun = piece[1][piece[1].rfind("\n") + 1 :] if piece else ""
    masked = mask(begun + batch.log, same_length=True) if begun else mask(batch.log)
    if piece and masked[: len(begun)] != begun:
        queries.set_log(tx, run.id, piece[0], piece[1].removesuffix(begun) + masked[: len(begun)])
    whole = masked[len(begun) :]
    text = rules.cut_utf8(whole, room)
    if len(text) < len(whole):
        batch.note(f"The log is longer than {rules.MAX_LOG_BYTES} bytes; the rest was left out.")
    if text:
        queries.add_log(tx, run.id, run.log_bytes, text)
    return run.log_bytes + len(text.encode())


def _store_notes(tx: Transaction, run: Run, notes: Sequence[str]) -> None:
    before = run.notes.value
    merged = [*before, *[words for words in notes if words not in before]]
    if merged != before:
        queries.set_notes(tx, run.id, merged[: rules.MAX_NOTES])


def _end(tx: Transaction, actor: Actor, run: Run, end: rules.RunEnd) -> None:
    queries.set_status(tx, run.id, end.status, end.exit_code, end.at)
    tx.append(
        events.RunEnded(
            namespace=run.namespace,
            run=run.uid,
            name=run.name,
            experiment=run.experiment_ref,
            status=end.status,
            exit_code=end.exit_code,
        ),
        actor,
    )


def delete_run(tx: Transaction, actor: Actor, uid: str) -> None:
    """Delete a run. Raises HasDependents while versions that it produced exist."""
    run = find_run(tx, actor, uid, Permission.RUN_DELETE)
    made = queries.list_versions(tx, run.id)
    if made:
        raise HasDependents(
            what=f"run {run.name}",
            dependents=", ".join(made[:10]),
            remedy="Keep the run: it says how these versions were made",
        )
    queries.delete_run(tx, run)
    edges.remove_node(tx, edges.node(edges.RUN, run.uid))
    tx.append(
        events.RunDeleted(namespace=run.namespace, run=run.uid, name=run.name, experiment=run.experiment_ref),
        actor,
    )


# --- reading ---------------------------------------------------------------------------------------------


class RunView(msgspec.Struct, frozen=True):
    """A run with everything except its points, its log and its files' bytes."""

    run: Run
    params: Mapping[str, Any]
    metrics: Sequence[Metric]
    tags: Mapping[str, str]
    inputs: Sequence[Mapping[str, Any]]
    artifacts: Sequence[Artifact]
    versions: Sequence[str]
    is_silent: bool


def show_run(tx: Transaction, actor: Actor, uid: str) -> RunView:
    run = find_run(tx, actor, uid)
    return RunView(
        run,
        queries.list_params(tx, run.id),
        series_queries.list_metrics(tx, run.id),
        queries.list_tags(tx, run.id),
        queries.list_inputs(tx, run.id),
        queries.list_artifacts(tx, run.id),
        queries.list_versions(tx, run.id),
        rules.is_silent(run.status, run.heard_at, tx.now),
    )


class ListedRun(msgspec.Struct, frozen=True):
    """A run with its first few params, metrics and tags."""

    run: Run
    params: Mapping[str, Any]
    metrics: Mapping[str, float | str]
    tags: Mapping[str, str]
    is_silent: bool


def list_runs(
    tx: Transaction, actor: Actor, search: RunSearch, before: int | None, limit: int
) -> list[ListedRun]:
    """List runs, newest first. Raises ExperimentNotFound, with near names, if the actor sees no such experiment."""
    if search.parent and rules.is_beginning(search.parent):
        search = replace(search, parent=find_run(tx, actor, search.parent).uid)
    runs = list_queries.list_runs(tx, actor, search, before, limit)
    if not runs and search.experiment is not None and before is None:
        _refuse_unknown_experiment(tx, actor, search)
    params, metrics, tags = list_queries.list_shown(tx, [run.id for run in runs])
    return [
        ListedRun(
            run,
            params.get(run.id, {}),
            metrics.get(run.id, {}),
            tags.get(run.id, {}),
            rules.is_silent(run.status, run.heard_at, tx.now),
        )
        for run in runs
    ]


def _refuse_unknown_experiment(tx: Transaction, actor: Actor, search: rules.RunSearch) -> None:
    experiments = list_queries.list_experiments(tx, actor, search.namespace, None, _MOST_NAMED)
    if any(experiment.name == search.experiment for experiment in experiments):
        return
    wanted = "/".join(part for part in (search.namespace, search.experiment) if part)
    near = near_words(wanted, [f"{e.namespace}/{e.name}" for e in experiments])
    fix = f"Similar names: {', '.join(near)}" if near else None
    raise ExperimentNotFound(experiment=wanted, fix=fix)


class Series(msgspec.Struct, frozen=True):
    metric: Metric
    points: series.Points
    sampled: bool
    """Whether there are more points than these."""


def read_series(
    tx: Transaction,
    actor: Actor,
    uid: str,
    name: str,
    *,
    from_step: int | None = None,
    to_step: int | None = None,
    most_points: int = 1000,
    by: str = series.BY_STEP,
) -> Series:
    """Return at most `most_points` points of a metric, chosen so that the chart looks the same.

    by: step or time. Raises SeriesNotFound, InvalidRequest.
    """
    series.check_selection(most_points, by, from_step, to_step)
    by_time = by == series.BY_TIME
    run = find_run(tx, actor, uid)
    metric = series_queries.find_metric(tx, run.id, name)
    if metric is None:
        raise SeriesNotFound(run=uid, metric=name[:100])
    low = _LEAST_STEP if from_step is None else from_step
    high = _MOST_STEP if to_step is None else to_step
    summaries = series_queries.list_summaries(tx, metric.id, low, high)
    if not summaries:
        return Series(metric, series.Points(), sampled=False)
    if not series.reads_blocks(summaries):
        found = series.sample_summaries(summaries, most_points)
        return Series(metric, series.ordered(found, by_time=by_time), sampled=True)
    every = series_queries.read_points(tx, metric.id, low, high)
    found = series.sample(series.ordered(every, by_time=by_time), most_points)
    return Series(metric, found, sampled=len(found) < len(every))


def find_artifact(tx: Transaction, actor: Actor, uid: str, path: str) -> File:
    """Return a file that may be served. Raises RunNotFound, FileNotFound, FileQuarantined, ScanPending,
    TermsNotAccepted."""
    run = find_run(tx, actor, uid)
    artifact = queries.find_artifact(tx, run.id, path)
    if artifact is None:
        raise FileNotFound(path=path[:200], reference=f"run {uid}")
    holder = Holder(
        namespace=run.namespace,
        author=artifact.logged_by or run.created_by,
        path=path,
        of=f"run {uid}",
        released=artifact.released,
        advice=f'A maintainer may release it with: modelyard quarantine release-run {uid} --reason "…"',
    )
    refuse_held_bytes(tx, Digest(artifact.digest), holder)
    # The same bytes may be files of a model.
    refuse_unaccepted_bytes(tx, actor, run.namespace, Digest(artifact.digest))
    return File(artifact.path, Digest(artifact.digest), artifact.size_bytes)


def read_log(tx: Transaction, actor: Actor, uid: str, position: int) -> tuple[str, int, bool]:
    """Return (text from the piece at `position` on, its end, whether the run may log more)."""
    run = find_run(tx, actor, uid)
    pieces = queries.list_log(tx, run.id, position, _LOG_PIECES)
    text = "".join(piece for _, piece in pieces)
    end = pieces[-1][0] + len(pieces[-1][1].encode()) if pieces else min(position, run.log_bytes)
    return text, end, run.status == rules.RUNNING or end < run.log_bytes


def list_experiments(
    tx: Transaction, actor: Actor, namespace: str | None, before: tuple[int, int] | None, limit: int
) -> list[Experiment]:
    return list_queries.list_experiments(tx, actor, namespace, before, limit)


def describe_experiment(tx: Transaction, actor: Actor, name: ModelName, description: str) -> Experiment:
    """Set the description of an experiment. Raises ExperimentNotFound."""
    namespace = catalog.find_namespace(tx, actor, name.namespace, Permission.RUN_LOG)
    experiment = list_queries.find_experiment(tx, namespace.id, name.name)
    if experiment is None:
        raise ExperimentNotFound(experiment=str(name))
    list_queries.set_description(tx, experiment.id, catalog_rules.check_text(description, "the description"))
    changed = list_queries.find_experiment(tx, namespace.id, name.name)
    assert changed is not None
    return changed


def skew_seconds(run: Run) -> float:
    """Return how far the server's clock was ahead of the training's at its last message; 0: less than a minute."""
    return run.clock_skew / MICROSECONDS
