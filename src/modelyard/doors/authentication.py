"""Find the actor of a request: by a bearer token, or by a browser session with proof of its origin."""

from __future__ import annotations

import base64
from functools import partial
from hashlib import blake2b

from starlette.requests import Request

from modelyard.domain.actor import ANONYMOUS, Actor
from modelyard.domain.errors import TokenInvalid, Unauthenticated
from modelyard.doors.browser import SESSION_COOKIE, refuse_foreign_origin
from modelyard.doors.call import REVISIONS
from modelyard.doors.guarding import hold_back
from modelyard.doors.services import Services
from modelyard.registry.access import usecases as access
from modelyard.registry.access.nouns import Credential

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PROVEN = "modelyard.proven"
"""Key in the scope of a request: whether its token was verified."""

_NOTE_AFTER = 60_000_000
"""The last use of a token is recorded to the minute."""


def bearer_token(header: str) -> str:
    """Return the token in an Authorization header; Basic carries it as the password. Raises Unauthenticated."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:
            raise Unauthenticated() from None
    raise Unauthenticated(fix="Send the header Authorization: Bearer <token>")


async def authenticate(request: Request, services: Services) -> Actor:
    """Return the caller; anonymous without credentials. A wrong or expired token is an error, never anonymous.

    Raises TokenInvalid, TokenExpired, Unauthenticated, Denied for a forged browser request.
    """
    proof: bytes | None = request.scope["modelyard.headers"].get(b"authorization")
    if proof is not None:
        try:
            token = bearer_token(proof.decode("latin-1"))
            revisions = request.scope[REVISIONS] = await services.db.revisions()
            actor = await token_actor(services, token, revisions.rights)
        except Unauthenticated as error:
            request.scope[PROVEN] = False
            if isinstance(error, TokenInvalid):
                await hold_back(request, services, "token")
            raise
        request.scope[PROVEN] = True
        return actor
    session = request.cookies.get(SESSION_COOKIE)
    if session is None:
        return ANONYMOUS
    if request.method not in _SAFE_METHODS:
        refuse_foreign_origin(request)
    return await services.db.apoint(lambda tx: access.authenticate_session(tx, session))


async def token_actor(services: Services, token: str, revision: int) -> Actor:
    """revision: of rights, asked for by this request. Raises TokenInvalid, TokenExpired.

    The expiry of a remembered token is still checked every time.
    """
    db, tokens = services.db, services.known_tokens
    # Not the stored hash: this one takes a third of its time.
    key = blake2b(token.encode(), digest_size=32).digest()
    known = tokens.find(revision, key)
    if known is not None and (known.expires_at is None or known.expires_at > db.clock()):
        return known.actor

    async def read() -> Credential:
        found = await db.apoint(partial(access.authenticate, token=token))
        note_use(services, found)
        return found

    return (await tokens.read(revision, key, read)).actor


def note_use(services: Services, found: Credential) -> None:
    """Record that a token was used; the worker stores it later."""
    if found.last_used_at is None or services.db.clock() - found.last_used_at > _NOTE_AFTER:
        token_id = found.actor.token_id
        if token_id is not None:
            services.used_tokens.add(token_id)
