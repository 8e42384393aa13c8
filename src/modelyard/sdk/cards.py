"""Model cards."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelyard.domain.errors import FileNotFound
from modelyard.sdk.of_version import OfVersion
from modelyard.wire import cards as wire

if TYPE_CHECKING:
    pass


class Cards(OfVersion):
    """`client.cards`."""

    def get(self, ref: str, *, number: int | None = None) -> wire.Card:
        """number: 0 for the README.md among the files, 1, 2, … as they were set; None: the newest."""
        found: wire.Card = self._transport.call(
            "GET", self._at(ref, "card"), query=wire.CardQuery(number=number), returns=wire.Card
        )
        return found

    def set(self, ref: str, text: str) -> wire.Card:
        """It stands before the README.md among the files, which stay as they are."""
        found: wire.Card = self._transport.call(
            "PUT", self._at(ref, "card"), body=wire.SetCard(text=text), returns=wire.Card
        )
        return found

    def template(self, ref: str) -> str:
        """A card to begin with, filled with what is known; what people must write stands in comments."""
        found: wire.CardTemplate = self._transport.call(
            "GET", self._at(ref, "card", "template"), returns=wire.CardTemplate
        )
        return found.text

    def history(self, ref: str) -> Sequence[wire.CardEntry]:
        """The cards that were set, newest first."""
        found: wire.CardHistory = self._transport.call(
            "GET", self._at(ref, "card", "history"), returns=wire.CardHistory
        )
        return found.items

    def problems(self, ref: str) -> Sequence[wire.CardProblem]:
        """Sections that are missing or empty, and front matter that cannot be read as it is meant."""
        found: wire.CardCheck = self._transport.call(
            "GET", self._at(ref, "card", "problems"), returns=wire.CardCheck
        )
        return found.problems

    def html(self, ref: str) -> str:
        """Sanitised: without its author's own markup, scripts and images."""
        found: wire.CardHtml = self._transport.call("GET", self._at(ref, "card", "html"), returns=wire.CardHtml)
        return found.html

    def diff(self, ref: str, other: str | None = None) -> str:
        """Unified, from the card of `other` to that of `ref`; None: from the card that `ref` had before.

        Empty when they are equal.
        """
        after = self.get(ref)
        if other is not None:
            before_text, name = self.get(other).text, other
        elif after.number:
            number = after.number - 1
            before_text, name = self._text_of(ref, number), f"{ref} card {number}"
        else:
            before_text, name = "", "nothing"
        lines = difflib.unified_diff(
            before_text.splitlines(), after.text.splitlines(), name, f"{ref} card {after.number}", lineterm=""
        )
        return "\n".join(lines)

    def _text_of(self, ref: str, number: int) -> str:
        try:
            return self.get(ref, number=number).text
        except FileNotFound:
            # The first card of a version without a README.md.
            return ""
