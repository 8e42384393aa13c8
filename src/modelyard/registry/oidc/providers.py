"""Fetch the addresses and keys that issuers publish, and check their signatures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from modelyard.domain.errors import IdTokenRefused, Invalid, ProviderUnavailable
from modelyard.registry.oidc.rules import LONGEST_TOKEN, check_issuer
from modelyard.registry.outgoing import Outgoing, OutgoingFailed

_KEEP_SECONDS = 3600.0
_LONGEST_KEEP_SECONDS = 24 * 3600.0
_LEAST_PAUSE_SECONDS = 60.0
_MAX_BYTES = 256 * 1024
_TIMEOUT_SECONDS = 10.0

CI_ALGORITHMS = ("RS256",)
SIGN_IN_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")


class Provider(msgspec.Struct, frozen=True):
    issuer: str
    metadata: dict[str, Any]
    keys: Any
    fetched_at: float

    def endpoint(self, name: str) -> str:
        """Return an endpoint of the provider. Raises ProviderUnavailable if it has none."""
        value = self.metadata.get(name)
        if not isinstance(value, str):
            raise ProviderUnavailable(issuer=self.issuer, reason=f"its discovery document lacks {name}")
        return value


class Providers:
    """Fetches and keeps issuers; safe in threads. A slow issuer holds up only requests that need it.

    Keys are fetched again after an hour, but at most once a minute, also after a failure. While the issuer does not
    answer, the keys that it last published stay valid for a day.
    """

    def __init__(self, outgoing: Outgoing, clock: Callable[[], float] = time.monotonic) -> None:
        self._outgoing = outgoing
        self._clock = clock
        self._known: dict[str, Provider] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        """When an issuer last failed, and why."""
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def find(self, issuer: str) -> Provider:
        """Find an issuer. Raises ProviderUnavailable."""
        known = self._known.get(issuer)
        age = self._clock() - known.fetched_at if known is not None else 0.0
        if known is not None and age <= _KEEP_SECONDS:
            return known
        usable = known if age <= _LONGEST_KEEP_SECONDS else None
        lock = self._lock_of(issuer)
        # One request fetches; the others use the known keys, or wait.
        if not lock.acquire(blocking=usable is None):
            assert usable is not None
            return usable
        try:
            return self._renewed(issuer, known)
        except ProviderUnavailable:
            if usable is None:
                raise
            return usable
        finally:
            lock.release()

    def _find_newer(self, seen: Provider) -> Provider:
        """Fetch again because of an unknown key, which may be new. Raises ProviderUnavailable."""
        if self._clock() - seen.fetched_at < _LEAST_PAUSE_SECONDS:
            return self._known.get(seen.issuer, seen)
        with self._lock_of(seen.issuer):
            return self._renewed(seen.issuer, seen)

    def _lock_of(self, issuer: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(issuer, threading.Lock())

    def _renewed(self, issuer: str, seen: Provider | None) -> Provider:
        """Return, under the issuer's lock, the result of another request since `seen`, or fetch again."""
        known = self._known.get(issuer)
        if known is not None and known is not seen:
            return known
        failed_at, reason = self._failed.get(issuer, (None, ""))
        if failed_at is not None and self._clock() - failed_at < _LEAST_PAUSE_SECONDS:
            raise ProviderUnavailable(issuer=issuer, reason=f"it failed within the last minute: {reason}")
        try:
            found = self._known[issuer] = self._fetch(issuer)
        except ProviderUnavailable as error:
            self._failed[issuer] = self._clock(), str(error.fields["reason"])
            raise
        self._failed.pop(issuer, None)
        return found

    def _fetch(self, issuer: str) -> Provider:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        metadata = self.get_json(issuer, f"{check_issuer(issuer)}/.well-known/openid-configuration")
        if metadata.get("issuer") != issuer:
            raise ProviderUnavailable(issuer=issuer, reason="its discovery document belongs to another issuer")
        place = metadata.get("jwks_uri")
        if not isinstance(place, str):
            raise ProviderUnavailable(issuer=issuer, reason="its discovery document lacks jwks_uri")
        try:
            keys = KeySet.import_key_set(self.get_json(issuer, place))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as exc:
            raise ProviderUnavailable(issuer=issuer, reason="its keys cannot be read") from exc
        return Provider(issuer, metadata, keys, self._clock())

    def get_json(self, issuer: str, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        return self._json(issuer, "GET", url, headers, None)

    def post_form(self, issuer: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        return self._json(issuer, "POST", url, sent, body)

    def _json(
        self, issuer: str, method: str, url: str, headers: dict[str, str] | None, body: bytes | None
    ) -> dict[str, Any]:
        try:
            reply = self._outgoing.request(
                method,
                url,
                headers={"accept": "application/json", **(headers or {})},
                body=body,
                timeout_seconds=_TIMEOUT_SECONDS,
                max_answer_bytes=_MAX_BYTES,
            )
        except OutgoingFailed as exc:
            raise ProviderUnavailable(issuer=issuer, reason=str(exc)) from exc
        except Invalid as exc:
            raise ProviderUnavailable(issuer=issuer, reason=exc.message) from exc
        if reply.status != 200:
            raise ProviderUnavailable(issuer=issuer, reason=f"it answered {reply.status}")
        try:
            value = json.loads(reply.body)
        except (ValueError, RecursionError) as exc:
            raise ProviderUnavailable(issuer=issuer, reason="its answer is not JSON") from exc
        if not isinstance(value, dict):
            raise ProviderUnavailable(issuer=issuer, reason="its answer is not a JSON object")
        return value

    # --- tokens ----------------------------------------------------------------------------------

    def verified_claims(self, token: str, issuer: str, algorithms: Sequence[str]) -> dict[str, Any]:
        """Return the claims of a token that this issuer signed; the claims are not checked yet.

        Only the issuer's published keys count, whatever the token's header says. Raises IdTokenRefused.
        """
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        if len(token) > LONGEST_TOKEN:
            raise IdTokenRefused(reason="it is too long")
        provider = self.find(issuer)
        for attempt in (1, 2):
            try:
                return dict(jwt.decode(token, provider.keys, algorithms=list(algorithms)).claims)
            except InvalidKeyIdError as exc:
                newer = self._find_newer(provider)
                if attempt == 2 or newer is provider:
                    raise IdTokenRefused(reason="its key is not among the issuer's") from exc
                provider = newer
            except (JoseError, ValueError, TypeError, KeyError, RecursionError) as exc:
                raise IdTokenRefused(reason="its signature is not valid") from exc
        raise IdTokenRefused(reason="its key is not among the issuer's")


def unverified_issuer(token: str) -> str:
    """Return the issuer that a token names, only to look up whether it is trusted. Raises IdTokenRefused."""
    import base64
    import binascii

    parts = token.split(".")
    try:
        if len(token) > LONGEST_TOKEN or len(parts) != 3:
            raise ValueError
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        issuer = claims["iss"]
        if not isinstance(issuer, str):
            raise ValueError
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise IdTokenRefused(reason="it is not an ID token") from None
    return issuer
