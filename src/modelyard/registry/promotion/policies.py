"""Putting a policy in force, taking it away, and reading what holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Conflict, EditConflict, InvalidPolicy, PolicyNotFound
from modelyard.domain.globs import glob_problem
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model, Namespace
from modelyard.registry.catalog.queries import find_namespace as find_namespace_row
from modelyard.registry.catalog.rules import ANY_REVISION
from modelyard.registry.promotion import policy_queries, queries
from modelyard.registry.promotion.expressions import shared_evaluator
from modelyard.registry.promotion.gates.assertion import AssertRule
from modelyard.registry.promotion.nouns import PolicyVersion
from modelyard.registry.promotion.permits import check_named
from modelyard.registry.promotion.policy import (
    ParsedPolicy,
    Policy,
    contradiction,
    effective,
    parse_policy,
    rule_of,
    unheard,
)
from modelyard.registry.promotion.policy_queries import combine, parsed
from modelyard.registry.promotion.rules import WEAKENED_FOR, duration
from modelyard.registry.promotion.weakening import (
    Weakening,
    find_model_weakenings,
    find_weakenings,
    in_words,
    patterns,
    weaker_heads,
)
from modelyard.registry.versions import alias_queries

NOTHING = Digest.of(b"")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose policy: a namespace's, or one model's."""

    namespace: Namespace
    model: Model | None = None

    @property
    def name(self) -> str:
        return str(self.model.name) if self.model else self.namespace.name

    @property
    def model_id(self) -> int:
        return self.model.id if self.model else 0

    @property
    def place(self) -> access.Place:
        return self.model.place if self.model else self.namespace.place


@dataclass(frozen=True, slots=True)
class PolicyView:
    """What holds. own: the text of the namespace or model itself; None: it has none."""

    owner: Owner
    own: PolicyVersion | None
    inherited: PolicyVersion | None
    """The namespace's, next to a model's own."""
    effective: Policy
    weakens: Sequence[str] = ()
    """What the text that was just put in force made weaker, in words."""


def find_owner(
    tx: Transaction, actor: Actor, namespace: str, model: str | None, permission: Permission | None = None
) -> Owner:
    """Raises NamespaceNotFound, ModelNotFound, Denied."""
    if model is None:
        return Owner(catalog.find_namespace(tx, actor, namespace, permission or Permission.NAMESPACE_READ))
    found = catalog.find_model(tx, actor, ModelName(namespace, model), permission or Permission.MODEL_READ)
    # The model may be readable where its namespace is not.
    place = find_namespace_row(tx, actor, found.name.namespace)
    assert place is not None
    return Owner(place, found)


def show_policy(tx: Transaction, actor: Actor, namespace: str, model: str | None) -> PolicyView:
    return _view(tx, find_owner(tx, actor, namespace, model))


def _view(tx: Transaction, owner: Owner) -> PolicyView:
    above, own = policy_queries.find_policies(tx, owner.namespace.id, owner.model_id)
    if owner.model is None:
        return PolicyView(owner, above, None, combine(["*"], above, None))
    return PolicyView(owner, own, above, combine(policy_queries.names_of(tx, owner.model), above, own))


def list_policy_versions(
    tx: Transaction, actor: Actor, namespace: str, model: str | None, before: int | None, limit: int
) -> tuple[Owner, list[PolicyVersion]]:
    """Every text that was ever in force, newest first; an empty one took the policy away."""
    owner = find_owner(tx, actor, namespace, model)
    return owner, policy_queries.list_policies(tx, owner.namespace.id, owner.model_id, before, limit)


