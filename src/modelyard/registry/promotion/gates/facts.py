"""Named facts are known, or enough facts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from modelyard.domain.record import FREE_FACTS, SIX_FACTS
from modelyard.domain.texts import nearest
from modelyard.registry.promotion.gates.base import Names, RuleBase, failed, passed
from modelyard.registry.promotion.rules import Evidence, Finding

_KNOWN = {*SIX_FACTS, *FREE_FACTS, "parents", "card", "licence"}


class FactsRule(RuleBase, frozen=True, kw_only=True):
    """`facts: {require: [code, data], completeness: 0.8}`: these facts are known, and this share of the applicable
    ones.

    Besides the facts of the record, `card` and `licence` can be required. A required fact must be known even if the
    completeness does not count it, such as the data of a conversion.
    """

    kind: ClassVar[str] = "facts"
    needs: ClassVar[frozenset[str]] = frozenset({"card"})
    stricter: ClassVar[dict[str, str]] = {"require": "all of", "completeness": "more"}

    require: Names = []
    completeness: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        if not self.require and self.completeness is None:
            return "it names neither facts nor a completeness"
        for fact in self.require:
            if fact not in _KNOWN:
                return (
                    f"{fact!r} is not a fact{nearest(fact, _KNOWN)}; the facts are {', '.join(sorted(_KNOWN))}"
                )
        return None

    def find(self, evidence: Evidence) -> Finding:
        wants = [f"facts {', '.join(self.require)}"] if self.require else []
        if self.completeness is not None:
            wants.append(f"completeness >= {self.completeness:.0%}")
        needed = " and ".join(wants)
        known = {*evidence.facts}
        known |= {"card"} if evidence.card is not None and not evidence.card_is_template else set()
        known |= {"licence"} if evidence.licence else set()
        missing = [fact for fact in self.require if fact not in known]
        said = [f"missing: {', '.join(missing)}"] if missing else []
        too_few = self.completeness is not None and evidence.completeness + 1e-9 < self.completeness
        if self.completeness is not None:
            said.append(f"completeness is {evidence.completeness:.0%}")
        if missing or too_few:
            wanted = missing or [fact for fact in SIX_FACTS if fact not in known]
            return failed("; ".join(said), needed, who=_who(wanted), fix=_fix(evidence, wanted))
        return passed("; ".join(said) or "all known", needed)


_LATER = frozenset({"card", "licence"})
_OPTIONS = {"data": "--data train=FILE", "params": "--param NAME=VALUE", "metrics": "--metric test:NAME=VALUE"}


def _who(wanted: Sequence[str]) -> str:
    if _LATER.issuperset(wanted):
        return "the person who writes the model card"
    return "the person who trains the model: facts are frozen, so the same files with these facts are another version"


def _fix(evidence: Evidence, wanted: Sequence[str]) -> str:
    """Return the command that provides the facts; facts that the files do not contain need another training."""
    if _LATER.issuperset(wanted):
        return f"modelyard card edit {evidence.reference}"
    if set(wanted) <= set(_OPTIONS):
        options = " ".join(_OPTIONS[fact] for fact in wanted)
        return f"modelyard push FOLDER {evidence.model} {options}"
    return f"modelyard run --register {evidence.model} -- python train.py"
