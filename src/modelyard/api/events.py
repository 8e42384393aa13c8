"""The stream of events: server-sent, resumable by the last event's number."""

from __future__ import annotations

from typing import Annotated

from starlette.responses import Response

from modelyard.domain.actor import Actor
from modelyard.domain.errors import InvalidRequest
from modelyard.domain.names import ModelName
from modelyard.doors.call import Call
from modelyard.doors.following import follow
from modelyard.doors.parsing import digits
from modelyard.doors.table import RouteTable
from modelyard.registry.outbox import usecases as outbox
from modelyard.wire import outbox as wire

table = RouteTable(__name__)

POLL_SECONDS = 0.5
_PAGE = 200


@table.route("GET", "/api/v1/events")
async def follow_events(call: Call, query: wire.StreamQuery) -> Annotated[Response, "text/event-stream"]:
    """Stream events as they happen, as far as the caller may read them; resume after Last-Event-ID."""
    after = query.after
    last = call.request.headers.get("last-event-id")
    if last is not None:
        after = digits(last)
        if after is None:
            raise InvalidRequest(reason=f"Last-Event-ID is {last[:40]!r}", fix="Send the last event's number")
    model = None if query.model is None else ModelName.parse(query.model)
    call.services.streams.check(call.client)
    chosen, start = await call.read(
        lambda tx: outbox.open_stream(
            tx, call.actor, namespace=query.namespace, model=model, kinds=query.kind, after=after
        )
    )

    async def look(actor: Actor, place: int) -> tuple[bytes, int]:
        found, following = await call.read(lambda tx: outbox.follow(tx, actor, chosen, place, _PAGE))
        told = b"".join(f"id: {each.seq}\nevent: {each.kind}\ndata: {each.body}\n\n".encode() for each in found)
        return told, following

    return follow(call, look, start, POLL_SECONDS)
