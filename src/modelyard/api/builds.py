"""Routes of recipes, builds and pools, and those of the agents of attempts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from modelyard.api.conversion import fields_of, optional_time, to_wire
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import InvalidRequest
from modelyard.domain.names import ModelName
from modelyard.domain.reproduction import IMPOSSIBLE, Difference, Result, TensorGap
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.following import follow, until_changed
from modelyard.doors.paging import Paging
from modelyard.doors.parsing import digits
from modelyard.doors.ranges import bytes_response
from modelyard.doors.streams import from_thread
from modelyard.doors.table import RouteTable
from modelyard.registry.builds import agents, logs, reproducing, rules, secrets
from modelyard.registry.builds import usecases as builds
from modelyard.registry.builds.nouns import (
    AttemptResult,
    BuildAttempt,
    BuildDetails,
    BuildStep,
    BuildView,
    Findings,
    Frame,
    LogPart,
    LogText,
    StepReport,
)
from modelyard.registry.builds.recipe import TestEntry
from modelyard.registry.builds.schema import example_recipe, recipe_schema
from modelyard.registry.idempotency import Answer
from modelyard.wire import builds as wire
from modelyard.wire.base import encode

table = RouteTable(__name__)
_BUILD = "/api/v1/builds/{build}"
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"
_ATTEMPT = f"{_BUILD}/attempts/{{attempt:number}}"
_BY_NAME = "/api/v1/namespaces/{namespace}/secrets/{secret}"
_POLL_SECONDS = 0.2


# --- recipes ---------------------------------------------------------------------------------------------


@table.route("POST", "/api/v1/recipes/check", has_large_body=True)
async def check_recipe(call: Call, body: wire.CheckRecipe) -> wire.RecipeCheck:
    """Return the steps of a recipe, or its problems with their lines; a wrong recipe is an answer, not an error."""
    found = await call.compute(builds.check_recipe, call.actor, body.recipe)
    if found.recipe is not None:
        return wire.RecipeCheck(model=str(found.recipe.model), steps=[step.name for step in found.recipe.steps])
    assert found.problem is not None
    fields = found.problem.fields
    problem = wire.RecipeProblem(line=fields["line"], reason=fields["reason"], fix=found.problem.fix)
    return wire.RecipeCheck(problems=[problem])


@table.route("GET", "/api/v1/recipes/schema", public=True)
async def show_recipe_schema(call: Call) -> Annotated[Response, "application/schema+json"]:
    """Return the JSON schema of the recipe file."""
    return Response(encode(recipe_schema()), media_type="application/schema+json")


@table.route("GET", "/api/v1/recipes/example", public=True)
async def show_recipe_example(call: Call) -> Annotated[Response, "application/yaml"]:
    """Return a commented first recipe."""
    return Response(example_recipe(), media_type="application/yaml")


# --- builds ----------------------------------------------------------------------------------------------


@table.route("POST", "/api/v1/builds", status=201, has_large_body=True)
async def submit_build(call: Call, body: wire.SubmitBuild) -> Answer[wire.Build]:
    """Queue a build of a recipe; the bytes of the source bundle were sent before, like every blob."""
    request = builds.BuildRequest(**fields_of(body))
    services = call.services
    return await call.commit(
        lambda tx: build_shape(builds.submit_build(tx, call.actor, services.catalog, services.pools, request))
    )


@table.route("GET", "/api/v1/builds")
async def list_builds(call: Call, query: wire.BuildQuery) -> wire.BuildPage:
    """List the builds that the caller may see, newest first."""
    paging = Paging.of(query, int)
    model = None if query.model is None else ModelName.parse(query.model, query.namespace)
    listed = await call.read(
        lambda tx: builds.list_builds(
            tx,
            call.actor,
            paging.start,
            paging.count,
            namespace=query.namespace,
            model=model,
            status=query.status,
        )
    )
    return paging.answer(wire.BuildPage, listed, build_shape, key=lambda view: (view.build.id,))


@table.route("GET", _BUILD)
async def show_build(call: Call, query: wire.ShowBuildQuery) -> wire.BuildDetails:
    """Return a build with its steps and attempts; with `wait`, as soon as it has changed."""
    uid = call.path["build"]
    ends_at = time.monotonic() + max(0, min(query.wait, rules.LONGEST_WAIT_SECONDS))
    seen = query.seen
    while query.wait > 0:
        generation = call.services.db.figures.generation
        _, revision = await call.point(lambda tx: builds.find_revision(tx, call.actor, uid))
        seen = revision if seen is None else seen
        if revision != seen or time.monotonic() >= ends_at or call.services.stopping.is_set():
            break
        await until_changed(call.services.db, generation, _POLL_SECONDS)
    return _details(await call.read(lambda tx: builds.show_build(tx, call.actor, uid)))


@table.route("GET", f"{_BUILD}/log")
async def read_build_log(call: Call, query: wire.ReadBuildLogQuery) -> wire.BuildLogPart:
    """Return the log from a position; ask again from the answer's position until it has ended."""
    position = max(0, min(query.position, 2**53))
    part = await call.read(
        lambda tx: logs.read_log(tx, call.services.blobs, call.actor, call.path["build"], query.step, position)
    )
    text, texts = ("", _texts(part)) if query.times else (part.text, [])
    return wire.BuildLogPart(text=text, position=part.position, ended=part.ended, texts=texts)


