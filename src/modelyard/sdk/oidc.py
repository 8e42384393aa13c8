"""Trusted publishers, and sign-in as one."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Mapping
from typing import Any

import urllib3

from modelyard.domain.errors import Invalid, ServerUnreachable
from modelyard.sdk.http import BROKEN, at
from modelyard.sdk.session import Feature
from modelyard.wire import oidc as wire


class Publishers(Feature):
    """`client.publishers`."""

    def list(self, namespace: str) -> builtins.list[wire.Publisher]:
        """Return the CI jobs that may act in a namespace without a stored secret.

        Args:
            namespace: Name of the namespace.

        Returns:
            The trusted publishers.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> [publisher.id for publisher in client.publishers.list("fraud")]
            [2]
        """
        return self._get(at("namespaces", namespace, "publishers"), wire.PublisherList).items

    def trust(self, namespace: str, publisher: wire.TrustPublisher) -> wire.Publisher:
        """Let CI jobs that match a description act in a namespace without a stored secret.

        Args:
            namespace: Name of the namespace.
            publisher: The description: the CI system, the repository, and the role that its jobs get.

        Returns:
            The trusted publisher.

        Raises:
            Invalid: The description is not complete.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> job = TrustPublisher(kind="github", repository="acme/fraud", role="contributor")
            >>> client.publishers.trust("fraud", job).id
            2
        """
        return self._post(at("namespaces", namespace, "publishers"), wire.Publisher, publisher)

    def distrust(self, namespace: str, publisher: int) -> None:
        """Remove a trusted publisher, and revoke all its tokens.

        Args:
            namespace: Name of the namespace.
            publisher: Number of the publisher, as `list` shows it.

        Raises:
            PublisherNotFound: There is no such publisher.
            Denied: Your role does not allow this.

        Example:
            >>> client.publishers.distrust("fraud", 2)
        """
        self._call("DELETE", at("namespaces", namespace, "publishers", publisher))

    def audience(self) -> str:
        """Return the audience that the ID token of a CI job must name.

        Returns:
            The audience.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> client.publishers.audience()
            'https://registry.example.org'
        """
        return self._get(at("oidc", "audience"), wire.Audience).audience

    def exchange(self, id_token: str, namespace: str) -> wire.ExchangedToken:
        """Exchange the ID token of a CI job for a token that is valid for fifteen minutes. Each ID token works once.

        Args:
            id_token: The token that the CI system signed.
            namespace: Namespace in which the job wants to act.

        Returns:
            The token, and the account it acts for.

        Raises:
            IdTokenRefused: No trusted publisher matches, or the ID token is not valid.

        Example:
            >>> token = client.publishers.exchange(ci_id_token(client.publishers.audience()), "fraud").token
        """
        body = wire.ExchangeToken(token=id_token, namespace=namespace)
        return self._post(at("oidc", "exchange"), wire.ExchangedToken, body, repeatable=False)


def ci_id_token(audience: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the ID token of the CI job that this runs in.

    This is MODELYARD_ID_TOKEN if it is set, for example by GitLab's `id_tokens:`; otherwise it is requested from GitHub,
    which needs `permissions: id-token: write`. Raises Invalid outside a CI job.
    """
    environment = os.environ if environment is None else environment
    given = environment.get("MODELYARD_ID_TOKEN")
    if given:
        return given.strip()
    place, secret = (environment.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}") for name in ("URL", "TOKEN"))
    if not place or not secret:
        raise Invalid(
            reason="this is not a CI job that can prove its identity",
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
