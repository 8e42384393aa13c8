"""Model cards."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from modelyard.domain.errors import FileNotFound
from modelyard.sdk.http import if_state
from modelyard.sdk.session import Feature
from modelyard.wire import cards as wire


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
        return self._get(self._version(ref, "card"), wire.Card, wire.CardQuery(number=number))

    def set(self, ref: str, text: str, *, seen: int | None = None) -> wire.Card:
        """Set the model card of a version. Its files and earlier cards stay unchanged.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            text: The card in Markdown.
            seen: Set it only if the newest card has this number; 0: only if none was set; None: in any case.

        Returns:
            The card.

        Raises:
            EditConflict: The newest card has another number than `seen`.
            VersionDeleted: The version was deleted.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.cards.set("fraud/scorer:12", Path("CARD.md").read_text()).number
            1
        """
        return self._put(self._version(ref, "card"), wire.Card, wire.SetCard(text=text), headers=if_state(seen))

    def template(self, ref: str) -> str:
        """Return a first draft of a card, filled with known facts; comments mark the parts that people must write.

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
        return self._get(self._version(ref, "card", "template"), wire.CardTemplate).text

    def history(self, ref: str) -> Sequence[wire.CardEntry]:
        """Return the cards that were set for a version, newest first.

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
        return self._get(self._version(ref, "card", "history"), wire.CardHistory).items

    def citation(self, ref: str) -> wire.Citation:
        """Return how to cite a version: from its card, or generated from what is known of it.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The citation as text and as BibTeX, and the licence.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.cards.citation("fraud/scorer:12").licence
            'Apache-2.0'
        """
        return self._get(self._version(ref, "citation"), wire.Citation)

    def problems(self, ref: str) -> Sequence[wire.CardProblem]:
        """Return the problems of a card: missing or empty sections, and invalid front matter.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The problems; empty if there are none.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [problem.where for problem in client.cards.problems("fraud/scorer:12")]
            ['Limitations']
        """
        return self._get(self._version(ref, "card", "problems"), wire.CardCheck).problems

    def html(self, ref: str) -> str:
        """Return a card as sanitised HTML, without the author's own markup, scripts and images.

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
        return self._get(self._version(ref, "card", "html"), wire.CardHtml).html

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
