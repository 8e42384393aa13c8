"""Starred models."""

from __future__ import annotations

import builtins

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.wire import stars as wire


class Stars(Feature):
    """`client.stars`: your short list of models."""

    def add(self, model: str) -> None:
        """Star a model. No one is notified.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> client.stars.add("fraud/scorer")
        """
        self._call("PUT", self._model(model, "star"))

    def remove(self, model: str) -> None:
        """Remove a star.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> client.stars.remove("fraud/scorer")
        """
        self._call("DELETE", self._model(model, "star"))

    def list(self) -> builtins.list[str]:
        """Return the names of the models that you starred, in their order.

        Returns:
            The names.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> client.stars.list()
            ['fraud/scorer']
        """
        return self._get(at("stars"), wire.StarList).items