@table.route("GET", f"{_BUILD}/log/text")
async def download_build_log(call: Call, query: wire.BuildStepQuery) -> Annotated[Response, "text/plain"]:
    """Return the log as plain text, as far as it has arrived."""
    uid, db, blobs = call.path["build"], call.services.db, call.services.blobs
    pieces = await call.in_thread("exports", logs.stream_text, db, blobs, call.actor, uid, query.step)
    name = f"build-{uid[:12]}{f'-{query.step}' if query.step else ''}.log"
    headers = {"content-disposition": f"attachment; filename*=utf-8''{quote(name, safe='')}"}
    body = from_thread(call.runner("exports"), pieces)
    return StreamingResponse(body, media_type="text/plain; charset=utf-8", headers=headers)


@table.route("GET", f"{_BUILD}/log/stream")
async def follow_build_log(call: Call, query: wire.BuildLogQuery) -> Annotated[Response, "text/event-stream"]:
    """Stream the log as it arrives, from a position on, until it has ended; resume after Last-Event-ID."""
    uid = call.path["build"]
    last = call.request.headers.get("last-event-id")
    if last is None:
        start: tuple[int | None, int] = (None, max(0, min(query.position, 2**53)))
    else:
        attempt, position = (digits(part) for part in last.partition("-")[::2])
        if attempt is None or position is None:
            raise InvalidRequest(reason=f"Last-Event-ID is {last[:40]!r}", fix="Send the last event's id")
        start = (attempt, position)
    call.services.streams.check(call.client)
    await call.point(lambda tx: builds.find_revision(tx, call.actor, uid))

    async def look(actor: Actor, place: tuple[int | None, int]) -> tuple[bytes, tuple[int | None, int] | None]:
        known, position = place
        part = await call.point(
            lambda tx: logs.read_log(tx, call.services.blobs, actor, uid, query.step, position)
        )
        if query.step is not None and known not in (None, part.attempt):
            # Another attempt: the log of the step begins again.
            return b"", (part.attempt, 0)
        if not part.texts and not part.ended:
            return b"", (part.attempt, part.position)
        news = wire.BuildLogNews(
            texts=_texts(part),
            position=part.position,
            attempt=part.attempt,
            ended=part.ended,
        )
        told = f"id: {part.attempt}-{part.position}\nevent: log\ndata: ".encode() + encode(news) + b"\n\n"
        return told, None if part.ended else (part.attempt, part.position)

    return follow(call, look, start, _POLL_SECONDS)


@table.route("GET", f"{_BUILD}/log/search")
async def search_build_log(call: Call, query: wire.BuildLogSearchQuery) -> wire.BuildLogSearch:
    """Return the lines of the newest attempt's log that have the words, at most 200, whatever the case of letters."""
    uid, db, blobs = call.path["build"], call.services.db, call.services.blobs
    found = await call.in_thread(
        "exports", logs.search_log, db, blobs, call.actor, uid, query.words, query.step
    )
    lines = [wire.BuildLogLine(step=line.step, line=line.number, text=line.text) for line in found.lines]
    return wire.BuildLogSearch(items=lines, complete=found.is_whole)


@table.route("POST", f"{_BUILD}/cancel")
async def cancel_build(call: Call) -> Answer[wire.Build]:
    """End a queued build at once, or ask the agent of a running one to end its steps."""
    return await call.commit(lambda tx: build_shape(builds.cancel_build(tx, call.actor, call.path["build"])))


@table.route("POST", f"{_BUILD}/rerun", status=201)
async def rerun_build(call: Call) -> Answer[wire.Build]:
    """Queue a new build of the same recipe, bundle and params."""
    services = call.services
    return await call.commit(
        lambda tx: build_shape(
            builds.rerun_build(tx, call.actor, services.catalog, services.pools, call.path["build"])
        )
    )


