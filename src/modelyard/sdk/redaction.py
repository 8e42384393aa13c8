"""Taking out of a namespace what leaked: texts, and the bytes of files.

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
        """Take a text out of all records, logs, cards, comments and events of a namespace, for good.

        Args:
            namespace: whose owner you are.
            text: exactly as it stands there, 6 to 10,000 characters. It is sent, and not kept.
            reason: kept in the event log.

        Returns:
            How many places held the text.

        Raises:
            Invalid: the text is too short, or stands nowhere in the namespace.
            Denied: you do not own the namespace.
        """
        body = wire.RedactText(text=text, reason=reason)
        return self._transport.call(
            "POST",
            at("namespaces", namespace, "redactions"),
            body=body,
            returns=wire.Redaction,
            repeatable=False,
        )

    def list(self, namespace: str) -> Sequence[wire.Redaction]:
        """What was redacted in a namespace, newest first."""
        return self._transport.call(
            "GET", at("namespaces", namespace, "redactions"), returns=wire.RedactionList
        ).items

    def withhold(self, holder: str, path: str, *, reason: str) -> wire.Withheld:
        """Withhold the bytes of a file for good, wherever they are: no route gives them, and they are deleted.

        Args:
            holder: a version (`fraud/scorer:3`), `run:ID`, or `dataset:NAME@DIGEST` with the path `profile`.
            path: of the file.
            reason: kept in the event log, and told to everybody who asks for the file.

        Returns:
            The withheld file; `also` names the other files that have the same bytes.

        Raises:
            FileNotFound: there is no such file.
            FileWithheld: it was withheld before.
            Denied: you do not own the namespace, or others that have the same bytes.
        """
        body = wire.WithholdFile(holder=holder, path=path, reason=reason)
        return self._transport.call("POST", at("withheld"), body=body, returns=wire.Withheld, repeatable=False)

    def list_withheld(self, namespace: str) -> Sequence[wire.Withheld]:
        """Files of a namespace whose bytes were withheld, newest first."""
        return self._transport.call(
            "GET", at("namespaces", namespace, "withheld"), returns=wire.WithheldList
        ).items
