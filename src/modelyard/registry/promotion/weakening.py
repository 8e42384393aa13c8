"""Find what a policy allows that the one before it did not, by comparing the effective policies.

A rule counts as kept if the gate still has one of its kind that demands at least as much. The class of a rule defines
how its parameters compare (`RuleBase.stricter`); any other difference counts as weaker, because nothing shows that it
is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from modelyard.registry.promotion.gates.base import RuleBase
from modelyard.registry.promotion.policy import Policy, PolicyFile, StageGate, effective
from modelyard.registry.promotion.rules import Mode, NamedRule, duration


class Weakening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A weakening of one gate. models: the pattern of the model names that it concerns."""

    stage: str
    models: str
    what: Sequence[str]
    had_approvals: bool = False


def find_weakenings(before: PolicyFile | None, after: PolicyFile | None) -> list[Weakening]:
    """Return what became weaker when one text of a namespace's policy replaced another; None: no policy."""
    found = []
    for pattern in patterns(before, after):
        found += _compare(pattern, effective([pattern], before, None), effective([pattern], after, None))
    return found


def find_model_weakenings(
    names: Sequence[str], before: PolicyFile | None, after: PolicyFile | None, above: PolicyFile | None
) -> list[Weakening]:
    """Do the same for the policy of one model with these names. above: the policy of its namespace."""
    return _compare("*", effective(names, above, before), effective(names, above, after))


def patterns(*files: PolicyFile | None) -> list[str]:
    """Return every pattern of names in the gates of the files, and the one for all models."""
    named = (gate.models for file in files if file is not None for gate in file.promote)
    return list(dict.fromkeys(["*", *(pattern for pattern in named if pattern is not None)]))


def in_words(weakenings: Sequence[Weakening]) -> list[str]:
    """Return a line for each weakening; one that concerns all models is not repeated for some of them."""
    general = {(each.stage, what) for each in weakenings if each.models == "*" for what in each.what}
    found = []
    for each in weakenings:
        models = "" if each.models == "*" else f" of {each.models}"
        found += [
            f"gate to {each.stage}{models}: {what}"
            for what in each.what
            if not models or (each.stage, what) not in general
        ]
    return found


def weaker_heads(before: PolicyFile | None, after: PolicyFile | None) -> list[str]:
    """Return what became weaker in the policy as a whole, in words."""
    found = []
    old_editors, new_editors = (file.editors if file else [] for file in (before, after))
    if not _narrower(old_editors, new_editors):
        found.append(f"editors: {_list(old_editors)} → {_list(new_editors)}")
    if after is not None and after.models_may == "override" and (before is None or before.models_may == "add"):
        found.append("models_may: add → override")
    return found


def _compare(pattern: str, before: Policy, after: Policy) -> list[Weakening]:
    found = []
    for stage, former in before.gates.items():
        what = _weaker_gate(former, after.gates.get(stage))
        if what:
            found.append(Weakening(stage=stage, models=pattern, what=what, had_approvals=former.has_approvals))
    return found


def _weaker_gate(before: StageGate, after: StageGate | None) -> list[str]:
    if after is None:
        return ["the stage is gone, and its gate with it"]
    found = []
    if not before.gate.chosen and after.gate.chosen:
        found.append("a gate where there was none")
    if before.gate.mode is Mode.BLOCK and after.gate.mode is Mode.WARN:
        found.append("mode: block → warn")
    if not _narrower(before.gate.come_from, after.gate.come_from):
        found.append(f"from: {_list(before.gate.come_from)} → {_list(after.gate.come_from)}")
    if after.automatic and not before.automatic:
        found.append("complete: by-hand → automatically")
    demanded, allowed = msgspec.to_builtins(before.who), msgspec.to_builtins(after.who)
    modes = demanded.pop("mode", "block"), allowed.pop("mode", "block")
    if modes == ("block", "warn") and any(demanded.values()):
        found.append("who: block → warn")
    for verb, names in demanded.items():
        if not _narrower(names, allowed.get(verb, ())):
            found.append(f"who may {verb}: {_list(names)} → {_list(allowed.get(verb, ()))}")
    return found + _weaker_rules(before.gate.rules, after.gate.rules)


def _weaker_rules(before: Sequence[NamedRule], after: Sequence[NamedRule]) -> list[str]:
    """Return the weaker rules.

    Each later rule replaces at most one earlier rule, so both of two equal rules must stay.
    """
    left, lost = list(after), []
    for old in before:
        kept = next((new for new in left if _keeps(old, new)), None)
        if kept is None:
            lost.append(old)
        else:
            left.remove(kept)
    found = []
    for old in lost:
        other = next((new for new in left if new.id == old.id and new.rule.kind == old.rule.kind), None)
        if other is None:
            found.append(f"rule {old.id} removed")
            continue
        left.remove(other)
        found.append(f"rule {old.id}: {_changes(old, other)}")
    return found


def _keeps(old: NamedRule, new: NamedRule) -> bool:
    if old.rule.kind != new.rule.kind or (new.waivable and not old.waivable):
        return False
    assert isinstance(old.rule, RuleBase)
    stricter, before, after = old.rule.stricter, _values(old), _values(new)
    return all(
        _is_kept(stricter.get(name, "same"), before.get(name), after.get(name))
        for name in {*before, *after} - {"say"}
    )


def _is_kept(how: str, old: Any, new: Any) -> bool:
    if old == new:
        return True
    match how:
        case "more" if old is None:
            return True
        case "more":
            return new is not None and new >= old
        case "less" if old is None:
            return True
        case "less":
            return new is not None and new <= old
        case "longer":
            return old is None or (new is not None and duration(new) >= duration(old))
        case "shorter":
            return old is None or (new is not None and duration(new) <= duration(old))
        case "all of":
            return all(each in (new or ()) for each in old or ())
        case "one of":
            return _narrower(old or (), new or ())
        case "others":
            return bool(new == "others")
    return False


def _narrower(old: Sequence[str], new: Sequence[str]) -> bool:
    """Return whether a list of alternatives allows no more than the one before; an empty list allows everybody."""
    return not old or (bool(new) and set(new) <= set(old))


def _values(named: NamedRule) -> dict[str, Any]:
    """Return the parameters with their defaults, so that an omitted one compares by its meaning."""
    rule = named.rule
    fields = msgspec.structs.fields(rule)  # type: ignore[arg-type]
    return {field.encode_name: msgspec.to_builtins(getattr(rule, field.name)) for field in fields}


def _changes(old: NamedRule, new: NamedRule) -> str:
    before, after = {**_values(old), "waivable": old.waivable}, {**_values(new), "waivable": new.waivable}
    names = (name for name in before if before[name] != after[name])
    return ", ".join(f"{name}: {_word(before[name])} → {_word(after[name])}" for name in names)[:300]


def _word(value: Any) -> str:
    if value is None or value == []:
        return "any"
    return _list(value) if isinstance(value, list) else str(value)


def _list(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names)) or "anyone"
