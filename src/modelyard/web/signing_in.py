"""Signing in with a browser, signing out, and the choice of a theme.

A one-time link is used up by a click on the page, not by opening it, so that programs that preview links cannot use
it up.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.errors import Denied, InvalidRequest, ModelyardError, SignInFailed
from modelyard.doors.browser import SESSION_COOKIE, refuse_foreign_origin, set_session_cookie
from modelyard.doors.errors import status_of
from modelyard.doors.parsing import FORM_TYPE, read_body
from modelyard.doors.services import Services
from modelyard.doors.signing_in import session_by_link, session_by_password
from modelyard.registry.access import usecases as access
from modelyard.web.frame import HEADERS, KEYS_COOKIE, THEME_COOKIE, THEMES, PageTable, Visit

FORM_COOKIE = "modelyard_sign_in_form"
"""Cookie that binds the form to its browser; pages of other sites can neither read nor set it."""
_MOST_FORM_BYTES = 4096
_THEME_SECONDS = 365 * 24 * 3600

table = PageTable()


def local_place(place: str) -> str:
    """Return the next page: a path of this server, never another site."""
    is_path = place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable()
    return place if is_path and "\\" not in place else "/"


async def show_sign_in(visit: Visit, error: ModelyardError | None = None, *, status: int = 200) -> Response:
    """Show the form, bound to this browser by a cookie."""
    services = visit.services
    form = secrets.token_urlsafe(32)
    response = await visit.render(
        "sign_in.html",
        status=status,
        problem=error,
        link=_secret_of(visit.chosen("link") or visit.given("link")),
        name=visit.given("name"),
        place=local_place(visit.chosen("next") or visit.given("next") or "/"),
        form=form,
        has_provider=bool(services.settings.oidc_issuer),
        public_url=services.public_url,
    )
    response.set_cookie(
        FORM_COOKIE,
        form,
        max_age=600,
        path="/login",
        httponly=True,
        samesite="strict",
        secure=_is_secure(services),
    )
    return response


def _secret_of(text: str) -> str:
    """Return the secret from a pasted link or a pasted secret."""
    query = parse_qs(urlsplit(text).query) if "?" in text else {}
    return query.get("link", [text])[0].strip()


def _is_secure(services: Services) -> bool:
    return services.public_url.startswith("https:")


async def _sign_in(visit: Visit) -> Response:
    request, services = visit.request, visit.services
    refuse_foreign_origin(request)
    try:
        text = (await read_body(request, _MOST_FORM_BYTES, FORM_TYPE)).decode("ascii", "replace")
        visit.form = parse_qs(text, max_num_fields=10)
    except ValueError:
        raise InvalidRequest(reason="the form cannot be read", fix="Open the page again") from None
    shown = request.cookies.get(FORM_COOKIE, "")
    if not shown or not hmac.compare_digest(shown.encode(), visit.given("form").encode()):
        raise SignInFailed(fix="Open the page again in this browser and send its form")
    link = _secret_of(visit.given("link"))
    session = await (
        session_by_link(request, services, link)
        if link
        else session_by_password(request, services, visit.given("name"), visit.form.get("password", [""])[0])
    )
    response = RedirectResponse(local_place(visit.given("next") or "/"), 303, HEADERS)
    set_session_cookie(response, session, secure=_is_secure(services))
    response.delete_cookie(FORM_COOKIE, path="/login")
    return response


@table.post("/logout", operation="sign_out", command="logout")
async def sign_out(visit: Visit) -> Response:
    session = visit.request.cookies.get(SESSION_COOKIE, "")
    await visit.write(lambda tx: access.sign_out(tx, session))
    response = visit.go("/login", "You are signed out.")
    response.delete_cookie(SESSION_COOKIE)
    return response


async def choose_theme(visit: Visit) -> Response:
    theme = visit.given("theme")
    response = visit.go(local_place(visit.given("next") or "/"))
    if theme in THEMES:
        response.set_cookie(
            THEME_COOKIE, theme, max_age=_THEME_SECONDS, samesite="lax", secure=_is_secure(visit.services)
        )
    return response


async def choose_keys(visit: Visit) -> Response:
    """Switch keys that are single letters on or off in this browser."""
    response = visit.go("/settings", "Your choice of keys was kept in this browser.")
    keys = "off" if visit.given("keys") == "off" else "on"
    response.set_cookie(
        KEYS_COOKIE, keys, max_age=_THEME_SECONDS, samesite="lax", secure=_is_secure(visit.services)
    )
    return response


def sign_in_routes(services: Services) -> list[Route]:
    """The routes of people without a session, so they do not look for one."""

    async def show(request: Request) -> Response:
        return await show_sign_in(Visit(request, services, ANONYMOUS))

    async def sign_in(request: Request) -> Response:
        visit = Visit(request, services, ANONYMOUS)
        try:
            return await _sign_in(visit)
        except Denied as error:
            return await show_sign_in(visit, error, status=403)
        except ModelyardError as error:
            return await show_sign_in(visit, error, status=status_of(error))

    async def theme(request: Request) -> Response:
        visit = Visit(request, services, ANONYMOUS)
        try:
            refuse_foreign_origin(request)
            await visit.read_form()
        except ModelyardError:
            # An invalid theme is not worth a refusal; the theme stays.
            return visit.go("/")
        return await choose_theme(visit)

    async def keys(request: Request) -> Response:
        visit = Visit(request, services, ANONYMOUS)
        try:
            refuse_foreign_origin(request)
            await visit.read_form()
        except ModelyardError:
            return visit.go("/settings")
        return await choose_keys(visit)

    return [
        Route("/keys", keys, methods=["POST"]),
        Route("/login", show, methods=["GET"]),
        Route("/login", sign_in, methods=["POST"]),
        Route("/theme", theme, methods=["POST"]),
    ]
