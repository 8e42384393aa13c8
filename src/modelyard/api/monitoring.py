"""Routes of monitoring: what deployments observe, and whether they need retraining."""

from __future__ import annotations

from typing import Any

from modelyard.api.conversion import fields_of, optional_time, to_wire
from modelyard.domain.monitoring import OUTPUT, ColumnFinding
from modelyard.domain.names import ModelName
from modelyard.domain.times import MICROSECONDS, time_text
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.monitoring import usecases as monitoring
from modelyard.registry.monitoring.nouns import Counts, MonitorView, ObservedWindow
from modelyard.wire import monitoring as wire

table = RouteTable(__name__)
_ONE = "/api/v1/deployments/{namespace}/{name}"


def _named(call: Call) -> tuple[str, str]:
    return call.path["namespace"], call.path["name"]


@table.route("PUT", f"{_ONE}/observations/{{revision:number}}/{{start:number}}/{{part}}", has_large_body=True)
async def report_observation(call: Call, body: wire.Observation) -> Answer[wire.Observed]:
    """Report a part of a window of a revision, which begins at `start`, in seconds since 1970. Sending a part again replaces it. For
    the program of the deployment, and for external monitors."""
    counts = Counts(**fields_of(body, "seconds", "profile"))
    report = monitoring.PartReport(
        call.number("revision"), call.number("start"), call.path["part"], body.seconds, counts, body.profile
    )
    await call.compute(monitoring.check_profile, body.profile)
    return await call.commit(
        lambda tx: wire.Observed(outcome=monitoring.report_part(tx, call.actor, *_named(call), report))
    )


@table.route("GET", f"{_ONE}/monitor")
async def show_monitor(call: Call) -> wire.Monitor:
    """Return what was observed of a deployment, how far its columns moved, and whether it needs retraining."""
    return _monitor(await call.read(lambda tx: monitoring.show_monitor(tx, call.actor, *_named(call))))


@table.route("PATCH", f"{_ONE}/monitor")
async def edit_monitor(call: Call, body: wire.EditMonitor) -> Answer[wire.Monitor]:
    """Change the windows, the limits and the rules by which a deployment is watched."""
    edit = fields_of(body)
    return await call.commit(lambda tx: _monitor(monitoring.edit_monitor(tx, call.actor, *_named(call), edit)))


@table.route("GET", f"{_ONE}/windows")
async def list_windows(call: Call, query: wire.WindowQuery) -> wire.WindowPage:
    """List the observed windows of a deployment with their columns, newest first."""
    paging = Paging.of(query, int)
    listed = await call.read(
        lambda tx: monitoring.list_windows(
            tx, call.actor, *_named(call), paging.start, paging.count, window=query.window
        )
    )
    return paging.answer(wire.WindowPage, listed, _window, key=lambda window: (window.start,))


@table.route("GET", "/api/v1/monitoring")
async def list_monitors(call: Call, query: wire.MonitorQuery) -> wire.MonitorPage:
    """List what was observed of the deployments that the caller may see, by name; and the production versions that no deployment
    serves."""
    paging = Paging.of(query, str, str)
    model = None if query.model is None else ModelName.parse(query.model, query.namespace)
    listed, unwatched = await call.read(
        lambda tx: (
            monitoring.list_monitors(
                tx, call.actor, paging.start, paging.count, namespace=query.namespace, model=model
            ),
            monitoring.list_unwatched(tx, call.actor),
        )
    )
    return paging.answer(
        wire.MonitorPage,
        listed,
        _summary,
        key=lambda view: (view.deployment.place.namespace or "", view.deployment.name),
        unwatched=[f"{each.model}:{each.version}" for each in unwatched],
    )


# --- shapes ----------------------------------------------------------------------------------------------


def _seconds_text(seconds: int) -> str:
    return time_text(seconds * MICROSECONDS)


def _column(found: ColumnFinding) -> wire.ColumnDrift:
    return wire.ColumnDrift(
        name=found.name.removeprefix(OUTPUT),
        side="output" if found.is_output else "input",
        type=found.type,
        reference=found.reference,
        verdict=found.verdict,
        psi=found.psi,
        previous=found.previous,
        limit=found.limit,
        missing=found.missing,
        before=list(found.before),
        after=list(found.after),
        edges=list(found.edges),
        labels=list(found.labels),
    )


def _window(window: ObservedWindow) -> wire.Window:
    counts = window.counts
    return to_wire(
        window,
        wire.Window,
        start=_seconds_text(window.since),
        end=_seconds_text(window.until),
        requests=counts.requests,
        errors=counts.errors,
        rows=counts.rows,
        not_described=counts.not_described,
        lost_parts=counts.lost_parts,
        codes=counts.codes,
        durations=counts.durations,
        over=len(window.over),
        columns=[_column(each) for each in window.columns],
    )


def _monitor(view: MonitorView) -> wire.Monitor:
    last = view.last
    given: dict[str, Any] = {
        name: getattr(view.settings, name)
        for name in (
            "window_seconds",
            "least_rows",
            "over",
            "of",
            "limit",
            "limits",
            "max_age_seconds",
            "newer_data",
            "cool_down_seconds",
        )
    }
    return wire.Monitor(
        name=view.deployment.full_name,
        model=str(view.deployment.model),
        version=view.deployment.reference,
        state=view.state,
        gaps=list(view.gaps),
        needs_retraining=optional_time(view.since),
        rests_until=optional_time(view.rests_until),
        reasons=[to_wire(each, wire.RetrainingReason) for each in view.reasons],
        windows=[_window(each) for each in view.windows],
        columns=[] if last is None else [_column(each) for each in last.columns],
        over_in={name.removeprefix(OUTPUT): count for name, count in view.over_in.items()},
        **given,
    )


def _summary(view: MonitorView) -> wire.MonitorSummary:
    last = view.last
    worst = next((each for each in last.columns if each.psi is not None), None) if last else None
    return wire.MonitorSummary(
        name=view.deployment.full_name,
        version=view.deployment.reference,
        state=view.state,
        needs_retraining=optional_time(view.since),
        reasons=[each.words for each in view.reasons],
        over=0 if last is None else len(last.over),
        worst=None if worst is None else worst.name.removeprefix(OUTPUT),
        psi=None if worst is None else worst.psi,
        last_window=None if not view.windows else _seconds_text(view.windows[0].start),
    )
