"""Judge each fact of a version: known, missing, or not applicable, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from modelyard.domain.record import NOT_APPLICABLE, SIX_FACTS, applicable_facts, is_known

KNOWN, MISSING, NOT_APPLICABLE_STATE = "known", "missing", "not_applicable"

HINTS = {
    "code": "train with: modelyard run --register MODEL -- python train.py (it keeps the code), or push from the git"
    " repository of the code",
    "data": "push with --data train=FILE, or in the training: my.log_input(frame, name=…)",
    "environment": "train with: modelyard run --register MODEL -- python train.py, or push without --no-capture",
    "image": "make one: modelyard image build REF; or train in a container that names its image"
    " (MODELYARD_IMAGE=NAME@sha256:…)",
    "metrics": "push with --metric test:NAME=VALUE, or in the training: my.log_metric('test:f1', value)",
    "params": "push with --param NAME=VALUE, or in the training: my.log_param('depth', 6)",
    "signature": "push the object with example rows: my.push(model, NAME, example=rows)",
    "run": "train with: modelyard run --register MODEL -- python train.py",
    "card": "write into its sections: modelyard card edit REF",
    "licence": "write license: into the card's front matter (modelyard card edit REF), or add a LICENSE file",
}
"""How to make a fact known. Facts are frozen, so most of these need another push, which creates another version of the
same files."""
OTHERS = ("signature", "run", "card", "licence")
"""Facts besides the six. The completeness does not include them, but a gate may require them by name."""


class FactState(msgspec.Struct, frozen=True):
    """One fact. counts: whether the completeness includes it. hint: how to provide it next time."""

    name: str
    state: str
    counts: bool
    hint: str = ""


def judge_facts(
    facts: Mapping[str, Any], *, has_card: bool, licence: str | None, file_signature: bool
) -> list[FactState]:
    """Judge the facts. facts: the record. file_signature: whether the files describe inputs and outputs."""
    applicable = applicable_facts(facts)
    found = []
    for name in SIX_FACTS:
        if is_known(facts, name):
            found.append(FactState(name, KNOWN, True))
        elif name in applicable:
            found.append(FactState(name, MISSING, True, HINTS[name]))
        else:
            found.append(FactState(name, NOT_APPLICABLE_STATE, False, _excuse(facts, name)))
    known = {
        "signature": bool(facts.get("signature")) or file_signature,
        "run": bool(facts.get("run")),
        "card": has_card,
        "licence": licence is not None,
    }
    found += [
        FactState(name, KNOWN if known[name] else MISSING, False, "" if known[name] else HINTS[name])
        for name in OTHERS
    ]
    return found


def _excuse(facts: Mapping[str, Any], name: str) -> str:
    relation = next(
        str(parent.get("relation"))
        for parent in facts.get("parents") or []
        if name in NOT_APPLICABLE.get(str(parent.get("relation")), ())
    )
    return f"its parent has it: this version was made from that one ({relation})"
