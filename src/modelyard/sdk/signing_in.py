"""Sign-in of a person: a password or a sign-in link opens a session, which creates a token for the account."""

from __future__ import annotations

import socket
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from modelyard.domain.errors import SignInFailed
from modelyard.sdk.http import Transport, at, refuse_clear_text
from modelyard.wire import access as wire
from modelyard.wire.base import encode

_SESSION_COOKIE = "modelyard_session"


def split_link(text: str) -> tuple[str, str] | None:
    """Return (address of the server, secret) of a sign-in link; None for anything else."""
    parts = urlsplit(text.strip())
    secrets = parse_qs(parts.query).get("link", [])
    if not parts.path.endswith("/login") or not secrets:
        return None
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/login')}", secrets[0]


def make_own_token(url: str, proof: wire.SignIn, *, days: float | None = 90, insecure: bool = False) -> str:
    """Create a token of the account, in a session that is closed afterwards.

    insecure: send the proof over http:// even to another machine. Raises SignInFailed, TooManyAttempts, Invalid.
    """
    if not insecure:
        refuse_clear_text(url)
    transport = Transport(url, None)
    try:
        reply = transport.send(
            "POST",
            at("session"),
            headers={"content-type": "application/json"},
            body=lambda: encode(proof),
            repeatable=False,
        )
        session = SimpleCookie(reply.headers.get("set-cookie", "")).get(_SESSION_COOKIE)
        if session is None:
            raise SignInFailed()
        # The headers that a browser sends with requests of our own page.
        as_session = {"cookie": f"{_SESSION_COOKIE}={session.value}", "sec-fetch-site": "same-origin"}
        body = wire.CreateToken(name=f"login on {socket.gethostname()}"[:200], expires_in_days=days)
        made: wire.CreatedToken = transport.call(
            "POST", at("tokens"), body=body, returns=wire.CreatedToken, headers=as_session, repeatable=False
        )
        transport.call("DELETE", at("session"), headers=as_session)
        return made.token
    finally:
        transport.close()
