"""Shared by the doors for browsers: the session cookie, and the proof that our own page sent a form."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from modelyard.domain.errors import Denied
from modelyard.registry.access.usecases import SESSION_LIFETIME

SESSION_COOKIE = "modelyard_session"


def set_session_cookie(response: Response, session: str, *, secure: bool) -> None:
    response.set_cookie(
        SESSION_COOKIE,
        session,
        max_age=SESSION_LIFETIME // 1_000_000,
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def refuse_foreign_origin(request: Request) -> None:
    """Check that our own page sent the request: a cookie alone proves nothing. Raises Denied."""
    site = request.headers.get("sec-fetch-site")
    if site in ("same-origin", "none"):
        return
    origin = request.headers.get("origin")
    if site is None and origin is not None and _netloc(origin) == request.headers.get("host"):
        return
    raise Denied(
        actor="a page of another site",
        permission="act for the signed-in user",
        where="this server",
        who="nobody",
        role="",
        fix="Use a token for programs, and the registry's own pages for people",
    )


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
