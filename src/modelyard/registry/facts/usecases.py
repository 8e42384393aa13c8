"""Show which facts of a version are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Invalid, NotFound
from modelyard.domain.names import Ref
from modelyard.domain.record import completeness
from modelyard.domain.signature import Problem, check_inputs, lawful_entries
from modelyard.registry.cards import usecases as cards
from modelyard.registry.facts.rules import FactState, judge_facts
from modelyard.registry.versions.usecases import find_version


class FactsView(msgspec.Struct, frozen=True):
    reference: str
    completeness: float
    items: Sequence[FactState]


def show_facts(tx: Transaction, actor: Actor, ref: Ref) -> FactsView:
    model, version = find_version(tx, actor, ref)
    record = version.facts()
    card = cards.find_state(tx, model, version, tx.now)
    items = judge_facts(
        record,
        has_card=card.is_written,
        licence=card.licence,
        file_signature=bool(version.format_facts.value.get("signature")),
    )
    return FactsView(f"{model.name}:{version.number}", completeness(record), items)


class SignatureView(msgspec.Struct, frozen=True):
    """A signature. declared: it was given with the push; otherwise it was read from the files."""

    reference: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    declared: bool


def show_signature(tx: Transaction, actor: Actor, ref: Ref) -> SignatureView:
    """Return the signature of a version. Raises NotFound if it has none."""
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
    """Check data against the signature. given: entries that describe the data. Raises Invalid for malformed entries."""
    signature = show_signature(tx, actor, ref)
    if not lawful_entries(given):
        raise Invalid(
            reason="the inputs are not a list of objects with name, dtype and shape",
            fix="Send for example [{'name': 'amount', 'dtype': 'float64', 'shape': [null]}]",
        )
    return check_inputs({"inputs": signature.inputs}, given)
