"""Model cards."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from modelyard.domain.errors import FileNotFound
from modelyard.sdk.session import Feature
from modelyard.wire import cards as wire

MAX_REPORT_BYTES = 64 * 1024 * 1024


class Cards(Feature):
    """`client.cards`."""

    def get(self, ref: str, *, number: int | None = None) -> wire.Card:
        """Return the model card of a version.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            number: 0 for the README.md among its files, or 1, 2, … in the order in which cards were set;
                None: the newest.

        Returns:
            The card: its text, and the number of words in each section.

        Raises:
            FileNotFound: The version has no card.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> print(client.cards.get("fraud/scorer:12").text)
        """
        return self._transport.call(
            "GET",
            self._session.version_path(ref, "card"),
            query=wire.CardQuery(number=number),
            returns=wire.Card,
        )

    def set(self, ref: str, text: str) -> wire.Card:
        """Set the model card of a version. Its files, and earlier cards, stay as they are.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            text: The card in Markdown.

        Returns:
            The card.

        Raises:
            VersionDeleted: The version was deleted.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.cards.set("fraud/scorer:12", Path("CARD.md").read_text()).number
            1
        """
        return self._transport.call(
            "PUT", self._session.version_path(ref, "card"), body=wire.SetCard(text=text), returns=wire.Card
        )

    def template(self, ref: str) -> str:
        """Return a card to begin with, filled with the known facts; comments show what people must write.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The text of the card.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> Path("CARD.md").write_text(client.cards.template("fraud/scorer:12"))
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "template"), returns=wire.CardTemplate
        ).text

    def history(self, ref: str) -> Sequence[wire.CardEntry]:
        """Return the cards that were set for a version, the newest first.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The cards, without their text.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [(entry.number, entry.by) for entry in client.cards.history("fraud/scorer:12")]
            [(1, 'ada')]
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "history"), returns=wire.CardHistory
        ).items

    def problems(self, ref: str) -> Sequence[wire.CardProblem]:
        """Return what is wrong with a card: missing or empty sections, and front matter that cannot be read.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The problems; empty when there are none.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [problem.where for problem in client.cards.problems("fraud/scorer:12")]
            ['Limitations']
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "problems"), returns=wire.CardCheck
        ).problems

    def html(self, ref: str) -> str:
        """Return a card as sanitised HTML, without its author's own markup, scripts and images.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The HTML.

        Raises:
            FileNotFound: The version has no card.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.cards.html("fraud/scorer:12")
            '<h1>Card scorer</h1>…'
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "html"), returns=wire.CardHtml
        ).html

    def diff(self, ref: str, other: str | None = None) -> str:
        """Return the difference between two cards in unified form.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            other: The version whose card is the older side; None: the card that `ref` had before.

        Returns:
            The difference; empty when the cards are equal.

        Raises:
            FileNotFound: A version has no card.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> print(client.cards.diff("fraud/scorer:12", "fraud/scorer:11"))
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
