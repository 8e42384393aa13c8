"""Shared by all pages: the visitor, forms and the proof that our own page sent them, templates, errors.

A page calls the same use cases as its JSON counterpart and adds no rules of its own. It works without scripts:
filters are GET forms, actions are POST forms that end in a redirect.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS, Actor
from modelyard.domain.errors import (
    Denied,
    EditConflict,
    InvalidRequest,
    Kind,
    ModelyardError,
    NotFound,
    Unauthenticated,
)
from modelyard.domain.names import ModelName
from modelyard.doors.authentication import authenticate
from modelyard.doors.browser import SESSION_COOKIE
from modelyard.doors.call import Call
from modelyard.doors.errors import status_of
from modelyard.doors.parsing import FORM_TYPE, read_body, refuse_nul
from modelyard.doors.services import Services
from modelyard.registry.comments import usecases as comments
from modelyard.registry.promotion.reading import list_to_review
from modelyard.registry.stars.usecases import list_starred
from modelyard.web import format

if TYPE_CHECKING:
    import jinja2

T = TypeVar("T")

WEB = Path(__file__).parent
THEME_COOKIE = "modelyard_theme"
KEYS_COOKIE = "modelyard_keys"
THEMES = ("light", "dark")
MOST_FORM_BYTES = 256 * 1024
_MOST_WAITING = 20
"""Most promotions counted in the navigation; more are shown as "20+"."""
_MOST_STARRED = 8
_SMALLEST_GZIP = 1000
KEYS = (
    (("Ctrl K",), "jump to anything"),
    (("/",), "go to the filter"),
    (("j", "k"), "next and previous row"),
    (("Enter",), "open the row"),
    (("x",), "select the row"),
    (("c",), "compare the selected rows"),
    (("?",), "this list"),
    (("Esc",), "close"),
)
"""Keys of every page, and what they do; `g` and the key of a place in the navigation open that place."""
PLACES = (
    ("h", "/", "house", "Home"),
    ("m", "/models", "box", "Models"),
    ("a", "/approvals", "git-pull-request-arrow", "Approvals"),
    ("p", "/deployments", "rocket", "Deployments"),
    ("b", "/builds", "play", "Builds"),
    ("t", "/runs", "trending-up", "Runs"),
    ("d", "/datasets", "database", "Datasets"),
    ("o", "/monitoring", "activity", "Monitoring"),
    ("l", "/audit", "scroll-text", "Audit log"),
)
"""The navigation of accounts: (key after `g`, path, icon, words)."""
SETTINGS = (
    ("/settings", "Your account"),
    ("/settings/namespaces", "Namespaces"),
    ("/settings/members", "Members and roles"),
    ("/settings/accounts", "Accounts"),
    ("/settings/groups", "Groups"),
    ("/settings/services", "Service accounts"),
    ("/settings/publishers", "Trusted publishers"),
    ("/settings/policies", "Policies"),
    ("/settings/globals", "Trusted globals"),
    ("/settings/subscriptions", "Subscriptions"),
    ("/settings/storage", "Storage"),
    ("/settings/measures", "Measures"),
)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "cache-control": "no-store", "vary": "cookie"}

_STATIC = {
    "app.css": "app.css",
    "app.js": "app.js",
    "build.js": "build.js",
    "run.js": "run.js",
    "htmx.js": "vendor/htmx.org-4.0.1/htmx.min.js",
    "sse.js": "vendor/htmx.org-4.0.1/hx-sse.min.js",
    "uplot.js": "vendor/uplot-1.6.32/uPlot.iife.min.js",
    "uplot.css": "vendor/uplot-1.6.32/uPlot.min.css",
    "icons.svg": "vendor/lucide-static-0.552.0/icons.svg",
    "inter.woff2": "vendor/inter-5.2.8/inter-latin-wght-normal.woff2",
    "mono.woff2": "vendor/jetbrains-mono-5.2.8/jetbrains-mono-latin-wght-normal.woff2",
}
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "woff2": "font/woff2"}


# --- files that never change ---------------------------------------------------------------------------


@cache
def _static() -> tuple[str, dict[str, tuple[bytes, bytes | None, str]]]:
    """Return (a name for all of them together, name → (bytes, compressed bytes, media type))."""
    found = {}
    digest = hashlib.sha256()
    for name, path in _STATIC.items():
        data = (WEB / "static" / path).read_bytes()
        digest.update(data)
        kind = name.rsplit(".", 1)[1]
        packed = None if kind == "woff2" else gzip.compress(data, 9, mtime=0)
        found[name] = (data, packed, _TYPES[kind])
    return digest.hexdigest()[:12], found


def _accepts_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


async def _send_static(request: Request) -> Response:
    key, files = _static()
    name = request.path_params["file"]
    if name not in files or request.path_params["key"] != key:
        return Response("This file does not exist.", 404, HEADERS, "text/plain")
    data, packed, media_type = files[name]
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    if packed is not None and _accepts_gzip(request):
        return Response(packed, 200, {**headers, "content-encoding": "gzip"}, media_type)
    return Response(data, 200, headers, media_type)


# --- templates -----------------------------------------------------------------------------------------


@cache
def _templates() -> jinja2.Environment:
    # Imported here: a server without pages does not need it.
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    key = _static()[0]
    found.globals["static"] = lambda name: f"/static/{key}/{name}"
    found.globals["format"] = format
    found.globals["page_places"] = PLACES
    found.globals["page_keys"] = KEYS
    found.filters.update(
        number=format.number,
        change=format.change,
        size=format.size,
        grouped=format.grouped,
        digest=format.short_digest,
        initials=format.initials,
        tojson_plain=lambda value: json.dumps(value, ensure_ascii=False, default=str)[:2000],
        exact=format.exact,
        quoted=lambda text: quote(str(text), safe=""),
        path=lambda text: quote(str(text)),
    )
    return found


# --- one visit -----------------------------------------------------------------------------------------


class Visit(Call):
    """One request of a browser for a page."""

    def __init__(self, request: Request, services: Services, actor: Actor) -> None:
        super().__init__(request, services, actor, 200)
        self.form: dict[str, list[str]] = {}
        self.waiting = 0
        """Number of promotions that need the visitor's vote."""
        self.unread = 0
        """Number of unread notifications, at most `_MOST_WAITING`."""
        self.starred: Sequence[ModelName] = ()
        """The first starred models, for the navigation."""
        self.starred_all: frozenset[ModelName] = frozenset()

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(self.request.query_params)

    def chosen(self, name: str) -> str:
        """Return one value of the query; empty if it is missing."""
        return self.query.get(name, "").strip()

    def given(self, name: str) -> str:
        """Return one field of the form; empty if it is missing."""
        return self.form.get(name, [""])[0].replace("\r\n", "\n").strip()

    @property
    def theme(self) -> str | None:
        given = self.request.cookies.get(THEME_COOKIE)
        return given if given in THEMES else None

    @property
    def has_keys(self) -> bool:
        """Return whether single keys act, which a cookie can switch off."""
        return self.request.cookies.get(KEYS_COOKIE) != "off"

    @property
    def here(self) -> str:
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    async def look(self, fn: Callable[[Transaction], T]) -> T:
        """Read the contents of a page and of its frame in one transaction."""

        def read(tx: Transaction) -> T:
            if not self.actor.is_anonymous:
                self.waiting = len(list_to_review(tx, self.actor, _MOST_WAITING, None))
                self.unread = comments.count_unread(tx, self.actor, _MOST_WAITING)
                self.starred_all = frozenset(starred := list_starred(tx, self.actor))
                self.starred = starred[:_MOST_STARRED]
            return fn(tx)

        return await self.read(read)

    @property
    def settings_pages(self) -> Sequence[tuple[str, str]]:
        """Return (path, words) of the pages below Settings."""
        return SETTINGS

    # --- forms ---------------------------------------------------------------------------------

    def _proof(self, salt: str) -> str:
        session = self.request.cookies.get(SESSION_COOKIE, "")
        key = self.services.keyring.derive("page forms 1")
        return hmac.new(key, f"{salt}{session}".encode(), "sha256").hexdigest()[:32]

    @cached_property
    def csrf(self) -> str:
        """Return a new proof that one of our pages made a form. It differs each time, so that a compressed page does
        not reveal it bit by bit."""
        salt = secrets.token_hex(8)
        return salt + self._proof(salt)

    async def read_form(self) -> None:
        """Raises Denied unless one of our pages, shown to this session, sent the form."""
        body = await read_body(self.request, MOST_FORM_BYTES, FORM_TYPE)
        try:
            text = body.decode()
            self.form = parse_qs(text, keep_blank_values=True, max_num_fields=200, encoding="utf-8")
        except ValueError:
            raise InvalidRequest(
                reason="the form cannot be read", fix="Open the page and send it again"
            ) from None
        for values in self.form.values():
            for value in values:
                refuse_nul(value, "a field of the form")
        token = self.given("csrf")
        if not hmac.compare_digest(self._proof(token[:16]).encode(), token[16:].encode()):
            raise Denied(
                actor=self.actor.name or "anonymous",
                permission="act by this form",
                where="this server",
                who="nobody",
                role="",
                fix="The page belongs to another sign-in. Open it again and send the form from there",
            )

    # --- answers -------------------------------------------------------------------------------

    async def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return the page, compressed if the browser accepts that."""
        shown = {
            "visit": self,
            "actor": None if self.actor.is_anonymous else self.actor,
            "now": self.services.db.clock(),
            "problem": None,
            "done": self.chosen("done"),
            "twin": None,
            **values,
        }
        body = _templates().get_template(template).render(shown).encode()
        headers = dict(HEADERS)
        if len(body) >= _SMALLEST_GZIP and _accepts_gzip(self.request):
            body = gzip.compress(body, 5)
            headers["content-encoding"] = "gzip"
        return Response(body, status, headers, "text/html; charset=utf-8")

    async def show(self, template: str, problem: ModelyardError | None, **values: Any) -> Response:
        """Return the page of a form. problem: why the form changed nothing; the page keeps its input."""
        status = 200 if problem is None else status_of(problem)
        return await self.render(template, status=status, problem=stale_form(problem), **values)

    async def attempt(
        self,
        path: str,
        done: str,
        action: Callable[[Transaction], Any],
        again: Callable[[Visit, ModelyardError], Awaitable[Response]],
    ) -> Response:
        """Do what a form asks for, and go to a page; or show the form again with the problem and its input."""
        try:
            await self.write(action)
        except NotFound:
            raise
        except ModelyardError as error:
            return await again(self, error)
        return self.go(path, done)

    def go(self, path: str, done: str = "") -> Response:
        """Redirect to a page after an action. done: the result, in a few words."""
        query = urlencode({"done": done}) if done else ""
        page, mark, part = path.partition("#")
        joined = "&" if "?" in page else "?"
        return RedirectResponse(f"{page}{joined}{query}{mark}{part}" if query else path, 303, HEADERS)


def stale_form(problem: ModelyardError | None) -> ModelyardError | None:
    """Return the problem; if somebody else was faster, with the way on for a form, which has no ETag."""
    if isinstance(problem, EditConflict):
        problem.fix = "Below is what you typed. To replace the newer state with it, send the form again"
    return problem


Handler = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True)
class Page:
    method: str
    path: str
    handler: Handler
    public: bool
    """Shown without an account, such as pages of public models."""
    operation: str = ""
    """Of a form: the API's operation that does the same."""
    command: str = ""
    """Of a form: the command that does the same, without `modelyard`."""


