"""Removal of leaked data from a namespace: texts, and the bytes of files.

>>> client.redactions.redact("fraud", leaked_key, reason="key pasted into a comment")   # doctest: +SKIP
>>> client.redactions.withhold("fraud/scorer:3", "config/settings.env", reason="it holds a key")   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.wire import redaction as wire


class Redactions(Feature):
    """`client.redactions`."""

    def redact(self, namespace: str, text: str, *, reason: str) -> wire.Redaction:
        """Remove a text from all records, logs, cards, comments and events of a namespace, for good.

        Args:
            namespace: A namespace that you own.
            text: The exact text, 6 to 10,000 characters. It is sent, but not kept.
            reason: Reason, kept in the event log.

        Returns:
            The redaction; `places` counts the places that held the text.

        Raises:
            Invalid: The text is too short, or it does not occur in the namespace.
            Denied: You do not own the namespace.

        Example:
            >>> client.redactions.redact("fraud", leaked_key, reason="key pasted into a comment").places
            3
        """
        body = wire.RedactText(text=text, reason=reason)
        return self._post(at("namespaces", namespace, "redactions"), wire.Redaction, body, repeatable=False)

    def list(self, namespace: str) -> Sequence[wire.Redaction]:
        """Return the redactions of a namespace, newest first.

        Args:
            namespace: Name of the namespace.

        Returns:
            The redactions, without the texts.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> [redaction.reason for redaction in client.redactions.list("fraud")]
            ['key pasted into a comment']
        """
        return self._get(at("namespaces", namespace, "redactions"), wire.RedactionList).items

    def withhold(self, holder: str, path: str, *, reason: str) -> wire.Withheld:
        """Withhold the bytes of a file for good, wherever they occur: no route serves them, and they are deleted.

        Args:
            holder: A version (`fraud/scorer:3`), `run:ID`, or `dataset:NAME@DIGEST` with the path `profile`.
            path: Path of the file.
            reason: Reason, kept in the event log and shown to everyone who asks for the file.

        Returns:
            The withheld file; `also` names the other files that have the same bytes.

        Raises:
            FileNotFound: There is no such file.
            FileWithheld: It was withheld before.
            Denied: You do not own the namespace, or others that have the same bytes.

        Example:
            >>> client.redactions.withhold("fraud/scorer:3", "config/settings.env", reason="it holds a key").also
            []
        """
        body = wire.WithholdFile(holder=holder, path=path, reason=reason)
        return self._post(at("withheld"), wire.Withheld, body, repeatable=False)

    def list_withheld(self, namespace: str) -> Sequence[wire.Withheld]:
        """Return the files of a namespace whose bytes are withheld, newest first.

        Args:
            namespace: Name of the namespace.

        Returns:
            The files.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> [file.path for file in client.redactions.list_withheld("fraud")]
            ['config/settings.env']
        """
        return self._get(at("namespaces", namespace, "withheld"), wire.WithheldList).items
