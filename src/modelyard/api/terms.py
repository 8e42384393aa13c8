"""Routes of terms of use."""

from __future__ import annotations

from modelyard.api.conversion import optional_time, to_wire
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.terms import usecases as terms
from modelyard.registry.terms.nouns import Terms
from modelyard.wire import terms as wire
from modelyard.wire.base import PageQuery

table = RouteTable(__name__)

_TERMS = "/api/v1/models/{namespace}/{name}/terms"


def _shown(found: Terms) -> wire.Terms:
    return to_wire(
        found,
        wire.Terms,
        model=str(found.model),
        set_at=optional_time(found.set_at),
        accepted_at=optional_time(found.accepted_at),
    )


@table.route("GET", _TERMS)
async def show_terms(call: Call) -> wire.Terms:
    """Return the terms of use of a model, and whether the caller has accepted them."""
    return _shown(await call.read(lambda tx: terms.show_terms(tx, call.actor, call.model)))


@table.route("PUT", _TERMS)
async def set_terms(call: Call, body: wire.SetTerms) -> Answer[wire.Terms]:
    """Set the terms of use of a model. Every account has to accept them before its next pull."""
    return await call.commit(lambda tx: _shown(terms.set_terms(tx, call.actor, call.model, body.text)))


@table.route("POST", f"{_TERMS}/acceptances")
async def accept_terms(call: Call, body: wire.AcceptTerms) -> Answer[wire.Terms]:
    """Accept the present terms of use for the caller's account."""
    return await call.commit(lambda tx: _shown(terms.accept_terms(tx, call.actor, call.model, body.digest)))


@table.route("GET", f"{_TERMS}/acceptances")
async def list_acceptances(call: Call, query: PageQuery) -> wire.AcceptancePage:
    """List the accounts that accepted terms of use of the model, newest first."""
    paging = Paging.of(query, int)
    found = await call.read(
        lambda tx: terms.list_acceptances(tx, call.actor, call.model, paging.start, paging.count)
    )
    return paging.answer(
        wire.AcceptancePage, found, lambda row: to_wire(row, wire.Acceptance), key=lambda row: (row.id,)
    )