def set_policy(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    model: str | None,
    text: str,
    *,
    reason: str | None = None,
    seen: int | None = None,
) -> PolicyView:
    """Put a text in force. The same meaning again changes nothing.

    seen: number of the policy that the caller saw, 0 for none; another one raises EditConflict.
    Raises InvalidPolicy with line and reason; Conflict when a stage that would go is not empty; Denied.
    """
    owner = find_owner(tx, actor, namespace, model, Permission.POLICY_EDIT)
    above, own = policy_queries.find_policies(tx, owner.namespace.id, owner.model_id)
    present = own if owner.model else above
    _check_editors(tx, actor, owner, above, own)
    _check_seen(owner, present, seen)
    # Every gate is compared with what it was, for every model that has one of its own.
    tx.expect_many_rows()
    wanted = checked_text(tx, text, is_namespace=owner.model is None)
    if present is not None and present.digest == wanted.digest and present.text == text:
        return _view(tx, owner)
    weakens = _put(tx, actor, owner, wanted, above, own, catalog_rules.check_reason(reason))
    return replace(_view(tx, owner), weakens=weakens)


def try_policy(tx: Transaction, actor: Actor, namespace: str, model: str | None, text: str) -> PolicyView:
    """What holds, and what the text would make weaker; nothing is written. Raises what set_policy would of the text."""
    owner = find_owner(tx, actor, namespace, model)
    above, own = policy_queries.find_policies(tx, owner.namespace.id, owner.model_id)
    wanted = checked_text(tx, text, is_namespace=owner.model is None)
    affected = _affected(tx, owner, wanted, above)
    for model_id, name, before, after in affected:
        _check_stages(tx, model_id, f"{owner.namespace.name}/{name}", before, after)
    _keep_guarded_stages(tx, owner, wanted, above, affected)
    _, weakens = _weakenings(tx, owner, wanted, above, own)
    return replace(_view(tx, owner), weakens=weakens)


def checked_text(tx: Transaction, text: str, *, is_namespace: bool) -> ParsedPolicy:
    """check_text outside of the transaction."""
    return tx.outside(("policy", text, is_namespace), partial(check_text, text, is_namespace=is_namespace))


def check_text(text: str, *, is_namespace: bool) -> ParsedPolicy:
    """A valid policy whose expressions compile and name only what there is. Raises InvalidPolicy."""
    wanted = parse_policy(text, is_namespace=is_namespace)
    for gate in wanted.file.promote:
        problem = glob_problem(gate.models) if gate.models is not None else None
        if problem is not None:
            raise InvalidPolicy(line=_line_of(text, gate.models or ""), reason=f"models: {problem}")
        for entry in gate.rules:
            rule = rule_of(entry)
            if not isinstance(rule, AssertRule):
                continue
            problem = shared_evaluator.problem(rule.expr)
            if problem is not None:
                raise InvalidPolicy(line=_line_of(text, rule.expr), reason=f"assert: {problem}")
    return wanted


def _line_of(text: str, expr: str) -> int:
    return next((i for i, line in enumerate(text.splitlines(), 1) if expr[:40] in line), 1)


def check_editor(tx: Transaction, actor: Actor, owner: Owner) -> None:
    """Return when the actor may edit the policy that is in force. Raises Denied."""
    access.check(actor, Permission.POLICY_EDIT, owner.place)
    above, own = policy_queries.find_policies(tx, owner.namespace.id, owner.model_id)
    _check_editors(tx, actor, owner, above, own)


def _check_editors(
    tx: Transaction, actor: Actor, owner: Owner, above: PolicyVersion | None, own: PolicyVersion | None
) -> None:
    """The narrowing of the policies in force. An admin may always, so that no one locks a team out."""
    if actor.is_admin:
        return
    for version, is_namespace in ((above, True), (own, False)):
        if version is not None and (is_namespace is (owner.model is None) or is_namespace):
            editors = parsed(version.text, is_namespace).file.editors
            check_named(tx, actor, editors, "edit the policy", owner.name)


def _check_seen(owner: Owner, present: PolicyVersion | None, seen: int | None) -> None:
    number = present.number if present else 0
    if seen == ANY_REVISION and number:
        return
    if seen is not None and seen != number:
        raise EditConflict(what=f"the policy of {owner.name}", revision=number)


