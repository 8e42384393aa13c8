"""Settings of your own account: tokens."""

from __future__ import annotations

from starlette.responses import Response

from modelyard.domain.errors import ModelyardError
from modelyard.registry.access import usecases as access
from modelyard.web.access import days_of, show_own
from modelyard.web.frame import PageTable, Visit

table = PageTable()


@table.get("/settings")
async def settings(visit: Visit) -> Response:
    return await show_own(visit)


@table.post("/settings/tokens", operation="create_token", command="token create")
async def create_token(visit: Visit) -> Response:
    """Create a token. Only the answering page shows the secret."""
    name, days = visit.given("name"), visit.given("days")
    try:
        made = await visit.write(
            lambda tx: access.create_token(tx, visit.actor, name=name, expires_in_days=days_of(days))
        )
    except ModelyardError as error:
        return await show_own(visit, error)
    return await show_own(visit, made=made.secret)


@table.post("/settings/tokens/{id:number}/revoke", operation="revoke_token", command="token revoke")
async def revoke_token(visit: Visit) -> Response:
    token = int(visit.path["id"])
    await visit.write(lambda tx: access.revoke_token(tx, visit.actor, token))
    return visit.go("/settings", "The token was revoked.")
