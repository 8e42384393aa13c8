"""Signing in on a browser with a one-time link, and the plain page behind it.

The link is used up by a click on the page and not by opening it, so that programs that look at links
before people do cannot burn it.
"""

from __future__ import annotations

import hmac
import secrets
from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from modelyard.domain.errors import Denied, ModelyardError, SignInFailed
from modelyard.doors.browser import refuse_foreign_origin, set_session_cookie
from modelyard.doors.guarding import hold_back
from modelyard.doors.services import Services
from modelyard.registry.access import usecases as access

FORM_COOKIE = "modelyard_sign_in_form"
"""What binds the form to the browser that it was shown in; a page of another site can neither read nor set it."""

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
    secure = services.public_url.startswith("https:")

    async def show(request: Request) -> Response:
        link = escape(request.query_params.get("link", ""), quote=True)
        if not link:
            provider = '<p><a href="/login/oidc">Sign in</a></p>' if services.settings.oidc_issuer else ""
            return _page(
                "Sign in", f"{provider}<p>Ask for a link with <code>modelyard user link NAME</code>.</p>"
            )
        form = secrets.token_urlsafe(32)
        response = _page(
            "Sign in",
            f'<form method="post" action="/login"><input type="hidden" name="link" value="{link}">'
            f'<input type="hidden" name="form" value="{form}">'
            '<button type="submit">Sign in to Modelyard</button></form>',
        )
        response.set_cookie(
            FORM_COOKIE, form, max_age=600, path="/login", httponly=True, samesite="strict", secure=secure
        )
        return response

    async def sign_in(request: Request) -> Response:
        try:
            refuse_foreign_origin(request)
            form = await _small_form(request)
            shown = request.cookies.get(FORM_COOKIE, "")
            if not shown or not hmac.compare_digest(shown.encode(), form.get("form", [""])[0].encode()):
                raise SignInFailed(fix="Open the link again in this browser, and send the form that it shows")
            link = form.get("link", [""])[0]
            session = await services.db.awrite(lambda tx: access.sign_in_by_link(tx, link))
        except Denied as error:
            return page("Sign-in refused", error, 403)
        except SignInFailed as error:
            await hold_back(request, services, "link")
            return page("Sign-in failed", error, 401)
        response = RedirectResponse("/", 303, _HEADERS)
        set_session_cookie(response, session, secure=secure)
        response.delete_cookie(FORM_COOKIE, path="/login")
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


async def _small_form(request: Request) -> dict[str, list[str]]:
    """The fields of a form of at most 4 KiB. Raises SignInFailed."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > 4096:
            raise SignInFailed()
    return parse_qs(body.decode("ascii", "replace"), max_num_fields=10)