def _put(
    tx: Transaction,
    actor: Actor,
    owner: Owner,
    wanted: ParsedPolicy | None,
    above: PolicyVersion | None,
    own: PolicyVersion | None,
    reason: str | None,
) -> list[str]:
    """Store it and tell the versions feature which aliases are stages now. Returns what it makes weaker, in words."""
    weakenings, words = _weakenings(tx, owner, wanted, above, own)
    affected = _affected(tx, owner, wanted, above)
    for model_id, name, before, after in affected:
        _check_stages(tx, model_id, f"{owner.namespace.name}/{name}", before, after)
    _keep_guarded_stages(tx, owner, wanted, above, affected)
    number = policy_queries.insert_policy(
        tx,
        actor,
        namespace_id=owner.namespace.id,
        model_id=owner.model_id,
        text=wanted.text if wanted else "",
        digest=wanted.digest if wanted else NOTHING,
        reason=reason,
        weakened=weakenings,
    )
    if owner.model is None:
        names = effective(["*"], wanted.file, None).stage_names if wanted else None
        policy_queries.set_namespace_stages(tx, owner.namespace.id, names)
    for model_id, _, _, after in affected:
        is_own = owner.model is None or wanted is not None
        policy_queries.set_model_stages(tx, model_id, after.stage_names if is_own else None)
    tx.append(
        events.PolicyChanged(
            namespace=owner.namespace.name,
            model=str(owner.model.name) if owner.model else None,
            number=number,
            text_digest=wanted.digest if wanted else None,
            text=wanted.text if wanted else None,
            weakened=words or None,
            reason=reason,
        ),
        actor,
        owner.model_id,
    )
    return words


def _weakenings(
    tx: Transaction,
    owner: Owner,
    wanted: ParsedPolicy | None,
    above: PolicyVersion | None,
    own: PolicyVersion | None,
) -> tuple[list[Weakening], list[str]]:
    """What a text makes weaker than the present one: gate by gate, and in words."""
    after = wanted.file if wanted else None
    upper = parsed(above.text, True).file if above else None
    if owner.model is None:
        before = upper
        found = find_weakenings(before, after)
    else:
        before = parsed(own.text, False).file if own else None
        found = find_model_weakenings(policy_queries.names_of(tx, owner.model), before, after, upper)
    return found, [*weaker_heads(before, after), *in_words(found)]


def _affected(
    tx: Transaction, owner: Owner, wanted: ParsedPolicy | None, above: PolicyVersion | None
) -> list[tuple[int, str, Policy, Policy]]:
    """(model id, name, what held, what will hold) of each model; those of a namespace without an own policy
    are there for their stages alone. Raises InvalidPolicy when a model's policy and its namespace's clash."""
    if owner.model is not None:
        names = policy_queries.names_of(tx, owner.model)
        file = parsed(above.text, True).file if above else None
        _, own = policy_queries.find_policies(tx, owner.namespace.id, owner.model.id)
        after = effective(names, file, wanted.file if wanted else None)
        if wanted is not None:
            _check_together(after, wanted)
        return [(owner.model.id, names[0], combine(names, above, own), after)]
    found = []
    for model_id, names in policy_queries.list_models_in(tx, owner.namespace.id).items():
        _, own = policy_queries.find_policies(tx, owner.namespace.id, model_id)
        own_file = parsed(own.text, False).file if own else None
        after = effective(names, wanted.file if wanted else None, own_file)
        problem = contradiction(after) or (unheard(after, own_file) if own_file else None)
        if problem is not None:
            raise InvalidPolicy(
                line=1, reason=f"it clashes with the policy of {owner.namespace.name}/{names[0]}: {problem}"
            )
        found.append((model_id, names[0], combine(names, above, own), after))
    return found


