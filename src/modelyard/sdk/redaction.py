"""Taking texts out of what a namespace keeps.

>>> client.redactions.redact("fraud", leaked_key, reason="key pasted into a comment")   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.sdk.http import Transport, at
from modelyard.wire import redaction as wire


class Redactions:
    """`client.redactions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

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
        found: wire.Redaction = self._transport.call(
            "POST",
            at("namespaces", namespace, "redactions"),
            body=body,
            returns=wire.Redaction,
            repeatable=False,
        )
        return found

    def list(self, namespace: str) -> Sequence[wire.Redaction]:
        """What was redacted in a namespace, newest first."""
        found: wire.RedactionList = self._transport.call(
            "GET", at("namespaces", namespace, "redactions"), returns=wire.RedactionList
        )
        return found.items
