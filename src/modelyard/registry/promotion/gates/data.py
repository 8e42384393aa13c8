"""The datasets of a version come from accepted sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from modelyard.domain.globs import glob_problem, matches_stars
from modelyard.registry.promotion.gates.base import Name, Names, RuleBase, failed, passed, unknown
from modelyard.registry.promotion.rules import DataUse, Evidence, Finding


class DataRule(RuleBase, frozen=True, kw_only=True):
    """`data: {allow: ['s3://lake/*', fraud/transactions]}`: each dataset of the version matches one of these.

    allow, refuse: names, sources or digests; `*` stands for any text. refuse: no dataset may match one of these. split:
    only datasets of this split are looked at. A version without a known dataset does not pass. The version's author
    names a source; the server cannot check it, but a digest stands for the content.
    """

    kind: ClassVar[str] = "data"
    needs: ClassVar[frozenset[str]] = frozenset({"record"})
    stricter: ClassVar[dict[str, str]] = {"allow": "one of", "refuse": "all of"}

    allow: Names = []
    refuse: Names = []
    split: Name | None = None

    def label(self) -> str:
        return f"data-{self.split}" if self.split else "data"

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        if not self.allow and not self.refuse:
            return "it neither allows nor refuses anything"
        return next((problem for each in (*self.allow, *self.refuse) if (problem := glob_problem(each))), None)

    def find(self, evidence: Evidence) -> Finding:
        where = f" of split {self.split}" if self.split else ""
        wants = [f"from {' or '.join(self.allow)}"] if self.allow else []
        wants += [f"not from {' or '.join(self.refuse)}"] if self.refuse else []
        needed = f"data{where} {' and '.join(wants)}"
        uses = [use for use in evidence.data if self.split is None or use.split == self.split]
        who = "the person who trains the model: another version"
        fix = f"modelyard push FOLDER {evidence.model} --data {self.split or 'train'}=FILE"
        if not uses:
            return unknown(f"no dataset{where} is known", needed, who=who, fix=fix)
        wrong = [use for use in uses if not self._accepts(use)]
        if wrong:
            return failed(
                ", ".join(map(_text, wrong))[:500], needed, who=f"{who}, trained on other data", fix=fix
            )
        return passed(", ".join(map(_text, uses))[:500], needed)

    def _accepts(self, use: DataUse) -> bool:
        return (not self.allow or _matches(use, self.allow)) and not _matches(use, self.refuse)


def _matches(use: DataUse, patterns: Sequence[str]) -> bool:
    said = [text for text in (use.name, use.source, use.digest) if text]
    return any(matches_stars(pattern, text) for pattern in patterns for text in said)


def _text(use: DataUse) -> str:
    source = f" from {use.source}" if use.source else " without a source"
    return f"{use.name or use.digest[:19] or 'a dataset'}{source}"
