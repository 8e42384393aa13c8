"""Signing in on a browser with a one-time link, and the plain page behind it.

The link is used up by a click on the page and not by opening it, so that programs that look at links
before people do cannot burn it.
"""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from modelyard.domain.errors import ModelyardError, SignInFailed
from modelyard.registry.access import usecases as access
from modelyard.services import Services

SESSION_COOKIE = "modelyard_session"

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} · Modelyard</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>{title}</h1>{body}</main></body></html>
"""


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status, _HEADERS)


def page(title: str, error: ModelyardError, status: int) -> Response:
    """A plain page that says what went wrong."""
    return _page(title, f"<p>{escape(str(error))}</p>", status)


def welcome_routes(services: Services) -> list[Route]:
    async def show(request: Request) -> Response:
        link = escape(request.query_params.get("link", ""), quote=True)
        if not link:
            provider = '<p><a href="/login/oidc">Sign in</a></p>' if services.settings.oidc_issuer else ""
            return _page(
                "Sign in", f"{provider}<p>Ask for a link with <code>modelyard user link NAME</code>.</p>"
            )
        return _page(
            "Sign in",
            f'<form method="post" action="/login"><input type="hidden" name="link" value="{link}">'
            '<button type="submit">Sign in to Modelyard</button></form>',
        )

    async def sign_in(request: Request) -> Response:
        body = await _small_form(request)
        try:
            session = await services.db.awrite(lambda tx: access.sign_in_by_link(tx, body))
        except SignInFailed as error:
            return _page("Sign-in failed", f"<p>{escape(str(error))}</p>", 401)
        response = RedirectResponse("/", 303, _HEADERS)
        response.set_cookie(
            SESSION_COOKIE,
            session,
            max_age=access.SESSION_LIFETIME // 1_000_000,
            httponly=True,
            samesite="lax",
            secure=services.public_url.startswith("https:"),
        )
        return response

    async def home(_: Request) -> Response:
        return _page(
            "Modelyard",
            f"<p>The registry runs (release {escape(services.release)}). Its interface is the command "
            '<code>modelyard</code>, the Python package, and the <a href="/api/v1/openapi.json">HTTP API</a>.</p>',
        )

    return [
        Route("/", home, methods=["GET"]),
        Route("/login", show, methods=["GET"]),
        Route("/login", sign_in, methods=["POST"]),
    ]


async def _small_form(request: Request) -> str:
    """The field `link` of a form of at most 4 KiB."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > 4096:
            raise SignInFailed()
    return parse_qs(body.decode("ascii", "replace")).get("link", [""])[0]
