"""Open a browser session by name and password or by a one-time link, the same at every door."""

from __future__ import annotations

from starlette.requests import Request

from modelyard.domain.errors import SignInFailed
from modelyard.doors.guarding import begin_password, client_of, hold_back, password_was_right
from modelyard.doors.services import Services
from modelyard.registry.access import secrets
from modelyard.registry.access import usecases as access


async def session_by_link(request: Request, services: Services, link: str) -> str:
    """Return the secret of a new session. Raises SignInFailed, with a delay after many failures."""
    try:
        return await services.db.awrite(lambda tx: access.sign_in_by_link(tx, link))
    except SignInFailed:
        await hold_back(request, services, "link")
        raise


async def session_by_password(request: Request, services: Services, name: str, password: str) -> str:
    """Return the secret of a new session. Raises SignInFailed, TooManyAttempts."""
    await begin_password(request, services, name)
    actor_id, stored = await services.db.apoint(lambda tx: access.find_for_password(tx, name))
    lane = services.lanes["passwords"]
    matches = await lane.run(client_of(request), secrets.password_matches, stored, password)
    session = await services.db.awrite(lambda tx: access.sign_in_by_password(tx, actor_id, matches))
    password_was_right(request, services, name)
    return session
