"""Routes of runs and experiments."""

from __future__ import annotations

import math
from array import array
from typing import Annotated, Any, TypeVar

from starlette.responses import Response

from modelyard.api.conversion import to_wire
from modelyard.db.transaction import Transaction
from modelyard.domain.metric_names import MetricName, parse_condition, rank
from modelyard.domain.record import number_to_json
from modelyard.domain.times import MICROSECONDS, time_text
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.parsing import parse_time
from modelyard.doors.ranges import bytes_response
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.runs import rules
from modelyard.registry.runs import usecases as runs
from modelyard.registry.runs.nouns import Experiment, Run
from modelyard.registry.runs.rules import RecordBatch, RunSearch
from modelyard.registry.search.rules import parse_tag
from modelyard.wire import runs as wire

R = TypeVar("R", bound=wire.Run)
table = RouteTable(__name__)
_RUN = "/api/v1/runs/{run}"


# --- writing ---------------------------------------------------------------------------------------------


@table.route("PUT", _RUN)
async def start_run(call: Call, body: wire.StartRun) -> Answer[wire.Run]:
    """Start a run under an id that the caller chose; starting it twice changes nothing."""
    experiment = rules.parse_experiment(body.experiment, rules.home_namespace(call.actor))

    def work(tx: Transaction) -> wire.Run:
        start = runs.RunStart(
            call.path["run"],
            experiment,
            body.name,
            body.parent,
            tx.now if body.started_at is None else parse_time(body.started_at),
        )
        run, _ = runs.start_run(tx, call.actor, call.services.catalog, start)
        return _listed(runs.ListedRun(run, {}, {}, {}, is_silent=False))

    return await call.commit(work)


@table.route("POST", f"{_RUN}/records", has_large_body=True)
async def send_records(call: Call, body: wire.SendRecords) -> wire.Stored:
    """Store the frames of one writer of the run. Frames that are already stored are skipped."""
    points = sum(len(columns.values) for frame in body.frames for columns in frame.points)
    header = rules.check_header(
        rules.BatchHeader(body.writer, body.first, len(body.frames), body.clock), points
    )

    def work(tx: Transaction) -> wire.Stored:
        last, notes = runs.store_records(
            tx,
            call.actor,
            call.path["run"],
            header,
            lambda batch, position: _read(batch, body.frames[position]),
        )
        return wire.Stored(last=last, notes=notes)

    return await call.write(work)


def _read(batch: RecordBatch, frame: wire.Frame) -> None:
    for columns in frame.points:
        batch.add_points(columns.name, columns.steps, columns.times, columns.values)
    for name, value in frame.params.items():
        batch.add_param(name, value)
    for key, tag in frame.tags.items():
        batch.add_tag(key, tag)
    for each in frame.artifacts:
        batch.artifacts[each.path] = rules.Artifact(
            each.path, each.digest, each.size_bytes, each.media_type[:200]
        )
    batch.inputs += frame.inputs
    batch.facts = rules.merge_facts(batch.facts, frame.facts)
    batch.versions += frame.versions
    batch.log += frame.log
    for words in frame.notes:
        batch.note(words[:1000])
    batch.resumed = batch.resumed or frame.resumed
    if frame.end is not None:
        batch.end = rules.check_end(rules.RunEnd(frame.end.status, frame.end.exit_code, frame.end.at))


@table.route("DELETE", _RUN, status=204)
async def delete_run(call: Call) -> Answer[None]:
    """Delete a run with everything it holds. Refused when it produced a version."""
    return await call.commit(lambda tx: runs.delete_run(tx, call.actor, call.path["run"]))


# --- reading ---------------------------------------------------------------------------------------------


@table.route("GET", "/api/v1/runs")
async def list_runs(call: Call, query: wire.RunQuery) -> wire.RunPage:
    """List the runs that the caller may see, newest first."""
    search = _search(query, rules.home_namespace(call.actor))
    paging = Paging.of(query, int)
    listed = await call.read(lambda tx: runs.list_runs(tx, call.actor, search, paging.start, paging.count))
    return paging.answer(wire.RunPage, listed, _listed, key=lambda item: (item.run.id,))


def _search(query: wire.RunQuery, home: str) -> RunSearch:
    namespace, experiment = query.namespace, query.experiment
    if experiment is not None:
        if "/" in experiment or namespace is None:
            name = rules.parse_experiment(experiment, home)
            namespace, experiment = name.namespace, name.name
        else:
            experiment = rules.parse_experiment(experiment, namespace).name
    return RunSearch(
        uid=query.id.lower() if query.id is not None else None,
        namespace=namespace.lower() if namespace is not None else None,
        experiment=experiment,
        status=rules.check_status(query.status) if query.status is not None else None,
        name=query.name,
        parent="" if query.parent == "none" else query.parent,
        tags=tuple(parse_tag(text) for text in query.tag),
        params=tuple(parse_tag(text) for text in query.param),
        metrics=tuple(parse_condition(text) for text in query.metric),
        dataset=query.dataset,
        created_by=query.created_by,
    )