def _check_together(policy: Policy, own: ParsedPolicy) -> None:
    problem = unheard(policy, own.file) or contradiction(policy)
    if problem is None:
        open_stages = [s for s, entry in policy.gates.items() if not entry.gate.chosen]
        if open_stages:
            problem = (
                f"there is no gate to {open_stages[0]!r}; an open one is a choice too: "
                f"`- {{to: {open_stages[0]}, rules: []}}`"
            )
    if problem is not None:
        raise InvalidPolicy(line=1, reason=problem)


def _check_stages(tx: Transaction, model_id: int, model: str, before: Policy, after: Policy) -> None:
    """A stage that goes, or shrinks, must be empty enough: no one loses their place by an edit of a file."""
    for stage in before.stages:
        kept = after.stage(stage.name)
        if kept is not None and kept.slots >= stage.slots:
            continue
        primary = alias_queries.find_alias(tx, model_id, stage.name)
        others = queries.list_occupants(tx, model_id, stage.name)
        inside = [
            *([primary.number] if primary and primary.number is not None else []),
            *(o.number for o in others),
        ]
        if len(inside) > (kept.slots if kept else 0):
            raise Conflict(
                reason=f"stage {stage.name} of {model} still has version(s) {', '.join(map(str, inside))}",
                fix=f"Take them out first: modelyard demote {model} {stage.name}",
            )


def _keep_guarded_stages(
    tx: Transaction,
    owner: Owner,
    wanted: ParsedPolicy | None,
    above: PolicyVersion | None,
    affected: Sequence[tuple[int, str, Policy, Policy]],
) -> None:
    """Refuse to take a stage away while its gate asks for approvals, or did so lately.

    Its alias would be free for anybody to move, and the stage could come back around a version that no one
    approved. Raises Conflict.
    """
    concerned = [*affected]
    if owner.model is None:
        # Models that are made while the stage is away would stand in it too.
        upper = parsed(above.text, True).file if above else None
        lower = wanted.file if wanted else None
        concerned.extend(
            (0, pattern, effective([pattern], upper, None), effective([pattern], lower, None))
            for pattern in patterns(upper)
        )
    for model_id, name, before, after in concerned:
        where = f"{owner.namespace.name}/{name}"
        for stage, entry in before.gates.items():
            if after.stage(stage) is not None:
                continue
            age = policy_queries.find_policy_age(tx, owner.namespace.id, model_id, [name], entry, tx.now)
            was_weakened_long_ago = age.weakened_at is None or tx.now - age.weakened_at >= duration(
                WEAKENED_FOR
            )
            if entry.has_approvals or (age.asks_for_approval and not was_weakened_long_ago):
                raise Conflict(
                    reason=f"the gate to stage {stage} of {where} asks for approvals, or did so within {WEAKENED_FOR}",
                    fix=f"Keep the stage; it may go {WEAKENED_FOR} after its gate asks for no approvals any more",
                )


def remove_policy(
    tx: Transaction, actor: Actor, namespace: str, model: str | None, *, reason: str | None, seen: int | None
) -> PolicyView:
    """Back to what holds without it; its texts stay in the history. Raises PolicyNotFound, Conflict, Denied."""
    owner = find_owner(tx, actor, namespace, model, Permission.POLICY_EDIT)
    above, own = policy_queries.find_policies(tx, owner.namespace.id, owner.model_id)
    present = own if owner.model else above
    if present is None:
        raise PolicyNotFound(what=owner.name)
    tx.expect_many_rows()
    _check_editors(tx, actor, owner, above, own)
    _check_seen(owner, present, seen)
    weakens = _put(tx, actor, owner, None, above, own, catalog_rules.check_reason(reason))
    return replace(_view(tx, owner), weakens=weakens)


def expressions_of(policy: Policy, stages: Iterable[str] | None = None) -> Sequence[str]:
    """Every CEL expression of the gates."""
    wanted = set(stages) if stages is not None else set(policy.gates)
    return [expr for name, entry in policy.gates.items() if name in wanted for expr in entry.expressions]
