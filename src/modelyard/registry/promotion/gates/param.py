"""A parameter of the training stays within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from modelyard.domain.texts import nearest
from modelyard.registry.promotion.gates.base import Name, RuleBase, failed, passed, unknown
from modelyard.registry.promotion.rules import Evidence, Finding, number_text

ParamValue = str | int | float | bool


class ParamRule(RuleBase, frozen=True, kw_only=True):
    """`param: {name: max_depth, max: 12}`: a parameter of the training is at least `min`, at most `max`, or one of
    `one_of`.

    Parameters are frozen at registration, as the version's author gave them. Another value needs another training.
    """

    kind: ClassVar[str] = "param"
    needs: ClassVar[frozenset[str]] = frozenset({"record"})
    stricter: ClassVar[dict[str, str]] = {"min": "more", "max": "less", "one_of": "one of"}

    name: Name
    min: float | None = None
    max: float | None = None
    one_of: Annotated[list[ParamValue], msgspec.Meta(max_length=100)] = []

    def label(self) -> str:
        return f"param-{self.name}"

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        if self.min is None and self.max is None and not self.one_of:
            return "it has neither min, max nor one_of"
        if self.min is not None and self.max is not None and self.min > self.max:
            return f"min {self.min:g} is above max {self.max:g}"
        return None

    def find(self, evidence: Evidence) -> Finding:
        bounds = [
            f">= {self.min:g}" if self.min is not None else "",
            f"<= {self.max:g}" if self.max is not None else "",
            f"one of {', '.join(map(_text, self.one_of))}" if self.one_of else "",
        ]
        needed = f"param {self.name} {' and '.join(bound for bound in bounds if bound)}"
        who = "the person who trains the model"
        if self.name not in evidence.params:
            said = f"param {self.name} is not known{nearest(self.name, evidence.params)}"
            fix = f"modelyard push FOLDER {evidence.model} --param {self.name}=VALUE"
            return unknown(said, needed, who=f"{who}: another version that records it", fix=fix)
        value = evidence.params[self.name]
        measured = f"{self.name} = {_text(value)}"
        bounded = self.min is not None or self.max is not None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = not self.one_of or any(_equal(value, each) for each in self.one_of)
        if bounded and is_number:
            fits = fits and (self.min is None or value >= self.min) and (self.max is None or value <= self.max)
        elif bounded:
            measured, fits = f"{measured}, which is not a number", False
        if fits:
            return passed(measured, needed)
        fix = f"modelyard push FOLDER {evidence.model}"
        return failed(measured, needed, who=f"{who}: another training", fix=fix)


def _equal(value: object, wanted: ParamValue) -> bool:
    """Compare without taking True for 1."""
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return number_text(value) if isinstance(value, float) else str(value)[:100]