@table.route("GET", _RUN)
async def show_run(call: Call) -> wire.RunDetails:
    """Return a run, without its points, its log and the bytes of its files."""
    return _details(await call.read(lambda tx: runs.show_run(tx, call.actor, call.path["run"])))


@table.route("GET", f"{_RUN}/series")
async def read_series(call: Call, query: wire.SeriesQuery) -> wire.Series:
    """Return a metric by step and time; a long one is sampled so that its chart looks the same."""
    series = await call.read(
        lambda tx: runs.read_series(
            tx,
            call.actor,
            call.path["run"],
            query.metric,
            from_step=query.from_step,
            to_step=query.to_step,
            most_points=query.points,
            by=query.by,
        )
    )
    return wire.Series(
        run=call.path["run"],
        metric=series.metric.name,
        steps=series.points.steps.tolist(),
        times=series.points.times.tolist(),
        values=_plain(series.points.values),
        count=series.metric.count,
        sampled=series.sampled,
    )


def _plain(values: array[float]) -> list[float | str]:
    plain: list[float | str] = [*values]
    return plain if math.isfinite(sum(values)) else [number_to_json(value) for value in values]


@table.route("GET", f"{_RUN}/artifacts/{{path:path}}", has_etag=True)
async def get_artifact(call: Call) -> Annotated[Response, "application/octet-stream"]:
    """Return a file of a run; Range and If-None-Match are supported, and the ETag is the file's digest."""
    path = call.request.path_params["path"]
    file = await call.point(lambda tx: runs.find_artifact(tx, call.actor, call.path["run"], path))
    return await bytes_response(call, file, {})


@table.route("GET", f"{_RUN}/log")
async def read_log(call: Call, query: wire.LogQuery) -> wire.LogPart:
    """Return the log of the run from a position; ask again from `end` while there may be more."""
    position = max(0, min(query.position, 2**53))
    text, end, more = await call.read(lambda tx: runs.read_log(tx, call.actor, call.path["run"], position))
    return wire.LogPart(text=text, end=end, more=more)


# --- experiments -----------------------------------------------------------------------------------------


@table.route("GET", "/api/v1/experiments")
async def list_experiments(call: Call, query: wire.ExperimentQuery) -> wire.ExperimentPage:
    """List the experiments that the caller may see, with the newest runs first."""
    paging = Paging.of(query, int, int)
    experiments = await call.read(
        lambda tx: runs.list_experiments(tx, call.actor, query.namespace, paging.start, paging.count)
    )
    return paging.answer(
        wire.ExperimentPage, experiments, _experiment, key=lambda item: (item.updated_at, item.id)
    )


@table.route("PATCH", "/api/v1/experiments/{namespace}/{name}")
async def describe_experiment(call: Call, body: wire.DescribeExperiment) -> Answer[wire.Experiment]:
    """Set the description of an experiment."""
    return await call.commit(
        lambda tx: _experiment(runs.describe_experiment(tx, call.actor, call.model, body.description))
    )


# --- shapes ----------------------------------------------------------------------------------------------


def _shape(run: Run, is_silent: bool, shape: type[R], **parts: Any) -> R:
    seconds = None if run.ended_at is None else (run.ended_at - run.started_at) / MICROSECONDS
    return to_wire(
        run, shape, id=run.uid, experiment=run.experiment_ref, stale=is_silent, seconds=seconds, **parts
    )


def _listed(item: runs.ListedRun) -> wire.Run:
    return _shape(
        item.run,
        item.is_silent,
        wire.Run,
        params=dict(item.params),
        metrics=dict(sorted(item.metrics.items(), key=lambda pair: rank(MetricName.parse(pair[0])))),
        tags=dict(item.tags),
    )


def _details(view: runs.RunView) -> wire.RunDetails:
    run = view.run
    return _shape(
        run,
        view.is_silent,
        wire.RunDetails,
        params=dict(view.params),
        metrics={
            metric.name: number_to_json(metric.value)
            for metric in sorted(view.metrics, key=lambda metric: rank(MetricName.parse(metric.name)))
        },
        tags=dict(view.tags),
        series=[
            to_wire(
                metric,
                wire.RunMetric,
                value=number_to_json(metric.value),
                at=_time_or_number(metric.at),
                not_finite=metric.special_count,
            )
            for metric in view.metrics
        ],
        inputs=[dict(entry) for entry in view.inputs],
        artifacts=[to_wire(a, wire.RunArtifact) for a in view.artifacts],
        versions=list(view.versions),
        facts=run.facts.value,
        notes=run.notes.value,
        clock_skew_seconds=runs.skew_seconds(run),
    )


def _time_or_number(moment: int) -> str:
    """Return a point's time as the training's clock gave it, even outside the calendar."""
    try:
        return time_text(moment)
    except (ValueError, OverflowError, OSError):
        return str(moment)


def _experiment(found: Experiment) -> wire.Experiment:
    return to_wire(found, wire.Experiment, name=f"{found.namespace}/{found.name}", runs=found.run_count)
