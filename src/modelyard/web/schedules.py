"""Schedules: the list with the next times, and one schedule with what became of its times."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import Invalid, ModelyardError, NotFound
from modelyard.domain.names import ModelName
from modelyard.domain.texts import number_or_text
from modelyard.doors.paging import cut, decode_cursor
from modelyard.registry.builds import usecases as builds
from modelyard.registry.builds.nouns import BuildView
from modelyard.registry.schedules import usecases as schedules
from modelyard.registry.schedules.usecases import ScheduleRequest
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_ROWS = 50
_PAGE = "/schedules/{schedule:number}"


@table.get("/schedules")
async def list_schedules(visit: Visit) -> Response:
    namespace, model = visit.chosen("namespace"), visit.chosen("model")
    before = decode_cursor(visit.chosen("cursor") or None, int)
    found = await visit.look(
        lambda tx: schedules.list_schedules(
            tx,
            visit.actor,
            before[0] if before else None,
            _ROWS + 1,
            namespace=namespace or None,
            model=ModelName.parse(model) if model else None,
        )
    )
    page, cursor = cut(found, _ROWS, lambda view: (view.schedule.id,))
    chosen = {name: value for name, value in visit.query.items() if value and name not in ("cursor", "done")}
    return await visit.render(
        "schedules.html",
        rows=page,
        chosen=chosen,
        more=f"/schedules?{urlencode({**chosen, 'cursor': cursor})}" if cursor else None,
        twin="/api/v1/schedules",
    )


_KINDS = (
    ("cron", "At times: a cron expression", "30 2 * * *"),
    ("every", "At an interval", "6h"),
    ("on_dataset", "When a dataset has new content", "fraud/transactions"),
    ("on_version", "When another model has a new version", "fraud/encoder@production"),
    ("on_retraining", "When a deployment needs retraining", "fraud/scorer"),
)
"""When builds start: (field of the request, in words, an example)."""
_OPTIONS = ("zone", "missed", "overlap", "jitter", "debounce", "pool")


async def _show_new(visit: Visit, problem: ModelyardError | None = None) -> Response:
    """?build=… chooses the build that is repeated."""
    chosen = visit.given("build") or visit.chosen("build")

    def read(tx: Transaction) -> list[BuildView]:
        found = builds.list_builds(tx, visit.actor, None, _ROWS)
        if chosen and not any(view.build.uid.startswith(chosen) for view in found):
            found.insert(0, builds.view_build(tx, builds.find_build(tx, visit.actor, chosen)))
        return [view for view in found if schedules.may_repeat(visit.actor, visit.services.pools, view.build)]

    found = await visit.look(read)
    return await visit.show(
        "schedule_new.html",
        problem,
        builds=found,
        chosen=chosen,
        kinds=_KINDS,
        pools=visit.services.pools.names,
    )


@table.get("/schedules/new")
async def new_schedule(visit: Visit) -> Response:
    return await _show_new(visit)


@table.post("/schedules/new", operation="add_schedule", command="schedule add")
async def add(visit: Visit) -> Response:
    services = visit.services
    try:
        request = _read_request(visit)
        view = await visit.write(
            lambda tx: schedules.add_schedule(tx, visit.actor, services.catalog, services.pools, request)
        )
    except NotFound:
        raise
    except ModelyardError as problem:
        return await _show_new(visit, problem)
    return visit.go(f"/schedules/{view.schedule.id}", f"The schedule is active: {view.upcoming.next_words}.")


def _read_request(visit: Visit) -> ScheduleRequest:
    """Return what the form asks for. Raises Invalid."""
    kind, failures = visit.given("kind"), visit.given("pause_after")
    if kind not in {name for name, _, _ in _KINDS}:
        raise Invalid(reason="nothing says when the builds start", fix="Choose one of the ways")
    if failures and not (failures.isascii() and failures.isdigit() and len(failures) < 9):
        raise Invalid(reason=f"{failures[:40]!r} is not a number of failures", fix="Give a number, 0 for never")
    options: dict[str, str] = {name: visit.given(name) for name in _OPTIONS if visit.given(name)}
    if kind != "cron":
        options.pop("zone", None)
    return ScheduleRequest(
        build=visit.given("build") or None,
        params=_read_params(visit.given("params")),
        pause_after=int(failures) if failures else None,
        **{kind: visit.given("value") or None},  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )


def _read_params(text: str) -> dict[str, bool | int | float | str] | None:
    """Return the params of a form, one a line; None: those of the build. Raises Invalid."""
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    for name, equals, _ in pairs:
        if not equals or not name.strip():
            raise Invalid(reason=f"{name[:80]!r} is not of the form name=value", fix="Write one param a line")
    return {name.strip(): number_or_text(value.strip()) for name, _, value in pairs} or None


@table.get(_PAGE)
async def show_schedule(visit: Visit) -> Response:
    number = int(visit.path["schedule"])
    before = decode_cursor(visit.chosen("cursor") or None, int)
    view, firings = await visit.look(
        lambda tx: (
            schedules.view_schedule(tx, visit.actor, number),
            schedules.list_firings(tx, visit.actor, number, before[0] if before else None, _ROWS + 1),
        )
    )
    page, cursor = cut(firings, _ROWS, lambda firing: (firing.id,))
    return await visit.render(
        "schedule.html",
        view=view,
        row=view.schedule,
        may_start=schedules.may_start(visit.actor, visit.services.pools, view.schedule),
        firings=page,
        more=f"/schedules/{number}?{urlencode({'cursor': cursor})}" if cursor else None,
        twin=f"/api/v1/schedules/{number}",
    )


@table.post(f"{_PAGE}/pause", operation="pause_schedule", command="schedule pause")
async def pause(visit: Visit) -> Response:
    number = int(visit.path["schedule"])
    reason = visit.given("reason").strip() or None
    await visit.write(lambda tx: schedules.pause_schedule(tx, visit.actor, number, reason))
    return visit.go(f"/schedules/{number}", "The schedule is paused.")


@table.post(f"{_PAGE}/resume", operation="resume_schedule", command="schedule resume")
async def resume(visit: Visit) -> Response:
    number, services = int(visit.path["schedule"]), visit.services
    view = await visit.write(
        lambda tx: schedules.resume_schedule(tx, visit.actor, services.catalog, services.pools, number)
    )
    return visit.go(f"/schedules/{number}", f"The schedule is active: {view.upcoming.next_words}.")


@table.post(f"{_PAGE}/fire", operation="fire_schedule", command="schedule fire")
async def fire(visit: Visit) -> Response:
    number, services = int(visit.path["schedule"]), visit.services
    view = await visit.write(
        lambda tx: schedules.fire_schedule(tx, visit.actor, services.catalog, services.pools, number)
    )
    return visit.go(f"/builds/{view.build.uid}", "A build of the schedule waits.")


@table.post(f"{_PAGE}/remove", operation="delete_schedule", command="schedule rm")
async def remove(visit: Visit) -> Response:
    number = int(visit.path["schedule"])
    await visit.write(lambda tx: schedules.delete_schedule(tx, visit.actor, number))
    return visit.go("/schedules", "The schedule is deleted; its builds stay.")
