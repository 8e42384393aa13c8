"""Policies of namespaces and models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from modelyard.sdk.catalog import if_match
from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.wire import policy as wire
from modelyard.wire.base import PageQuery, Reason

if TYPE_CHECKING:
    from modelyard.sdk.client import Client


class Policies:
    """`client.policies`. `of` is a namespace, or `namespace/name` for one model."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._transport = client.transport

    def _at(self, of: str, *more: object) -> str:
        if "/" not in of:
            return at("namespaces", of, "policy", *more)
        name = self._client.model_name(of)
        return at("models", name.namespace, name.name, "policy", *more)

    def show(self, of: str) -> wire.Policy:
        """Its own policy, the inherited one, and what both amount to."""
        found: wire.Policy = self._transport.call("GET", self._at(of), returns=wire.Policy)
        return found

    def set(self, of: str, text: str, *, reason: str | None = None, seen: int | None = None) -> wire.Policy:
        """Put a text in force. seen: the revision it replaces, 0 for none; another one raises EditConflict.

        Raises InvalidPolicy with line and reason.
        """
        found: wire.Policy = self._transport.call(
            "PUT",
            self._at(of),
            body=wire.SetPolicy(text=text, reason=reason),
            headers={"if-none-match": "*"} if seen == 0 else if_match(seen),
            returns=wire.Policy,
        )
        return found

    def check(self, of: str, text: str) -> wire.Policy:
        """Return the policy in force when the text could replace it; `weakens` says what that would weaken.

        Raises InvalidPolicy.
        """
        found: wire.Policy = self._transport.call(
            "PUT", self._at(of), body=wire.SetPolicy(text=text, dry_run=True), returns=wire.Policy
        )
        return found

    def remove(self, of: str, *, reason: str | None = None) -> wire.Policy:
        """Back to what holds without it; its texts stay in the history."""
        found: wire.Policy = self._transport.call(
            "DELETE", self._at(of), query=Reason(reason=reason), returns=wire.Policy
        )
        return found

    def history(self, of: str, limit: int | None = None) -> Iterator[wire.PolicyVersion]:
        """Every text that was ever in force, newest first; an empty one took the policy away."""
        return items(self._transport, self._at(of, "history"), PageQuery(), wire.PolicyVersionPage, limit)

    def test(self, of: str, text: str, *, since: datetime | str) -> wire.PolicyTest:
        """Past promotions judged under another policy: what would have differed."""
        when = since.isoformat() if isinstance(since, datetime) else since
        found: wire.PolicyTest = self._transport.call(
            "POST",
            self._at(of, "test"),
            body=wire.TestPolicy(text=text, since=when),
            returns=wire.PolicyTest,
            timeout_seconds=600,
        )
        return found

    def example(self) -> str:
        """A commented policy to begin with."""
        return self._transport.send("GET", at("policy", "example")).data.decode()

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the policy file."""
        found: dict[str, Any] = msgspec.json.decode(self._transport.send("GET", at("policy", "schema")).data)
        return found
