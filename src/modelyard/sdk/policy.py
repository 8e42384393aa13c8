"""Policies of namespaces and models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from modelyard.sdk.http import at, if_state
from modelyard.sdk.session import Feature
from modelyard.sdk.values import moment
from modelyard.wire import policy as wire
from modelyard.wire.base import PageQuery, Reason


class Policies(Feature):
    """`client.policies`. `of` is a namespace, or `namespace/name` for one model."""

    def _at(self, of: str, *more: object) -> str:
        if "/" not in of:
            return at("namespaces", of, "policy", *more)
        return self._model(of, "policy", *more)

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
        return self._get(self._at(of), wire.Policy)

    def set(
        self,
        of: str,
        text: str,
        *,
        reason: str | None = None,
        seen: int | None = None,
        source: wire.PolicySource | None = None,
    ) -> wire.Policy:
        """Put a policy in force.

        Args:
            of: A namespace, or `namespace/name` for one model.
            text: The text of the policy file.
            reason: Reason, kept in the event log.
            seen: Replace the policy only if it has this revision; 0: only if there is none; None: in any case.
            source: The file in a repository that the text comes from, as `ci_source` finds it; pages then no
                longer edit the policy. None: the policy is under hand.

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
        return self._put(
            self._at(of),
            wire.Policy,
            wire.SetPolicy(text=text, reason=reason, source=source),
            headers=if_state(seen),
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
        return self._put(self._at(of), wire.Policy, wire.SetPolicy(text=text, dry_run=True))

    def remove(self, of: str, *, reason: str | None = None) -> wire.Policy:
        """Remove the policy of a namespace or a model; its texts stay in the history.

        Args:
            of: A namespace, or `namespace/name` for one model.
            reason: Reason, kept in the event log.

        Returns:
            The policy that is in force without it.

        Raises:
            PolicyNotFound: It has no policy of its own.
            Denied: Your role does not allow this.

        Example:
            >>> client.policies.remove("fraud/scorer", reason="the namespace's policy is enough").own is None
            True
        """
        return self._call("DELETE", self._at(of), query=Reason(reason=reason), returns=wire.Policy)

    def history(self, of: str, limit: int | None = None) -> Iterator[wire.PolicyVersion]:
        """Return all texts that were ever in force, newest first. An empty text removed the policy.

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
        return self._items(self._at(of, "history"), PageQuery(), wire.PolicyVersionPage, limit)

    def test(self, of: str, text: str, *, since: datetime | str) -> wire.PolicyTest:
        """Judge past promotions under another policy, and return those with a different outcome.

        Args:
            of: A namespace, or `namespace/name` for one model.
            text: The text of the policy file.
            since: Judge the promotions since this time.

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
        return self._post(
            self._at(of, "test"),
            wire.PolicyTest,
            wire.TestPolicy(text=text, since=moment(since)),
            timeout_seconds=600,
        )

    def example(self) -> str:
        """Return a commented first policy.

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
        return self._get(at("policy", "schema"), dict[str, Any])


def ci_source(file: Path, environment: Mapping[str, str] | None = None) -> wire.PolicySource | None:
    """Return the address and the commit of a file in the repository of the CI job that this runs in.

    environment: with GitHub's variables, or GitLab's. Returns None outside such a job, or for a file outside its
    repository.
    """
    environment = os.environ if environment is None else environment
    site, repository = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_REPOSITORY")
    if site and repository:
        project, folder = f"{site}/{repository}", environment.get("GITHUB_WORKSPACE")
        commit, blob = environment.get("GITHUB_SHA"), "blob"
    else:
        project, folder = environment.get("CI_PROJECT_URL", ""), environment.get("CI_PROJECT_DIR")
        commit, blob = environment.get("CI_COMMIT_SHA"), "-/blob"
    if not project or not commit:
        return None
    try:
        path = file.resolve().relative_to(Path(folder or "").resolve())
    except ValueError:
        return None
    return wire.PolicySource(url=f"{project}/{blob}/{commit}/{quote(path.as_posix())}", commit=commit)