@table.route("POST", f"{_VERSION}/reproduce", status=201)
async def reproduce_version(call: Call, body: wire.ReproduceVersion) -> Answer[wire.Reproduction]:
    """Queue a build of the version's record, and compare its result with the version; nothing is registered."""
    services = call.services

    def work(tx: Transaction) -> wire.Reproduction:
        done = reproducing.reproduce_version(
            tx, call.actor, services.catalog, services.pools, call.ref, body.tolerance
        )
        if done.view is None:
            return wire.Reproduction(build=None, verdict=IMPOSSIBLE, missing=list(done.missing))
        return wire.Reproduction(build=build_shape(done.view))

    return await call.commit(work)


@table.route("POST", f"{_VERSION}/retrain", status=201)
async def retrain_version(call: Call, body: wire.RetrainVersion) -> Answer[wire.Build]:
    """Queue a build of the version's record with other params or data; the new version names this one as its parent."""
    services = call.services
    changes = reproducing.Retraining(body.params, body.data, body.warm)
    return await call.commit(
        lambda tx: build_shape(
            reproducing.retrain_version(tx, call.actor, services.catalog, services.pools, call.ref, changes)
        )
    )


@table.route("GET", f"{_BUILD}/bundle")
async def get_bundle(call: Call) -> Annotated[Response, "application/octet-stream"]:
    """Return the source bundle of a build, a tar file, to the agent of its newest attempt; Range is supported."""
    file = await call.point(lambda tx: agents.find_bundle(tx, call.actor, call.path["build"]))
    return await bytes_response(call, file, {})


@table.route("GET", "/api/v1/pools")
async def list_pools(call: Call) -> wire.PoolPage:
    """List the pools where builds run, with their numbers of builds."""
    # Whether isolation works is tried once, with a process.
    pools = await call.in_thread(
        "views",
        call.services.db.read,
        lambda tx: builds.list_pools(tx, call.actor, call.services.pools),
    )
    return wire.PoolPage(items=[to_wire(pool, wire.Pool) for pool in pools])


# --- secrets ---------------------------------------------------------------------------------------------


@table.route("GET", "/api/v1/namespaces/{namespace}/secrets")
async def list_build_secrets(call: Call) -> wire.BuildSecretList:
    """List the names of the secrets that builds of the namespace can use; no one is shown a value."""
    found = await call.read(lambda tx: secrets.list_secrets(tx, call.actor, call.path["namespace"]))
    return wire.BuildSecretList(items=[to_wire(each, wire.BuildSecret) for each in found])


@table.route("PUT", _BY_NAME)
async def set_build_secret(call: Call, body: wire.SetBuildSecret) -> Answer[wire.BuildSecret]:
    """Set a secret, or replace its value."""
    namespace, name, keyring = call.path["namespace"], call.path["secret"], call.services.keyring
    return await call.commit(
        lambda tx: to_wire(
            secrets.set_secret(tx, call.actor, keyring, namespace, name, body.value), wire.BuildSecret
        )
    )


@table.route("DELETE", _BY_NAME, status=204)
async def remove_build_secret(call: Call) -> Answer[None]:
    """Remove a secret; builds that name it are refused from then on."""
    namespace, name = call.path["namespace"], call.path["secret"]
    return await call.commit(lambda tx: secrets.remove_secret(tx, call.actor, namespace, name))


# --- for agents ------------------------------------------------------------------------------------------


@table.route("POST", f"{_ATTEMPT}/claim", tells_secret=True)
async def claim_attempt(call: Call, body: wire.ClaimAttempt) -> wire.BuildPlan:
    """Begin an attempt and return what is to be done. Only for its agent."""
    uid, number = call.path["build"], call.number("attempt")
    plan = await call.write(lambda tx: agents.claim_attempt(tx, call.actor, uid, number, body.word))
    return _plan(plan)


@table.route("POST", f"{_ATTEMPT}/secrets", tells_secret=True)
async def reveal_build_secrets(call: Call, body: wire.RevealBuildSecrets) -> wire.BuildSecretValues:
    """Return the secrets of one step. Only for the agent that claimed the attempt with this word."""
    uid, number, keyring = call.path["build"], call.number("attempt"), call.services.keyring
    values = await call.point(
        lambda tx: agents.reveal_secrets(tx, call.actor, keyring, uid, number, body.step, body.word)
    )
    return wire.BuildSecretValues(values=values)


@table.route("POST", f"{_ATTEMPT}/records", has_large_body=True)
async def send_attempt(call: Call, body: wire.SendAttempt) -> wire.AttemptStanding:
    """Store what the agent of an attempt reports; frames that are already stored are skipped."""
    frames = [_frame(frame) for frame in body.frames]
    standing = await call.write(
        lambda tx: agents.store_records(
            tx, call.actor, call.path["build"], call.number("attempt"), body.first, frames
        )
    )
    return wire.AttemptStanding(last=standing.last, wanted="run" if standing.is_wanted else "cancel")


