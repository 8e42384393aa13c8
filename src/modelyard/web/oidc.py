"""Signing in on a browser at the provider that the operator named.

Authorization code flow with state, nonce and PKCE. What belongs to one attempt travels in a sealed cookie of
ten minutes, so any server process can finish what another began, and a code brought by somebody else's
browser finds no attempt that it belongs to. Source: OpenID Connect Core 3.1, RFC 7636, RFC 9207.
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

from modelyard.domain.errors import Conflict, IdTokenRefused, ModelyardError, SignInFailed
from modelyard.doors.browser import set_session_cookie
from modelyard.doors.guarding import client_of
from modelyard.doors.services import Services
from modelyard.registry.oidc import rules
from modelyard.registry.oidc import usecases as oidc
from modelyard.registry.oidc.providers import SIGN_IN_ALGORITHMS, Provider
from modelyard.web.welcome import page

logger = logging.getLogger(__name__)

ATTEMPT_COOKIE = "modelyard_sign_in"
_ATTEMPT_SECONDS = 600
_SEAL = "sign-in attempt"
_NO_STORE = {"cache-control": "no-store"}


def _random() -> str:
    return secrets.token_urlsafe(32)


def _local(place: str) -> str:
    """Where to go afterwards: a path here, never another site."""
    is_path = place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable()
    return place if is_path and "\\" not in place else "/"


class SignIn:
    """The two steps of one attempt."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings
        self._redirect_uri = f"{services.public_url}/login/oidc/callback"

    # --- there ---------------------------------------------------------------------------------

    def begin(self, place: str) -> tuple[str, str]:
        """(the provider's address, the sealed attempt). Asks the provider; not for the event loop."""
        provider = self._services.providers.find(self._settings.oidc_issuer)
        attempt = {
            "state": _random(),
            "nonce": _random(),
            "verifier": _random(),
            "place": _local(place),
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
        """(the new session, where to go). Raises SignInFailed and what the provider's failures raise."""
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
        return session, _local(attempt["place"])

    def _attempt(self, sealed: str) -> dict[str, Any]:
        try:
            attempt: dict[str, Any] = json.loads(self._services.keyring.unseal(sealed, _SEAL))
        except (Conflict, ValueError):
            raise SignInFailed() from None
        if attempt["until"] < time.time():
            raise SignInFailed()
        return attempt

    def _claims(self, provider: Provider, code: str, attempt: dict[str, Any]) -> dict[str, Any]:
        """What the provider says of the user: the ID token, checked, and userinfo for groups it lacks."""
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
            raise IdTokenRefused(reason="the provider sent none")
        claims = providers.verified_claims(token, provider.issuer, SIGN_IN_ALGORITHMS)
        rules.check_claims(
            claims, issuer=provider.issuer, audience=settings.oidc_client_id, now=int(time.time())
        )
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), attempt["nonce"].encode()):
            raise IdTokenRefused(reason="it belongs to another sign-in")
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
            return _failed(error)
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
            return _failed(error)
        response = RedirectResponse(place, 303, _NO_STORE)
        set_session_cookie(response, session, secure=secure)
        response.delete_cookie(ATTEMPT_COOKIE, path="/login/oidc")
        return response

    def _failed(error: ModelyardError) -> Response:
        logger.warning("sign-in failed: %s", error)
        unavailable = error.kind.value == "unavailable"
        response = page("Sign-in failed", error, 503 if unavailable else 401)
        response.delete_cookie(ATTEMPT_COOKIE, path="/login/oidc")
        return response

    return [
        Route("/login/oidc", begin, methods=["GET"]),
        Route("/login/oidc/callback", finish, methods=["GET"]),
    ]
