"""Policies of namespaces and models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from modelyard.sdk.http import at, if_match
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.sdk.values import moment
from modelyard.wire import policy as wire
from modelyard.wire.base import PageQuery, Reason


class Policies(Feature):
    """`client.policies`. `of` is a namespace, or `namespace/name` for one model."""

    def _at(self, of: str, *more: object) -> str:
        if "/" not in of:
            return at("namespaces", of, "policy", *more)
        return self._session.model_path(of, "policy", *more)

    def show(self, of: str) -> wire.Policy:
        """Its own policy, the inherited one, and what both amount to."""
        return self._transport.call("GET", self._at(of), returns=wire.Policy)

    def set(self, of: str, text: str, *, reason: str | None = None, seen: int | None = None) -> wire.Policy:
        """Put a text in force. seen: the revision it replaces, 0 for none; another one raises EditConflict.

        Raises InvalidPolicy with line and reason.
        """
        return self._transport.call(
            "PUT",
            self._at(of),
            body=wire.SetPolicy(text=text, reason=reason),
            headers={"if-none-match": "*"} if seen == 0 else if_match(seen),
            returns=wire.Policy,
        )

    def check(self, of: str, text: str) -> wire.Policy:
        """Return the policy in force when the text could replace it; `weakens` says what that would weaken.

        Raises InvalidPolicy.
        """
        return self._transport.call(
            "PUT", self._at(of), body=wire.SetPolicy(text=text, dry_run=True), returns=wire.Policy
        )

    def remove(self, of: str, *, reason: str | None = None) -> wire.Policy:
        """Back to what holds without it; its texts stay in the history."""
        return self._transport.call("DELETE", self._at(of), query=Reason(reason=reason), returns=wire.Policy)

    def history(self, of: str, limit: int | None = None) -> Iterator[wire.PolicyVersion]:
        """Every text that was ever in force, newest first; an empty one took the policy away."""
        return items(self._transport, self._at(of, "history"), PageQuery(), wire.PolicyVersionPage, limit)

    def test(self, of: str, text: str, *, since: datetime | str) -> wire.PolicyTest:
        """Past promotions judged under another policy: what would have differed."""
        return self._transport.call(
            "POST",
            self._at(of, "test"),
            body=wire.TestPolicy(text=text, since=moment(since)),
            returns=wire.PolicyTest,
            timeout_seconds=600,
        )

    def example(self) -> str:
        """A commented policy to begin with."""
        return self._transport.send("GET", at("policy", "example")).data.decode()

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the policy file."""
        found: dict[str, Any] = msgspec.json.decode(self._transport.send("GET", at("policy", "schema")).data)
        return found
