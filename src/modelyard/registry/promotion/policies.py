"""Set, remove and read policies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

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
    PolicyFile,
    contradiction,
    effective,
    parse_policy,
    rule_of,
    unheard,
)
from modelyard.registry.promotion.policy_queries import combine, parsed
from modelyard.registry.promotion.rules import WEAKENED_FOR, duration
from modelyard.registry.promotion.source import PolicySource, check_source, refuse_by_hand
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


class Owner(msgspec.Struct, frozen=True):
    """The owner of a policy: a namespace, or one model."""

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


class PolicyView(msgspec.Struct, frozen=True):
    """The policy in force. own: the text of the namespace or model itself; None: it has none."""

    owner: Owner
    own: PolicyVersion | None
    inherited: PolicyVersion | None
    """The namespace's, next to a model's own."""
    effective: Policy
    weakens: Sequence[str] = ()
    """The gates that the new text weakened, in words."""


def find_owner(
    tx: Transaction, actor: Actor, namespace: str, model: str | None, permission: Permission | None = None
) -> Owner:
    """Find the owner of a policy. Raises NamespaceNotFound, ModelNotFound, Denied."""
    if model is None:
        return Owner(catalog.find_namespace(tx, actor, namespace, permission or Permission.NAMESPACE_READ))
    found = catalog.find_model(tx, actor, ModelName(namespace, model), permission or Permission.MODEL_READ)
    # The model may be readable even if its namespace is not.
    place = find_namespace_row(tx, actor, found.name.namespace)
    assert place is not None
    return Owner(place, found)


def show_policy(tx: Transaction, actor: Actor, namespace: str, model: str | None) -> PolicyView:
    return _view(tx, find_owner(tx, actor, namespace, model))


class _InForce(msgspec.Struct, frozen=True):
    """The texts in force for the owner of an edited policy: the namespace's, and the model's own."""

    owner: Owner
    above: PolicyVersion | None
    own: PolicyVersion | None

    @property
    def edited(self) -> PolicyVersion | None:
        """Return the text that an edit replaces."""
        return self.own if self.owner.model else self.above

    @property
    def source(self) -> PolicySource | None:
        """Return the file in a repository that the edited text came from; None: it is under hand."""
        return self.edited.source if self.edited else None

    @property
    def upper(self) -> PolicyFile | None:
        return parsed(self.above.text, True).file if self.above else None

    @property
    def lower(self) -> PolicyFile | None:
        return parsed(self.own.text, False).file if self.own else None


def _find_in_force(tx: Transaction, owner: Owner) -> _InForce:
    return _InForce(owner, *policy_queries.find_policies(tx, owner.namespace.id, owner.model_id))


def _view(tx: Transaction, owner: Owner) -> PolicyView:
    held = _find_in_force(tx, owner)
    if owner.model is None:
        return PolicyView(owner, held.above, None, combine(["*"], held.above, None))
    names = policy_queries.names_of(tx, owner.model)
    return PolicyView(owner, held.own, held.above, combine(names, held.above, held.own))


def list_policy_versions(
    tx: Transaction, actor: Actor, namespace: str, model: str | None, before: int | None, limit: int
) -> tuple[Owner, list[PolicyVersion]]:
    """List every text that was ever in force, newest first; an empty one removed the policy."""
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
    source: PolicySource | None = None,
    by_hand: bool = False,
) -> PolicyView:
    """Put a text in force. The same text from the same file, at whatever commit, changes nothing.

    seen: number of the policy that the caller saw, 0 for none; any other raises EditConflict. source: the file in a
    repository that the text comes from; None: the policy is under hand from now on. by_hand: refuse to take it from a
    repository.
    Raises InvalidPolicy with line and reason; Conflict if a removed stage is not empty; Denied.
    """
    source = check_source(source) if source else None
    owner = find_owner(tx, actor, namespace, model, Permission.POLICY_EDIT)
    held = _find_in_force(tx, owner)
    _check_editors(tx, actor, held)
    if by_hand:
        refuse_by_hand(owner.name, held.source)
    _check_seen(held, seen)
    # Every gate is compared with its earlier form, for every model that has its own.
    tx.expect_many_rows()
    wanted = checked_text(tx, text, is_namespace=owner.model is None)
    present = held.edited
    is_same_text = present is not None and present.digest == wanted.digest and present.text == text
    if is_same_text and (held.source and held.source.file) == (source and source.file):
        return _view(tx, owner)
    weakens = _put(tx, actor, held, wanted, catalog_rules.check_reason(reason), source)
    return replace(_view(tx, owner), weakens=weakens)


def try_policy(
    tx: Transaction, actor: Actor, namespace: str, model: str | None, text: str, *, by_hand: bool = False
) -> PolicyView:
    """Return the policy that would be in force, and what the text would weaken, without a write.

    Raises like set_policy.
    """
    owner = find_owner(tx, actor, namespace, model)
    held = _find_in_force(tx, owner)
    if by_hand:
        refuse_by_hand(owner.name, held.source)
    wanted = checked_text(tx, text, is_namespace=owner.model is None)
    _check_affected(tx, held, wanted)
    _, weakens = _weakenings(tx, held, wanted)
    return replace(_view(tx, owner), weakens=weakens)


def checked_text(tx: Transaction, text: str, *, is_namespace: bool) -> ParsedPolicy:
    """Run check_text outside the transaction."""
    return tx.outside(("policy", text, is_namespace), partial(check_text, text, is_namespace=is_namespace))


def check_text(text: str, *, is_namespace: bool) -> ParsedPolicy:
    """Return the parsed policy, with expressions that compile and use only known names. Raises InvalidPolicy."""
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


def check_editor(tx: Transaction, actor: Actor, owner: Owner, *, by_hand: bool = False) -> None:
    """Return if the actor may edit the policy in force. Raises Denied; by_hand: Conflict if a repository keeps it."""
    access.check(actor, Permission.POLICY_EDIT, owner.place)
    held = _find_in_force(tx, owner)
    _check_editors(tx, actor, held)
    if by_hand:
        refuse_by_hand(owner.name, held.source)


def _check_editors(tx: Transaction, actor: Actor, held: _InForce) -> None:
    """Check the editors named by the policies in force. An admin may always edit, so that no one locks a team out."""
    if actor.is_admin:
        return
    for file in (held.upper, held.lower):
        if file is not None:
            check_named(tx, actor, file.editors, "edit the policy", held.owner.name)


def _check_seen(held: _InForce, seen: int | None) -> None:
    number = held.edited.number if held.edited else 0
    if seen == ANY_REVISION and number:
        return
    if seen is not None and seen != number:
        raise EditConflict(what=f"the policy of {held.owner.name}", revision=number)


def _put(
    tx: Transaction,
    actor: Actor,
    held: _InForce,
    wanted: ParsedPolicy | None,
    reason: str | None,
    source: PolicySource | None,
) -> list[str]:
    """Store the text and update which aliases are stages. Returns what it weakens, in words."""
    owner = held.owner
    weakenings, words = _weakenings(tx, held, wanted)
    affected = _check_affected(tx, held, wanted)
    number = policy_queries.insert_policy(
        tx,
        actor,
        namespace_id=owner.namespace.id,
        model_id=owner.model_id,
        text=wanted.text if wanted else "",
        digest=wanted.digest if wanted else NOTHING,
        reason=reason,
        weakened=weakenings,
        source=source,
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
            source_url=source.url if source else None,
            source_commit=source.commit if source else None,
        ),
        actor,
        owner.model_id,
    )
    return words


def _weakenings(
    tx: Transaction, held: _InForce, wanted: ParsedPolicy | None
) -> tuple[list[Weakening], list[str]]:
    """Return what a text weakens compared with the present one: gate by gate, and in words."""
    after = wanted.file if wanted else None
    if held.owner.model is None:
        before = held.upper
        found = find_weakenings(before, after)
    else:
        before = held.lower
        names = policy_queries.names_of(tx, held.owner.model)
        found = find_model_weakenings(names, before, after, held.upper)
    return found, [*weaker_heads(before, after), *in_words(found)]


def _check_affected(
    tx: Transaction, held: _InForce, wanted: ParsedPolicy | None
) -> list[tuple[int, str, Policy, Policy]]:
    """Return the result of _affected if no model loses a stage that it needs. Raises InvalidPolicy, Conflict."""
    affected = _affected(tx, held, wanted)
    for model_id, name, before, after in affected:
        _check_stages(tx, model_id, f"{held.owner.namespace.name}/{name}", before, after)
    _keep_guarded_stages(tx, held, wanted, affected)
    return affected


def _affected(
    tx: Transaction, held: _InForce, wanted: ParsedPolicy | None
) -> list[tuple[int, str, Policy, Policy]]:
    """Return (model id, name, old policy, new policy) of each model.

    Models without their own policy are listed only for their stages. Raises InvalidPolicy if a model's policy and its
    namespace's clash.
    """
    owner, above = held.owner, held.above
    if owner.model is not None:
        names = policy_queries.names_of(tx, owner.model)
        after = effective(names, held.upper, wanted.file if wanted else None)
        if wanted is not None:
            _check_together(after, wanted)
        return [(owner.model.id, names[0], combine(names, above, held.own), after)]
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
                f"there is no gate to {open_stages[0]!r}; to leave it open, write: "
                f"`- {{to: {open_stages[0]}, rules: []}}`"
            )
    if problem is not None:
        raise InvalidPolicy(line=1, reason=problem)


def _check_stages(tx: Transaction, model_id: int, model: str, before: Policy, after: Policy) -> None:
    """Check that a removed or smaller stage has room for its versions: an edit of a policy never takes one out."""
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
    held: _InForce,
    wanted: ParsedPolicy | None,
    affected: Sequence[tuple[int, str, Policy, Policy]],
) -> None:
    """Refuse to remove a stage while its gate requires approvals, or recently did.

    Otherwise anybody could move its alias, and the stage could come back with a version that no one approved. Raises
    Conflict.
    """
    owner, concerned = held.owner, [*affected]
    if owner.model is None:
        # Models that are created while the stage does not exist could be in it too.
        after_edit = wanted.file if wanted else None
        concerned.extend(
            (0, pattern, effective([pattern], held.upper, None), effective([pattern], after_edit, None))
            for pattern in patterns(held.upper)
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
                    reason=f"the gate to stage {stage} of {where} requires approvals, or did so within {WEAKENED_FOR}",
                    fix=f"Keep the stage; you can remove it {WEAKENED_FOR} after its gate stops requiring approvals",
                )


def remove_policy(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    model: str | None,
    *,
    reason: str | None,
    seen: int | None,
    by_hand: bool = False,
) -> PolicyView:
    """Remove the policy; its texts stay in the history.

    by_hand: refuse to remove one that a repository keeps. Raises PolicyNotFound, Conflict, Denied.
    """
    owner = find_owner(tx, actor, namespace, model, Permission.POLICY_EDIT)
    held = _find_in_force(tx, owner)
    if held.edited is None:
        raise PolicyNotFound(what=owner.name)
    tx.expect_many_rows()
    _check_editors(tx, actor, held)
    if by_hand:
        refuse_by_hand(owner.name, held.source)
    _check_seen(held, seen)
    weakens = _put(tx, actor, held, None, catalog_rules.check_reason(reason), None)
    return replace(_view(tx, owner), weakens=weakens)
