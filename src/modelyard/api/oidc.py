"""Routes of trusted publishers and the exchange of CI identity tokens."""

from __future__ import annotations

from functools import partial

from modelyard.api.conversion import fields_of, to_wire
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.choices import parse_publisher_role
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.oidc import usecases as oidc
from modelyard.registry.oidc.nouns import Publisher
from modelyard.registry.oidc.rules import Description
from modelyard.wire import oidc as wire

table = RouteTable(__name__)


def _publisher(row: Publisher) -> wire.Publisher:
    return to_wire(row, wire.Publisher, role=row.role.word)


@table.route("GET", "/api/v1/namespaces/{namespace}/publishers")
async def list_publishers(call: Call) -> wire.PublisherList:
    """List the trusted publishers of the namespace."""
    publishers = await call.read(lambda tx: oidc.list_publishers(tx, call.actor, call.path["namespace"]))
    return wire.PublisherList(items=[_publisher(row) for row in publishers])


@table.route("POST", "/api/v1/namespaces/{namespace}/publishers", status=201)
async def trust_publisher(call: Call, body: wire.TrustPublisher) -> Answer[wire.Publisher]:
    """Let CI jobs with these properties act in the namespace without a stored secret."""
    role = parse_publisher_role(body.role)
    described = Description(**fields_of(body, "role", "model"))
    return await call.commit(
        lambda tx: _publisher(
            oidc.trust_publisher(tx, call.actor, call.path["namespace"], described, role=role, model=body.model)
        )
    )


@table.route("DELETE", "/api/v1/namespaces/{namespace}/publishers/{publisher:number}", status=204)
async def distrust_publisher(call: Call) -> Answer[None]:
    """Remove a trusted publisher and revoke all its tokens."""
    number = call.number("publisher")
    return await call.commit(lambda tx: oidc.distrust_publisher(tx, call.actor, call.path["namespace"], number))


@table.route("GET", "/api/v1/oidc/audience", public=True)
async def show_audience(call: Call) -> wire.Audience:
    """Return the audience that a CI job must request for its ID token."""
    return wire.Audience(audience=call.services.public_url)


@table.route("POST", "/api/v1/oidc/exchange", public=True, tells_secret=True)
async def exchange_token(call: Call, body: wire.ExchangeToken) -> wire.ExchangedToken:
    """Exchange a CI job's ID token for a token that is valid for fifteen minutes."""
    services = call.services
    work = partial(
        oidc.exchange, services.db, services.providers, body.token, services.public_url, body.namespace
    )
    made = await call.in_thread("providers", work)
    return to_wire(
        made.publisher,
        wire.ExchangedToken,
        token=made.secret,
        expires_at=time_text(made.expires_at),
        role=made.publisher.role.word,
    )
