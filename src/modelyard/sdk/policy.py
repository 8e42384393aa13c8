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
        """Return the policy of a namespace or a model.

        Args:
            of: A namespace, or `namespace/name` for one model.

        Returns:
            Its own text, the inherited one, and the rules that are in force.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> print(client.policies.show("fraud").effective)
        """
        return self._transport.call("GET", self._at(of), returns=wire.Policy)

    def set(self, of: str, text: str, *, reason: str | None = None, seen: int | None = None) -> wire.Policy:
        """Put a policy in force.

        Args:
            of: A namespace, or `namespace/name` for one model.
            text: The text of the policy file.
            reason: Why; kept in the event log.
            seen: Replace only the policy of this revision; 0: only when there is none; None: in any case.

        Returns:
            The policy that is in force now.

        Raises:
            InvalidPolicy: The text is not a valid policy; the error names the line.
            EditConflict: The policy has another revision than `seen`.
            Denied: Your role does not allow this.

        Example:
            >>> client.policies.set("fraud", Path("policy.yaml").read_text(), reason="two approvals").revision
            4
        """
        return self._transport.call(
            "PUT",
            self._at(of),
            body=wire.SetPolicy(text=text, reason=reason),
            headers={"if-none-match": "*"} if seen == 0 else if_match(seen),
            returns=wire.Policy,
        )

    def check(self, of: str, text: str) -> wire.Policy:
        """Check a text without putting it in force.

        Args:
            of: A namespace, or `namespace/name` for one model.
            text: The text of the policy file.

        Returns:
            The policy that is in force; `weakens` lists the rules that the text would weaken.

        Raises:
            InvalidPolicy: The text is not a valid policy; the error names the line.
            Denied: Your role does not allow this.

        Example:
            >>> client.policies.check("fraud", Path("policy.yaml").read_text()).weakens
            []
        """
        return self._transport.call(
            "PUT", self._at(of), body=wire.SetPolicy(text=text, dry_run=True), returns=wire.Policy
        )

    def remove(self, of: str, *, reason: str | None = None) -> wire.Policy:
        """Remove the policy of a namespace or a model; its texts stay in the history.

        Args:
            of: A namespace, or `namespace/name` for one model.
            reason: Why; kept in the event log.

        Returns:
            The policy that is in force without it.

        Raises:
            PolicyNotFound: It has no policy of its own.
            Denied: Your role does not allow this.

        Example:
            >>> client.policies.remove("fraud/scorer", reason="the namespace's policy is enough").own is None
            True
        """
        return self._transport.call("DELETE", self._at(of), query=Reason(reason=reason), returns=wire.Policy)

    def history(self, of: str, limit: int | None = None) -> Iterator[wire.PolicyVersion]:
        """Return every text that was ever in force, the newest first. An empty text removed the policy.

        Args:
            of: A namespace, or `namespace/name` for one model.
            limit: Return at most this many; None: all.

        Returns:
            One text at a time.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [version.by for version in client.policies.history("fraud")]
            ['ada', 'grace']
        """
        return items(self._transport, self._at(of, "history"), PageQuery(), wire.PolicyVersionPage, limit)

    def test(self, of: str, text: str, *, since: datetime | str) -> wire.PolicyTest:
        """Judge past promotions under another policy, and show which ones would have ended differently.

        Args:
            of: A namespace, or `namespace/name` for one model.
            text: The text of the policy file.
            since: Judge the promotions since this moment.

        Returns:
            The promotions, each with both verdicts.

        Raises:
            InvalidPolicy: The text is not a valid policy; the error names the line.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> client.policies.test("fraud", Path("policy.yaml").read_text(), since="2026-01-01").differing
            2
        """
        return self._transport.call(
            "POST",
            self._at(of, "test"),
            body=wire.TestPolicy(text=text, since=moment(since)),
            returns=wire.PolicyTest,
            timeout_seconds=600,
        )

    def example(self) -> str:
        """Return a policy with comments, to begin with.

        Returns:
            The text.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> Path("policy.yaml").write_text(client.policies.example())
        """
        return self._transport.send("GET", at("policy", "example")).data.decode()

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the policy file.

        Returns:
            The schema.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> client.policies.schema()["type"]
            'object'
        """
        found: dict[str, Any] = msgspec.json.decode(self._transport.send("GET", at("policy", "schema")).data)
        return found