class PageTable:
    """The pages of one feature."""

    def __init__(self) -> None:
        self.pages: list[Page] = []

    def get(self, path: str, *, public: bool = False) -> Callable[[Handler], Handler]:
        return self._add("GET", path, public)

    def post(self, path: str, *, operation: str, command: str) -> Callable[[Handler], Handler]:
        """Add a form. What it does, the API and the command line do too."""
        return self._add("POST", path, False, operation, command)

    def _add(
        self, method: str, path: str, public: bool, operation: str = "", command: str = ""
    ) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            self.pages.append(Page(method, path, handler, public, operation, command))
            return handler

        return keep


def _endpoint(page: Page, services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        actor = ANONYMOUS
        visit = Visit(request, services, actor)
        try:
            refuse_nul(request.scope["path"], "the path")
            actor = await authenticate(request, services)
            visit = Visit(request, services, actor)
            if actor.is_anonymous and not page.public:
                raise Unauthenticated()
            if page.method == "POST":
                await visit.read_form()
            return await page.handler(visit)
        except Unauthenticated:
            place = visit.here if request.method == "GET" else "/"
            return RedirectResponse(f"/login?{urlencode({'next': place})}", 303, HEADERS)
        except ModelyardError as error:
            return await show_error(visit, error)

    return answer


async def show_error(visit: Visit, error: ModelyardError) -> Response:
    """Return a page with the problem and a way on."""
    titles = {
        Kind.NOT_FOUND: "Not found",
        Kind.DENIED: "You cannot do this",
        Kind.BUSY: "The registry is busy",
        Kind.UNAVAILABLE: "The registry cannot answer now",
    }
    return await visit.render(
        "error.html",
        status=status_of(error),
        title=titles.get(error.kind, "This did not work"),
        error=error,
        is_missing=isinstance(error, NotFound),
        request_id=visit.request_id,
    )


def page_routes(tables: Sequence[PageTable], services: Services) -> list[Route]:
    """The pages as routes of the web framework."""
    pages = [page for table in tables for page in table.pages]
    return [
        Route("/static/{key}/{file}", _send_static, methods=["GET"]),
        *(
            Route(page.path, _endpoint(page, services), methods=[page.method], name=page.handler.__name__)
            for page in pages
        ),
    ]
