"""Trusted publishers, and getting a token as one."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Mapping
from typing import Any

import urllib3

from modelyard.domain.errors import Invalid, ServerUnreachable
from modelyard.sdk.http import BROKEN, Transport, at
from modelyard.wire import oidc as wire


class Publishers:
    """`client.publishers`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, namespace: str) -> builtins.list[wire.Publisher]:
        """The CI jobs that may act in the namespace."""
        found: wire.PublisherList = self._transport.call(
            "GET", at("namespaces", namespace, "publishers"), returns=wire.PublisherList
        )
        return found.items

    def trust(self, namespace: str, publisher: wire.TrustPublisher) -> wire.Publisher:
        """Let CI jobs of a description act in the namespace, without a stored secret."""
        found: wire.Publisher = self._transport.call(
            "POST", at("namespaces", namespace, "publishers"), body=publisher, returns=wire.Publisher
        )
        return found

    def distrust(self, namespace: str, publisher: int) -> None:
        """End a trusted publisher and all its tokens."""
        self._transport.call("DELETE", at("namespaces", namespace, "publishers", publisher))

    def audience(self) -> str:
        """What a CI job's ID token must name as its audience."""
        found: wire.Audience = self._transport.call("GET", at("oidc", "audience"), returns=wire.Audience)
        return found.audience

    def exchange(self, id_token: str, namespace: str) -> wire.ExchangedToken:
        """A CI job's ID token for a token of fifteen minutes in the namespace. Each ID token counts once."""
        body = wire.ExchangeToken(token=id_token, namespace=namespace)
        found: wire.ExchangedToken = self._transport.call(
            "POST", at("oidc", "exchange"), body=body, returns=wire.ExchangedToken, repeatable=False
        )
        return found


def ci_id_token(audience: str, environment: Mapping[str, str] | None = None) -> str:
    """The ID token of the CI job that this runs in.

    MODELYARD_ID_TOKEN when it is set, as GitLab's `id_tokens:` can; else GitHub is asked for one, which needs
    `permissions: id-token: write`. Raises Invalid outside of a CI job.
    """
    environment = os.environ if environment is None else environment
    given = environment.get("MODELYARD_ID_TOKEN")
    if given:
        return given.strip()
    place, secret = (environment.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}") for name in ("URL", "TOKEN"))
    if not place or not secret:
        raise Invalid(
            reason="this is no CI job that can say who it is",
            fix="GitHub: give the job `permissions: id-token: write`; GitLab: an id_token MODELYARD_ID_TOKEN "
            f"with the audience {audience}",
        )
    try:
        with urllib3.PoolManager() as pool:
            answer: Any = pool.request(
                "GET",
                place,
                fields={"audience": audience},
                headers={"authorization": f"Bearer {secret}"},
                timeout=20.0,
            )
            token = json.loads(answer.data)["value"] if answer.status == 200 else None
    except (*BROKEN, ValueError, KeyError, TypeError) as exc:
        raise ServerUnreachable(url="the CI system", reason="it gave no identity token") from exc
    if not isinstance(token, str):
        raise ServerUnreachable(url="the CI system", reason=f"it answered {answer.status}")
    return token
