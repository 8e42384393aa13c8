"""Sign in with a browser at the provider that the operator configured; settings of trusted publishers.

Authorization code flow with state, nonce and PKCE. The data of an attempt is kept in a sealed cookie for ten
minutes, so any server process can finish an attempt that another began, and a code from someone else's browser
matches no attempt. Source: OpenID Connect Core 3.1, RFC 7636, RFC 9207.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import time
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS, Permission
from modelyard.domain.errors import Conflict, IdTokenRefused, ModelyardError, SignInFailed
from modelyard.doors.browser import set_session_cookie
from modelyard.doors.choices import parse_publisher_role
from modelyard.doors.guarding import client_of
from modelyard.doors.services import Services
from modelyard.registry.catalog.usecases import find_namespace
from modelyard.registry.oidc import rules
from modelyard.registry.oidc import usecases as oidc
from modelyard.registry.oidc.providers import SIGN_IN_ALGORITHMS, Provider
from modelyard.web.frame import PageTable, Visit
from modelyard.web.places import chosen_place, list_places, may
from modelyard.web.signing_in import local_place, show_sign_in

logger = logging.getLogger(__name__)

ATTEMPT_COOKIE = "modelyard_sign_in"
_ATTEMPT_SECONDS = 600
_SEAL = "sign-in attempt"
_NO_STORE = {"cache-control": "no-store"}


def _random() -> str:
    return secrets.token_urlsafe(32)


class SignIn:
    """The two steps of one attempt."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings
        self._redirect_uri = f"{services.public_url}/login/oidc/callback"

    # --- there ---------------------------------------------------------------------------------

    def begin(self, place: str) -> tuple[str, str]:
        """Return (the provider's address, the sealed attempt). Blocks on the provider; not for the event loop."""
        provider = self._services.providers.find(self._settings.oidc_issuer)
        attempt = {
            "state": _random(),
            "nonce": _random(),
            "verifier": _random(),
            "place": local_place(place),
            "until": int(time.time()) + _ATTEMPT_SECONDS,
        }
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(attempt["verifier"]).encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._settings.oidc_scopes,
            "state": attempt["state"],
            "nonce": attempt["nonce"],
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        endpoint = provider.endpoint("authorization_endpoint")
        joined = "&" if "?" in endpoint else "?"
        return f"{endpoint}{joined}{urlencode(query)}", self._services.keyring.seal(json.dumps(attempt), _SEAL)

    # --- and back ------------------------------------------------------------------------------

    def finish(self, sealed: str, query: dict[str, str]) -> tuple[str, str]:
        """Return (the new session, the next page). Raises SignInFailed, and errors of the provider."""
        attempt = self._attempt(sealed)
        if not hmac.compare_digest(attempt["state"].encode(), query.get("state", "").encode()):
            raise SignInFailed()
        if query.get("iss", self._settings.oidc_issuer) != self._settings.oidc_issuer:
            raise SignInFailed()
        code = query.get("code")
        if not code:
            logger.warning("the sign-in provider refused: %s", query.get("error", "")[:100])
            raise SignInFailed()
        provider = self._services.providers.find(self._settings.oidc_issuer)
        claims = self._claims(provider, code, attempt)
        settings = self._services.sign_in
        session = self._services.db.write(lambda tx: oidc.sign_in(tx, claims, settings))
        return session, local_place(attempt["place"])

    def _attempt(self, sealed: str) -> dict[str, Any]:
        try:
            attempt: dict[str, Any] = json.loads(self._services.keyring.unseal(sealed, _SEAL))
        except (Conflict, ValueError):
            raise SignInFailed() from None
        if attempt["until"] < time.time():
            raise SignInFailed()
        return attempt

    def _claims(self, provider: Provider, code: str, attempt: dict[str, Any]) -> dict[str, Any]:
        """Return the provider's claims: of the checked ID token, and of userinfo for missing groups."""
        settings, providers = self._settings, self._services.providers
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": settings.oidc_client_id,
            "code_verifier": attempt["verifier"],
        }
        headers: dict[str, str] = {}
        methods = provider.metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if settings.oidc_client_secret and "client_secret_basic" in methods:
            pair = f"{quote(settings.oidc_client_id, safe='')}:{quote(settings.oidc_client_secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif settings.oidc_client_secret:
            form["client_secret"] = settings.oidc_client_secret
        endpoint = provider.endpoint("token_endpoint")
        answer = providers.post_form(provider.issuer, endpoint, urlencode(form).encode(), headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise IdTokenRefused(reason="the provider sent no ID token")
        claims = providers.verified_claims(token, provider.issuer, SIGN_IN_ALGORITHMS)
        rules.check_claims(
            claims, issuer=provider.issuer, audience=settings.oidc_client_id, now=int(time.time())
        )
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), attempt["nonce"].encode()):
            raise IdTokenRefused(reason="the ID token belongs to another sign-in")
        access_token = answer.get("access_token")
        if "userinfo_endpoint" in provider.metadata and isinstance(access_token, str):
            asked = {"authorization": f"Bearer {access_token}"}
            more = providers.get_json(provider.issuer, provider.endpoint("userinfo_endpoint"), asked)
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
        return claims


