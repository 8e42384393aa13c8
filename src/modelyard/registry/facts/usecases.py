"""Showing which facts of a version are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Invalid, NotFound
from modelyard.domain.names import Ref
from modelyard.domain.record import completeness
from modelyard.domain.signature import Problem, check_inputs, lawful_entries
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
    record = version.record.value
    said = version.format_facts.value
    sections = cards.find_sections(tx, version.id, version.manifest_id, tx.now)
    items = judge_facts(
        record,
        has_card=sections is not None,
        licence=said.get("licence"),
        file_signature=bool(said.get("signature")),
    )
    return FactsView(f"{model.name}:{version.number}", completeness(record), items)


@dataclass(frozen=True, slots=True)
class SignatureView:
    """declared: it was given when the version was pushed; otherwise its files say so."""

    reference: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    declared: bool


def show_signature(tx: Transaction, actor: Actor, ref: Ref) -> SignatureView:
    """Raises NotFound for a version without one."""
    model, version = find_version(tx, actor, ref)
    reference = f"{model.name}:{version.number}"
    given = version.record.value.get("signature")
    found: dict[str, Any] = given or version.format_facts.value.get("signature") or {}
    inputs, outputs = found.get("inputs") or [], found.get("outputs") or []
    if not (lawful_entries(inputs) and lawful_entries(outputs)) or not (inputs or outputs):
        raise NotFound(
            what=f"a signature of {reference}",
            fix="Give example=rows when you push an object: my.push(model, …)",
        )
    return SignatureView(reference, inputs, outputs, bool(given))


def check_signature(tx: Transaction, actor: Actor, ref: Ref, given: Any) -> list[Problem]:
    """given: entries of the data at hand. Raises Invalid for entries that are none."""
    signature = show_signature(tx, actor, ref)
    if not lawful_entries(given):
        raise Invalid(
            reason="the inputs are no list of objects with name, dtype and shape",
            fix="Send for example [{'name': 'amount', 'dtype': 'float64', 'shape': [null]}]",
        )
    return check_inputs({"inputs": signature.inputs}, given)
