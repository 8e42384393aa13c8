"""Each fact of a version: known, missing, or not applicable, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.domain.record import NOT_APPLICABLE, SIX_FACTS, applicable_facts

KNOWN, MISSING, NOT_APPLICABLE_STATE = "known", "missing", "not_applicable"

_HINTS = {
    "code": "push from a git repository, or give facts={'code': …}",
    "data": "log what it was trained on: my.log_input(frame, name=…)",
    "environment": "push with capture=True from where it was trained",
    "image": "train inside a container, or give facts={'image': …}",
    "metrics": "give metrics={…} when pushing",
    "params": "give params={…} when pushing",
    "signature": "give example=rows when pushing an object",
    "run": "train with my.run(…) or modelyard run",
    "card": "modelyard card edit",
    "licence": "add a LICENSE file, or license: in the card's front matter",
}
OTHERS = ("signature", "run", "card", "licence")
"""Facts besides the six; the completeness does not count them, and a gate may require them by name."""


@dataclass(frozen=True, slots=True)
class FactState:
    """counts: it is one of those that the completeness is the share of. hint: how to make it known next time."""

    name: str
    state: str
    counts: bool
    hint: str = ""


def judge_facts(
    facts: Mapping[str, Any], *, has_card: bool, licence: str | None, file_signature: bool
) -> list[FactState]:
    """facts: the record. file_signature: the files themselves say inputs and outputs."""
    applicable = applicable_facts(facts)
    found = []
    for name in SIX_FACTS:
        if facts.get(name):
            found.append(FactState(name, KNOWN, True))
        elif name in applicable:
            found.append(FactState(name, MISSING, True, _HINTS[name]))
        else:
            found.append(FactState(name, NOT_APPLICABLE_STATE, False, _excuse(facts, name)))
    known = {
        "signature": bool(facts.get("signature")) or file_signature,
        "run": bool(facts.get("run")),
        "card": has_card,
        "licence": licence is not None,
    }
    found += [
        FactState(name, KNOWN if known[name] else MISSING, False, "" if known[name] else _HINTS[name])
        for name in OTHERS
    ]
    return found


def _excuse(facts: Mapping[str, Any], name: str) -> str:
    relation = next(
        str(parent.get("relation"))
        for parent in facts.get("parents") or []
        if name in NOT_APPLICABLE.get(str(parent.get("relation")), ())
    )
    return f"its parent has it: this version is made from that one ({relation})"
