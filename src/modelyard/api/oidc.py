"""Routes of trusted publishers and the exchange of CI identity tokens."""

from __future__ import annotations

from functools import partial

from modelyard.domain.actor import Role
from modelyard.domain.errors import Invalid
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.oidc import usecases as oidc
from modelyard.registry.oidc.nouns import Publisher
from modelyard.registry.oidc.rules import Description
from modelyard.wire import oidc as wire

table = RouteTable("publishers")


def _publisher(row: Publisher) -> wire.Publisher:
    return wire.Publisher(
        id=row.id,
        namespace=row.namespace,
        model=row.model,
        kind=row.kind,
        issuer=row.issuer,
        claims=dict(row.claims),
        role=row.role.word,
        account=row.account,
        created_at=time_text(row.created_at),
    )


@table.route("GET", "/api/v1/namespaces/{namespace}/publishers")
async def list_publishers(call: Call) -> wire.PublisherList:
    """The CI jobs that may act in the namespace."""
    found = await call.read(lambda tx: oidc.list_publishers(tx, call.actor, call.path["namespace"]))
    return wire.PublisherList(items=[_publisher(row) for row in found])


@table.route("POST", "/api/v1/namespaces/{namespace}/publishers", status=201)
async def trust_publisher(call: Call, body: wire.TrustPublisher) -> Answer[wire.Publisher]:
    """Let CI jobs of a description act in the namespace, without a stored secret."""
    try:
        role = Role.from_word(body.role)
    except KeyError:
        raise Invalid(
            reason=f"{body.role[:40]!r} is no role", fix="Use reader, contributor or maintainer"
        ) from None
    described = Description(
        kind=body.kind,
        issuer=body.issuer,
        repository=body.repository,
        owner_id=body.owner_id,
        workflow=body.workflow,
        ref=body.ref,
        environment=body.environment,
        claims=body.claims,
    )
    return await call.commit(
        lambda tx: _publisher(
            oidc.trust_publisher(tx, call.actor, call.path["namespace"], described, role=role, model=body.model)
        )
    )


@table.route("DELETE", "/api/v1/namespaces/{namespace}/publishers/{publisher:number}", status=204)
async def distrust_publisher(call: Call) -> Answer[None]:
    """End a trusted publisher and all its tokens."""
    number = int(call.path["publisher"])
    return await call.commit(lambda tx: oidc.distrust_publisher(tx, call.actor, call.path["namespace"], number))


@table.route("GET", "/api/v1/oidc/audience", public=True)
async def show_audience(call: Call) -> wire.Audience:
    """The audience that a CI job asks its ID token for."""
    return wire.Audience(audience=call.services.public_url)


@table.route("POST", "/api/v1/oidc/exchange", public=True, tells_secret=True)
async def exchange_token(call: Call, body: wire.ExchangeToken) -> wire.ExchangedToken:
    """A CI job's ID token for a token of fifteen minutes."""
    services = call.services
    work = partial(
        oidc.exchange, services.db, services.providers, body.token, services.public_url, body.namespace
    )
    made = await call.in_thread("providers", work)
    return wire.ExchangedToken(
        token=made.secret,
        expires_at=time_text(made.expires_at),
        namespace=made.publisher.namespace,
        model=made.publisher.model,
        role=made.publisher.role.word,
        account=made.publisher.account,
    )
