"""The audit log: who did what, when; one event with its proof; what was in a stage at a moment; the check."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from starlette.responses import Response

from modelyard.domain.errors import Denied, Invalid, ModelyardError, NotFound
from modelyard.domain.names import ModelName
from modelyard.doors.parsing import parse_time
from modelyard.registry.audit.checking import find_check, start_check
from modelyard.registry.audit.nouns import EventFilter, LoggedEvent
from modelyard.registry.audit.proofs import show_checkpoint, show_proof
from modelyard.registry.audit.usecases import LogScope, list_log, may_read_all
from modelyard.registry.promotion.standing import list_stood
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_ROWS = 50
_FILTERS = ("model", "version", "namespace", "kind", "actor", "since", "until")


@table.get("/audit")
async def log(visit: Visit) -> Response:
    """?stage=production&at=2026-11-17 also shows what was in that stage then."""
    model, namespace = visit.chosen("model"), visit.chosen("namespace")
    kind, actor = visit.chosen("kind"), visit.chosen("actor")
    since, until = visit.chosen("since"), visit.chosen("until")
    version = visit.chosen("version")
    chosen = EventFilter(
        version=int(version) if version.isdigit() and len(version) < 10 else None,
        actor=actor or None,
        kinds=(kind,) if kind else (),
        since=parse_time(since) if since else None,
        until=parse_time(until) if until else None,
    )
    scope = LogScope(
        namespace or None, ModelName.parse(model, visit.actor.default_namespace) if model else None
    )
    before = visit.chosen("before")
    start = int(before) if before.isdigit() else None
    problem: ModelyardError | None = None
    items: list[LoggedEvent] = []
    try:
        found = await visit.look(
            lambda tx: list_log(tx, visit.actor, chosen, scope, before=start, limit=_ROWS + 1)
        )
        items = found.items
    except (Denied, Invalid, NotFound) as error:
        # The form keeps its input: a narrower query may succeed.
        problem = error
    page = items[:_ROWS]
    given = {name: value for name, value in visit.query.items() if value and name in _FILTERS}
    stage, moment, stood = visit.chosen("stage"), visit.chosen("at"), None
    checkpoint = await visit.point(lambda tx: show_checkpoint(tx, visit.actor, visit.services.keyring))
    if stage and moment:
        try:
            at = parse_time(f"{moment}T23:59:59Z" if len(moment) == 10 else moment)
            stood = await visit.read(
                lambda tx: list_stood(
                    tx,
                    visit.actor,
                    stage,
                    at,
                    namespace=namespace or None,
                    after=visit.chosen("after"),
                    limit=_ROWS + 1,
                )
            )
        except Invalid as error:
            problem = error
    may_check = may_read_all(visit.actor)
    check = await visit.read(lambda tx: find_check(tx, visit.actor)) if may_check else None
    has_more = len(items) > _ROWS
    is_whole = may_read_all(visit.actor) or ((model or namespace) and problem is None)
    return await visit.render(
        "audit.html",
        problem=problem,
        check=check,
        may_check=may_check,
        checkpoint=checkpoint,
        export=f"/api/v1/audit/export?{urlencode(given)}" if is_whole else None,
        stage=stage or "production",
        at=moment,
        stood=stood[:_ROWS] if stood is not None else None,
        more_stood=f"/audit?{urlencode({'stage': stage, 'at': moment, 'after': str(stood[_ROWS - 1].model)})}#stood"
        if stood and len(stood) > _ROWS
        else None,
        events=page,
        given=given,
        details=lambda event: json.dumps(event.body.get("data") or {}, ensure_ascii=False, indent=1)[:2000],
        more=f"/audit?{urlencode({**given, 'before': page[-1].seq})}" if has_more else None,
        twin=f"/api/v1/audit/events?{urlencode(given)}" if is_whole else None,
    )


@table.post("/audit/check", operation="start_check", command="audit check")
async def check(visit: Visit) -> Response:
    """Have the server compare all events with the hash tree, and the tables with the events."""
    await visit.write(lambda tx: start_check(tx, visit.actor))
    return visit.go("/audit#chain")


@table.get("/audit/events/{seq:number}")
async def event(visit: Visit) -> Response:
    """Show one event and the proof that the log holds it."""
    seq = int(visit.path["seq"])
    found = await visit.look(lambda tx: show_proof(tx, visit.actor, visit.services.keyring, seq))
    return await visit.render(
        "audit_event.html",
        proof=found,
        details=json.dumps(found.body, ensure_ascii=False, indent=1)[:20_000],
        download=f"/api/v1/audit/events/{seq}/proof",
        twin=f"/api/v1/audit/events/{seq}/proof",
    )
