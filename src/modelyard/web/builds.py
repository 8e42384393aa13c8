"""Builds: the list, and one build with its steps, its log and what changed since the one before it."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.names import ModelName
from modelyard.doors.paging import cut, decode_cursor
from modelyard.doors.parsing import digits
from modelyard.registry.builds import logs
from modelyard.registry.builds import usecases as builds
from modelyard.registry.builds.nouns import STATUSES, BuildView
from modelyard.registry.builds.showing import show_page
from modelyard.registry.runs.tails import ERROR, WARNING
from modelyard.registry.schedules.usecases import may_repeat
from modelyard.web.build_charts import draw_resources, draw_steps
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_ROWS = 50


@table.get("/builds")
async def list_builds(visit: Visit) -> Response:
    namespace, model, status = (visit.chosen(name) for name in ("namespace", "model", "status"))
    before = decode_cursor(visit.chosen("cursor") or None, int)

    def read(tx: Transaction) -> tuple[list[BuildView], dict[int, list[str]], builds.Summary]:
        found = builds.list_builds(
            tx,
            visit.actor,
            before[0] if before else None,
            _ROWS + 1,
            namespace=namespace or None,
            model=ModelName.parse(model) if model else None,
            status=status or None,
        )
        return found, builds.list_step_states(tx, found), builds.summarise(tx, visit.actor)

    found, states, summary = await visit.look(read)
    page, cursor = cut(found, _ROWS, lambda view: (view.build.id,))
    chosen = {name: value for name, value in visit.query.items() if value and name not in ("cursor", "done")}
    return await visit.render(
        "builds.html",
        rows=page,
        states=states,
        summary=summary,
        chosen=chosen,
        statuses=STATUSES,
        more=f"/builds?{urlencode({**chosen, 'cursor': cursor})}" if cursor else None,
        twin="/api/v1/builds",
    )


@table.get("/pools")
async def list_pools(visit: Visit) -> Response:
    """Each pool with the builds that run and wait in it."""
    services, actor = visit.services, visit.actor
    # Whether isolation works is tried once, with a process.
    pools = await visit.in_thread(
        "views", services.db.read, lambda tx: builds.list_pools(tx, actor, services.pools)
    )
    found = await visit.look(
        lambda tx: [
            (
                pool,
                builds.list_open_builds(tx, actor, pool.name, _ROWS),
                services.pools.may_run(actor, pool.name),
            )
            for pool in pools
        ]
    )
    return await visit.render("pools.html", pools=found, twin="/api/v1/pools")


@table.get("/builds/{build}")
async def show_build(visit: Visit) -> Response:
    """?step=train shows the log of this step, &line=120 the lines around that one, ?q=warning the lines with these words."""
    services, uid, words = visit.services, visit.path["build"], visit.chosen("q")
    step, line = visit.chosen("step") or None, digits(visit.chosen("line"))
    page = await visit.look(
        lambda tx: show_page(tx, services.blobs, visit.actor, services.pools, uid, step, line)
    )
    build, now = page.details.view.build, services.db.clock()
    found = None
    if words:
        found = await visit.in_thread(
            "views", logs.search_log, services.db, services.blobs, visit.actor, build.uid, words, step
        )
    steps = page.details.steps
    return await visit.render(
        "build.html",
        page=page,
        build=build,
        step=step,
        line=line,
        words=words,
        may_schedule=may_repeat(visit.actor, services.pools, build),
        found=found,
        patterns=(ERROR.pattern, WARNING.pattern),
        timeline=draw_steps(steps, page.earlier, now, has_ended=build.has_ended),
        charts=draw_resources(
            steps,
            page.earlier,
            now,
            has_ended=build.has_ended,
            cpu=page.cpu,
            memory_bytes=page.memory_bytes,
        ),
        twin=f"/api/v1/builds/{build.uid}",
    )


@table.post("/builds/{build}/cancel", operation="cancel_build", command="builds cancel")
async def cancel(visit: Visit) -> Response:
    view = await visit.write(lambda tx: builds.cancel_build(tx, visit.actor, visit.path["build"]))
    return visit.go(f"/builds/{view.build.uid}", "The build is being cancelled.")


@table.post("/builds/{build}/rerun", operation="rerun_build", command="builds rerun")
async def rerun(visit: Visit) -> Response:
    services = visit.services
    view = await visit.write(
        lambda tx: builds.rerun_build(tx, visit.actor, services.catalog, services.pools, visit.path["build"])
    )
    return visit.go(f"/builds/{view.build.uid}", "A new build of the same recipe waits.")
