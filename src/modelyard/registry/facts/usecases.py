"""Showing which facts of a version are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import Ref
from modelyard.domain.record import completeness
from modelyard.registry.cards import usecases as cards
from modelyard.registry.facts.rules import FactState, judge_facts
from modelyard.registry.versions.usecases import find_version


@dataclass(frozen=True, slots=True)
class FactsView:
    reference: str
    completeness: float
    items: Sequence[FactState]


def show_facts(tx: Transaction, actor: Actor, ref: Ref) -> FactsView:
    model, version = find_version(tx, actor, ref)
    record: dict[str, Any] = json.loads(version.record)
    said: dict[str, Any] = json.loads(version.format_facts)
    sections = cards.find_sections(tx, version.id, version.manifest_id, tx.now)
    items = judge_facts(
        record,
        has_card=sections is not None,
        licence=said.get("licence"),
        file_signature=bool(said.get("signature")),
    )
    return FactsView(f"{model.name}:{version.number}", completeness(record), items)
