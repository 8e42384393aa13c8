"""The model card has the required sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec

from modelyard.registry.cards.rules import REQUIRED_SECTIONS
from modelyard.registry.promotion.gates.base import Names, RuleBase, failed, passed, unknown
from modelyard.registry.promotion.rules import Evidence, Finding


class CardRule(RuleBase, frozen=True, kw_only=True):
    """`card: {sections: [purpose, limitations], min_words: 10}`: each section has at least `min_words` words.

    sections: if omitted, the standard ones: purpose, performance, limitations, intended use, ethics. A heading counts
    if it begins with the section's name, in any case.
    """

    kind: ClassVar[str] = "card"
    needs: ClassVar[frozenset[str]] = frozenset({"card"})
    stricter: ClassVar[dict[str, str]] = {"sections": "all of", "min_words": "more"}

    sections: Names = msgspec.field(default_factory=lambda: list(REQUIRED_SECTIONS))
    min_words: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        return None if self.sections else "it names no section"

    def find(self, evidence: Evidence) -> Finding:
        needed = f"card sections {', '.join(self.sections)} with at least {self.min_words} words each"
        who = "the person who may edit the version"
        fix = f"modelyard card set {evidence.reference} README.md"
        if evidence.card is None:
            return unknown("there is no card", needed, who=who, fix=fix, may_change=True)
        wrong = []
        for section in self.sections:
            words = _words_in(evidence.card, section)
            if words is None:
                wrong.append(f"{section} is missing")
            elif words < self.min_words:
                wrong.append(f"{section} has {words} words")
        if wrong:
            return failed("; ".join(wrong), needed, who=who, fix=fix, may_change=True)
        return passed("all sections are there", needed)


def _words_in(card: Mapping[str, int], section: str) -> int | None:
    wanted = section.casefold().strip()
    return max((words for heading, words in card.items() if heading.startswith(wanted)), default=None)