def oidc_routes(services: Services) -> list[Route]:
    """None without a provider."""
    if not services.settings.oidc_issuer:
        return []
    sign_in = SignIn(services)
    lane = services.lanes["sign_in"]
    secure = services.public_url.startswith("https:")

    async def begin(request: Request) -> Response:
        place = request.query_params.get("next", "/")
        try:
            target, sealed = await lane.run(client_of(request), sign_in.begin, place)
        except ModelyardError as error:
            return await _failed(request, error)
        response = RedirectResponse(target, 303, _NO_STORE)
        response.set_cookie(
            ATTEMPT_COOKIE,
            sealed,
            max_age=_ATTEMPT_SECONDS,
            path="/login/oidc",
            httponly=True,
            samesite="lax",
            secure=secure,
        )
        return response

    async def finish(request: Request) -> Response:
        sealed = request.cookies.get(ATTEMPT_COOKIE, "")
        query = dict(request.query_params)
        try:
            session, place = await lane.run(client_of(request), sign_in.finish, sealed, query)
        except ModelyardError as error:
            return await _failed(request, error)
        response = RedirectResponse(place, 303, _NO_STORE)
        set_session_cookie(response, session, secure=secure)
        response.delete_cookie(ATTEMPT_COOKIE, path="/login/oidc")
        return response

    async def _failed(request: Request, error: ModelyardError) -> Response:
        logger.warning("sign-in failed: %s", error)
        unavailable = error.kind.value == "unavailable"
        visit = Visit(request, services, ANONYMOUS)
        response = await show_sign_in(visit, error, status=503 if unavailable else 401)
        response.delete_cookie(ATTEMPT_COOKIE, path="/login/oidc")
        return response

    return [
        Route("/login/oidc", begin, methods=["GET"]),
        Route("/login/oidc/callback", finish, methods=["GET"]),
    ]


# --- settings: trusted publishers --------------------------------------------------------------------

table = PageTable()
_PAGE = "/settings/publishers"
_FIELDS = ("repository", "owner_id", "workflow", "ref", "environment", "issuer")


async def _publishers(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        places = list_places(tx, visit)
        of = chosen_place(visit) or (places[0] if places else "")
        if not of:
            return {"places": [], "of": "", "publishers": [], "may_manage": False}
        namespace = find_namespace(tx, visit.actor, of)
        return {
            "places": places,
            "of": namespace.name,
            "publishers": oidc.list_publishers(tx, visit.actor, namespace.name),
            "may_manage": may(visit, Permission.MEMBERS_MANAGE, namespace.place)
            and may(visit, Permission.ACCOUNT_MANAGE),
        }

    found = await visit.look(read)
    of = found["of"]
    twin = f"/api/v1/namespaces/{of}/publishers" if of else None
    return await visit.show("settings_publishers.html", problem, **found, kinds=rules.KINDS, twin=twin)


@table.get(_PAGE)
async def publishers(visit: Visit) -> Response:
    return await _publishers(visit)


@table.post(f"{_PAGE}/trust", operation="trust_publisher", command="publisher trust")
async def trust_publisher(visit: Visit) -> Response:
    of = chosen_place(visit)
    claims = {
        name.strip(): value.strip()
        for name, equals, value in (line.partition("=") for line in visit.given("claims").splitlines())
        if equals
    }

    def work(tx: Transaction) -> None:
        described = rules.Description(
            kind=visit.given("kind"), claims=claims, **{name: visit.given(name) or None for name in _FIELDS}
        )
        oidc.trust_publisher(
            tx,
            visit.actor,
            of,
            described,
            role=parse_publisher_role(visit.given("role")),
            model=visit.given("model") or None,
        )

    return await visit.attempt(f"{_PAGE}?of={of}", f"{of} trusts the publisher.", work, _publishers)


@table.post(f"{_PAGE}/{{id:number}}/remove", operation="distrust_publisher", command="publisher remove")
async def remove_publisher(visit: Visit) -> Response:
    of, number = chosen_place(visit), int(visit.path["id"])
    return await visit.attempt(
        f"{_PAGE}?of={of}",
        f"Publisher {number} was removed, and its tokens have ended.",
        lambda tx: oidc.distrust_publisher(tx, visit.actor, of, number),
        _publishers,
    )
