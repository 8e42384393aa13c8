"""The policy of a model in words: which rules a version must meet before it enters a stage, and who may act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import ModelyardError
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.promotion.stages import list_stages
from modelyard.registry.promotion.usecases import PromotionRequest, explain


class RuleWords(msgspec.Struct, frozen=True):
    rule: str
    needed: str


class StageWords(msgspec.Struct, frozen=True):
    name: str
    slots: int
    only_warns: bool
    rules: Sequence[RuleWords]
    who: Mapping[str, Sequence[str]]
    """Verb → the accounts and groups it is narrowed to; a verb that is not in it needs only the role."""


class PolicyWords(msgspec.Struct, frozen=True):
    stages: Sequence[StageWords]
    sources: Sequence[str]
    """Where it comes from: 'default', 'namespace 3', 'model 1'."""
    open_for: str
    """How long a promotion stays open."""


def describe_policy(tx: Transaction, actor: Actor, name: ModelName) -> PolicyWords:
    """Describe the policy in force. The rules are worded for the newest version, as its gate would word them."""
    model, policy, _ = list_stages(tx, actor, name)
    found = []
    for stage in policy.stages:
        entry = policy.gates[stage.name]
        judged: dict[str, str] = {}
        if model.newest_version is not None and not actor.is_anonymous:
            ref = Ref(model.name, model.newest_version)
            try:
                attempt = explain(tx, actor, PromotionRequest(ref, stage.name))
            except ModelyardError:
                # The version is there already, or cannot be promoted at all: the words of the policy remain.
                attempt = None
            if attempt is not None and attempt.verdict is not None:
                judged = {result.rule: result.needed for result in attempt.verdict.results}
        bodies = policy.gate_body(stage.name).get("rules") or []
        rules = [
            RuleWords(named.id, judged.get(named.id) or _words(body))
            for named, body in zip(entry.gate.rules, bodies, strict=False)
        ]
        who = {
            verb: names
            for verb in ("promote", "rollback", "demote", "waive")
            if (names := getattr(entry.who, verb))
        }
        found.append(StageWords(stage.name, stage.slots, entry.gate.mode.value == "warn", rules, who))
    return PolicyWords(found, policy.sources, policy.open_for)


def _words(body: Any) -> str:
    """Return the fields of a rule as it was written: `name f1, min 0.9`."""
    if not isinstance(body, Mapping):
        return str(body)
    (value,) = body.values() if len(body) == 1 else (body,)
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{field} {_plain(each)}" for field, each in value.items()) or "no further condition"


def _plain(value: Any) -> str:
    return (
        " or ".join(map(str, value))
        if isinstance(value, Sequence) and not isinstance(value, str)
        else str(value)
    )
