"""Terms of use of models."""

from __future__ import annotations

from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature
from modelyard.wire import terms as wire
from modelyard.wire.base import PageQuery


class TermsOfUse(Feature):
    """`client.terms`. A name may omit its namespace if the account has a default one."""

    def get(self, model: str) -> wire.Terms:
        """Return the terms of use of a model.

        Args:
            model: Name of the model.

        Returns:
            The terms; `digest` is None if the model has none, `accepted_at` if you have not accepted them.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> client.terms.get("fraud/scorer").accepted_at is None
            True
        """
        return self._get(self._model(model, "terms"), wire.Terms)

    def set(self, model: str, text: str) -> wire.Terms:
        """Set the terms of use of a model. Every account has to accept them before its next pull.

        Args:
            model: Name of the model.
            text: The terms in Markdown; empty: remove them.

        Returns:
            The terms as they are now.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.terms.set("fraud/scorer", Path("TERMS.md").read_text()).digest
            'sha256:3b1c…'
        """
        return self._put(self._model(model, "terms"), wire.Terms, wire.SetTerms(text=text))

    def accept(self, model: str, digest: str) -> wire.Terms:
        """Accept the present terms of use of a model for your account.

        Args:
            model: Name of the model.
            digest: Digest of the terms that you have read, as `get` returns it.

        Returns:
            The terms, with the time of your acceptance.

        Raises:
            Invalid: The model has no terms of use.
            Conflict: The terms have changed; read the present ones.
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> terms = client.terms.get("fraud/scorer")
            >>> print(terms.text)
            >>> client.terms.accept("fraud/scorer", terms.digest).accepted_at
            '2026-05-01T10:00:00.000000Z'
        """
        path = self._model(model, "terms", "acceptances")
        return self._post(path, wire.Terms, wire.AcceptTerms(digest=digest))

    def acceptances(self, model: str, limit: int | None = None) -> Items[wire.Acceptance]:
        """Return the acceptances of the terms of use of a model, newest first.

        Args:
            model: Name of the model.
            limit: Return at most this many; None: all.

        Returns:
            One acceptance at a time: account, digest of the terms, and time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> [acceptance.account for acceptance in client.terms.acceptances("fraud/scorer")]
            ['ada']
        """
        return self._items(self._model(model, "terms", "acceptances"), PageQuery(), wire.AcceptancePage, limit)
