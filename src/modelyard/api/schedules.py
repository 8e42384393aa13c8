"""Routes of schedules and triggers of builds."""

from __future__ import annotations

from modelyard.api.builds import build_shape
from modelyard.api.conversion import fields_of, to_wire
from modelyard.domain.names import ModelName
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.schedules import usecases as schedules
from modelyard.registry.schedules.nouns import ScheduleView
from modelyard.wire import builds as build_wire
from modelyard.wire import schedules as wire
from modelyard.wire.base import PageQuery, Reason

table = RouteTable(__name__)
_SCHEDULE = "/api/v1/schedules/{schedule:number}"


@table.route("POST", "/api/v1/schedules", status=201, has_large_body=True)
async def add_schedule(call: Call, body: wire.CreateSchedule) -> Answer[wire.Schedule]:
    """Have builds of a model started at times, or when something happens, in the name of the caller."""
    request = schedules.ScheduleRequest(**fields_of(body))
    services = call.services
    return await call.commit(
        lambda tx: _schedule(schedules.add_schedule(tx, call.actor, services.catalog, services.pools, request))
    )


@table.route("GET", "/api/v1/schedules")
async def list_schedules(call: Call, query: wire.ScheduleQuery) -> wire.SchedulePage:
    """List the schedules of models that the caller may see, newest first."""
    paging = Paging.of(query, int)
    model = None if query.model is None else ModelName.parse(query.model, query.namespace)
    listed = await call.read(
        lambda tx: schedules.list_schedules(
            tx, call.actor, paging.start, paging.count, namespace=query.namespace, model=model
        )
    )
    return paging.answer(wire.SchedulePage, listed, _schedule, key=lambda view: (view.schedule.id,))


@table.route("GET", _SCHEDULE)
async def show_schedule(call: Call) -> wire.Schedule:
    """Return a schedule with its next times."""
    return _schedule(
        await call.read(lambda tx: schedules.view_schedule(tx, call.actor, call.number("schedule")))
    )


@table.route("GET", f"{_SCHEDULE}/firings")
async def list_firings(call: Call, query: PageQuery) -> wire.FiringPage:
    """List what became of the times of a schedule, newest first: the builds that it started, and why it started none."""
    paging = Paging.of(query, int)
    listed = await call.read(
        lambda tx: schedules.list_firings(tx, call.actor, call.number("schedule"), paging.start, paging.count)
    )
    return paging.answer(
        wire.FiringPage, listed, lambda firing: to_wire(firing, wire.Firing), key=lambda firing: (firing.id,)
    )


@table.route("PATCH", _SCHEDULE, has_large_body=True)
async def edit_schedule(call: Call, body: wire.EditSchedule) -> Answer[wire.Schedule]:
    """Change a schedule. Its next time counts from now, and its builds run in the name of the caller from now on."""
    request = schedules.ScheduleRequest(**fields_of(body))
    services = call.services
    return await call.commit(
        lambda tx: _schedule(
            schedules.edit_schedule(
                tx, call.actor, services.catalog, services.pools, call.number("schedule"), request
            )
        )
    )


@table.route("POST", f"{_SCHEDULE}/pause")
async def pause_schedule(call: Call, body: Reason) -> Answer[wire.Schedule]:
    """Let none of its times start a build until it is resumed."""
    return await call.commit(
        lambda tx: _schedule(schedules.pause_schedule(tx, call.actor, call.number("schedule"), body.reason))
    )


@table.route("POST", f"{_SCHEDULE}/resume")
async def resume_schedule(call: Call) -> Answer[wire.Schedule]:
    """Start builds again from the next time on, in the name of the caller."""
    services = call.services
    return await call.commit(
        lambda tx: _schedule(
            schedules.resume_schedule(tx, call.actor, services.catalog, services.pools, call.number("schedule"))
        )
    )


@table.route("POST", f"{_SCHEDULE}/fire", status=201)
async def fire_schedule(call: Call) -> Answer[build_wire.Build]:
    """Start a build of a schedule now, in the name of the caller, whether it is paused or not."""
    services = call.services
    return await call.commit(
        lambda tx: build_shape(
            schedules.fire_schedule(tx, call.actor, services.catalog, services.pools, call.number("schedule"))
        )
    )


@table.route("DELETE", _SCHEDULE, status=204)
async def delete_schedule(call: Call) -> Answer[None]:
    """Delete a schedule, and the record of its times. Its builds stay."""
    return await call.commit(lambda tx: schedules.delete_schedule(tx, call.actor, call.number("schedule")))


def _schedule(view: ScheduleView) -> wire.Schedule:
    schedule = view.schedule
    return to_wire(
        schedule,
        wire.Schedule,
        words=view.upcoming.words,
        next=view.upcoming.next_words,
        times=[time_text(moment) for moment in view.upcoming.times],
        params=dict(schedule.params.value),
        last=None if view.last is None else to_wire(view.last, wire.Firing),
    )