def _frame(frame: wire.AttemptFrame) -> Frame:
    return Frame(
        tuple(StepReport(**fields_of(event)) for event in frame.events),
        None if frame.end is None else AttemptResult(**{**fields_of(frame.end), "result": _result(frame.end)}),
    )


def _result(end: wire.AttemptEnd) -> Result | None:
    if end.result is None:
        return None
    given = fields_of(end.result)
    gaps = {
        path: [TensorGap(**fields_of(gap)) for gap in found] for path, found in given.pop("tensors").items()
    }
    return Result(**given, gaps=gaps)


# --- shapes ----------------------------------------------------------------------------------------------


def _parts(view: BuildView) -> dict[str, object]:
    build = view.build
    return {
        "id": build.uid,
        "params": dict(build.params.value),
        "metrics": dict(view.metrics),
        "promotion": build.promotion_id,
        "priority": rules.priority_word(build.priority),
        "run": view.run,
        "schedule": build.schedule_id,
        "reproduces": build.ref(build.reproduces),
        "parent": build.ref(build.parent),
    }


def build_shape(view: BuildView) -> wire.Build:
    return to_wire(view.build, wire.Build, **_parts(view))


def _details(details: BuildDetails) -> wire.BuildDetails:
    build = details.view.build
    return to_wire(
        build,
        wire.BuildDetails,
        **_parts(details.view),
        source=dict(build.source.value),
        steps=[_step(step) for step in details.steps],
        attempts=[_attempt(attempt) for attempt in details.attempts],
        last_lines=list(details.last_lines),
        network=rules.network_words(details.steps),
        findings=None if details.findings is None else _findings(details.findings),
    )


def _texts(part: LogPart) -> list[wire.BuildLogText]:
    def times(text: LogText) -> list[wire.BuildLogTime]:
        return [wire.BuildLogTime(line=line, at=time_text(at * 1000)) for line, at in text.times]

    return [to_wire(each, wire.BuildLogText, times=times(each)) for each in part.texts]


def _findings(found: Findings) -> wire.Findings:
    def shown(items: Sequence[Difference]) -> list[wire.Difference]:
        return [to_wire(item, wire.Difference, words=str(item)) for item in items]

    return wire.Findings(
        verdict=found.verdict,
        differences=shown(found.differences),
        causes=shown(found.causes),
        missing=list(found.missing),
        second=found.second,
    )


def _step(step: BuildStep) -> wire.BuildStep:
    return wire.BuildStep(
        name=step.name,
        state=step.state,
        reason=step.reason,
        exit_code=step.exit_code,
        started_at=optional_time(step.started_at),
        ended_at=optional_time(step.ended_at),
        log_bytes=step.log_bytes,
        resources=step.resources,
    )


def _attempt(attempt: BuildAttempt) -> wire.BuildAttempt:
    return to_wire(
        attempt,
        wire.BuildAttempt,
        holder=attempt.host,
        started_at=time_text(attempt.started_at or attempt.created_at),
    )


def _plan(plan: agents.BuildPlan) -> wire.BuildPlan:
    build, recipe, file = plan.build, plan.recipe, plan.recipe.file
    evaluation = file.evaluate if not isinstance(file.evaluate, str) else None
    return wire.BuildPlan(
        build=build.uid,
        attempt=plan.attempt.number,
        token=plan.token,
        model=str(build.model),
        run=plan.run,
        bundle=build.bundle,
        source=dict(build.source.value),
        params=dict(build.params.value),
        environment={**build.fixed.variables, **file.environment.variables},
        python=file.environment.python or "",
        lock=file.environment.lock or "",
        requirements=file.environment.requirements or file.environment.project or "",
        inputs=[to_wire(each, wire.PlannedInput) for each in plan.attempt.inputs],
        steps=[
            wire.PlannedStep(
                name=step.name,
                kind=step.kind,
                command=step.command,
                timeout_seconds=step.timeout_seconds,
                report=step.report,
                secrets=list(step.secrets),
                network=step.network,
            )
            for step in rules.steps_of(build, recipe)
        ],
        result=file.result or "",
        check=file.test.check if isinstance(file.test, TestEntry) else "tests",
        stage=file.promote.to if file.promote is not None else "",
        evaluate_dataset=evaluation.dataset if evaluation is not None else "",
        evaluate_split=evaluation.split if evaluation is not None else "test",
        timeout_seconds=plan.timeout_seconds,
        memory_bytes=recipe.memory_bytes,
        reproduces=build.ref(build.reproduces) or "",
        lock_run=build.fixed.lock_run or "",
        parent=build.ref(build.parent) or "",
        warm=build.fixed.is_warm,
    )
