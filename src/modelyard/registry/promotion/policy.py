"""The policy file: its types, its parsing with line and reason, and the combination of several policies.

A namespace's policy holds for its models; a model's own adds to it, or replaces gates where the namespace
says `models_may: override`. The combined result for one model is its *effective* policy; its digest is
bound into every promotion and approval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidAlias, InvalidPolicy
from modelyard.domain.globs import matches_glob
from modelyard.domain.names import Alias
from modelyard.domain.texts import nearest
from modelyard.registry.promotion.gates import RULES
from modelyard.registry.promotion.gates.base import Count, Duration, Name, Names, RuleBase, groups_in
from modelyard.registry.promotion.rules import Gate, Mode, NamedRule
from modelyard.registry.yaml_text import ReadYaml, YamlProblem, convert, read_yaml

DEFAULT_STAGES = ("development", "staging", "production")
ARCHIVED = "archived"
"""The end state of a version. No stage may have this name."""

ModeWord = Literal["warn", "block"]


class StageEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A stage. slots: how many versions it holds at once; the alias points at the primary one."""

    name: Name
    slots: Count = 1


_RULE_FIELDS: list[Any] = [
    ("id", Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")] | None, None),
    ("waivable", bool, True),
    ("say", Annotated[str, msgspec.Meta(max_length=500)], ""),
    *((kind if kind != "assert" else "assert_", cls | None, None) for kind, cls in RULES.items()),
]
RuleEntry = msgspec.defstruct(
    "RuleEntry",
    _RULE_FIELDS,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"assert_": "assert"},
)
RuleEntry.__doc__ = (
    "One rule: its kind with its parameters, perhaps an id, whether it may be waived, and words for a refusal."
)


class Who(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Narrows verbs to these accounts and `group:NAME`s; they still need the role.

    promote: who may promote through the gate. rollback: who may roll the stage back. demote: who may take a version
    out of it. waive: who may waive one of its rules.
    mode: `warn` lets everybody with the role act, with a warning and an event if they are not named.
    """

    promote: Names = []
    rollback: Names = []
    demote: Names = []
    waive: Names = []
    mode: ModeWord = "block"


class GateEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The rules at the entrance to a stage. An empty list deliberately admits every version.

    models: only for models whose present name or an earlier one matches; for policies of namespaces. mode: that of the
    file, if omitted. who: narrows verbs to accounts and groups. from: the version
    must be in one of these stages. complete: `automatically` moves the version as soon as an open promotion meets all
    rules.
    """

    to: Name
    rules: Annotated[list[RuleEntry], msgspec.Meta(max_length=100)]  # type: ignore[valid-type]
    models: Name | None = None
    mode: ModeWord | None = None
    come_from: Names = msgspec.field(name="from", default_factory=list)
    complete: Literal["by-hand", "automatically"] = "by-hand"
    who: Who | None = None


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A policy as it is written.

    mode: `warn` judges and records but does not block. stages: in order; if omitted, development, staging,
    production, or those of the namespace. models_may: whether a model's own policy only adds or may override.
    editors: narrows editing this policy to these accounts and `group:NAME`s. open_for: how long a promotion
    waits for missing rules.
    """

    version: Literal[1]
    promote: Annotated[list[GateEntry], msgspec.Meta(max_length=100)]
    mode: ModeWord = "block"
    stages: Annotated[list[Name | StageEntry], msgspec.Meta(max_length=20)] = []
    models_may: Literal["add", "override"] = "add"
    editors: Names = []
    open_for: Duration = "14d"

    @property
    def stage_entries(self) -> list[StageEntry]:
        return [StageEntry(name=s) if isinstance(s, str) else s for s in self.stages]


def rule_of(entry: Any) -> RuleBase | None:
    """Return the one rule of an entry; None if there is not exactly one."""
    found = [r for kind in RULES if (r := getattr(entry, kind if kind != "assert" else "assert_")) is not None]
    return found[0] if len(found) == 1 else None


# --- reading -----------------------------------------------------------------------------------------


class ParsedPolicy(msgspec.Struct, frozen=True, dict=True):
    """A policy file that is valid in itself."""

    text: str
    file: PolicyFile

    @cached_property
    def digest(self) -> Digest:
        """Return the digest of the meaning, which does not depend on how the text is written."""
        return Digest.of(canonical_json(msgspec.to_builtins(self.file)))


def parse_policy(text: str, *, is_namespace: bool) -> ParsedPolicy:
    """Parse a policy. Raises InvalidPolicy with line and reason."""
    try:
        read = read_yaml(text)
        if not isinstance(read.value, dict):
            raise YamlProblem(1, "a policy is a mapping that begins with `version: 1`")
        file = convert(read, PolicyFile)
    except YamlProblem as problem:
        correction = {"word": problem.word, "write": problem.write} if problem.word else {}
        raise InvalidPolicy(line=problem.line, reason=problem.reason, **correction) from None
    _check_stages(read, file)
    _check_gates(read, file, is_namespace)
    return ParsedPolicy(text, file)


def _check_stages(read: ReadYaml, file: PolicyFile) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(file.stage_entries):
        line = read.line_of(("stages", index))
        try:
            lawful = Alias.parse(entry.name) == entry.name
        except InvalidAlias as exc:
            raise InvalidPolicy(line=line, reason=f"stage {entry.name!r}: {exc.message}") from None
        if not lawful or entry.name == ARCHIVED:
            why = "is the end state of every version" if entry.name == ARCHIVED else "has upper-case letters"
            raise InvalidPolicy(line=line, reason=f"stage {entry.name!r} {why}; choose another name")
        if entry.name in seen:
            raise InvalidPolicy(line=line, reason=f"stage {entry.name!r} appears twice")
        seen.add(entry.name)


def _check_gates(read: ReadYaml, file: PolicyFile, is_namespace: bool) -> None:
    stages = [s.name for s in file.stage_entries]
    seen: set[tuple[str, str | None]] = set()
    for index, gate in enumerate(file.promote):
        line = read.line_of(("promote", index))
        if (gate.to, gate.models) in seen:
            raise InvalidPolicy(line=line, reason=f"the gate to {gate.to!r} appears twice")
        seen.add((gate.to, gate.models))
        if gate.models is not None and not is_namespace:
            line = read.line_of(("promote", index, "models"))
            raise InvalidPolicy(
                line=line, reason="`models` belongs in a namespace's policy; this is the policy of one model"
            )
        if stages:
            _check_names(read, gate, index, stages)
        ids: set[str] = set()
        for position, entry in enumerate(gate.rules):
            _check_rule(read, gate, index, position, entry, stages, ids)
    if is_namespace:
        for stage in stages or DEFAULT_STAGES:
            if (stage, None) not in seen:
                raise InvalidPolicy(line=read.line_of(("promote",)), reason=_no_gate(stage))


def _no_gate(stage: str) -> str:
    return (
        f"there is no gate to {stage!r} for every model; to leave it open, write: "
        f"`- {{to: {stage}, rules: []}}`"
    )


def _check_names(read: ReadYaml, gate: GateEntry, index: int, stages: Sequence[str]) -> None:
    if gate.to not in stages:
        line = read.line_of(("promote", index, "to"))
        raise InvalidPolicy(line=line, reason=f"there is no stage {gate.to!r}{nearest(gate.to, stages)}")
    for origin in gate.come_from:
        if origin not in stages:
            line = read.line_of(("promote", index, "from"))
            raise InvalidPolicy(line=line, reason=f"there is no stage {origin!r}{nearest(origin, stages)}")
        if stages.index(origin) >= stages.index(gate.to):
            line = read.line_of(("promote", index, "from"))
            raise InvalidPolicy(
                line=line, reason=f"{origin!r} does not come before {gate.to!r} in the order of stages"
            )


def _check_rule(
    read: ReadYaml, gate: GateEntry, index: int, position: int, entry: Any, stages: Sequence[str], ids: set[str]
) -> None:
    line = read.line_of(("promote", index, "rules", position))
    rule = rule_of(entry)
    if rule is None:
        raise InvalidPolicy(line=line, reason=f"a rule must be exactly one of {', '.join(RULES)}")
    if entry.id is not None:
        if entry.id in ids:
            raise InvalidPolicy(line=line, reason=f"the rule id {entry.id!r} appears twice in this gate")
        ids.add(entry.id)
    problem = rule.problem(stages or _any_stages(gate, rule), gate.to)
    if problem is not None:
        raise InvalidPolicy(line=line, reason=f"{rule.kind}: {problem}")


def _any_stages(gate: GateEntry, rule: RuleBase) -> Sequence[str]:
    """Accept any stage: a file without stages is checked later, together with its namespace's policy."""
    named = getattr(rule, "stage", None)
    return [*DEFAULT_STAGES, *([named] if named else []), gate.to]


# --- the effective policy ----------------------------------------------------------------------------


class Stage(msgspec.Struct, frozen=True):
    name: str
    slots: int = 1


class StageGate(msgspec.Struct, frozen=True, dict=True):
    """One entrance of an effective policy: the gate and the people who may act there."""

    gate: Gate
    who: Who
    automatic: bool = False

    @cached_property
    def vote_groups(self) -> tuple[str, ...]:
        """Return the groups whose members vote on promotions through this gate."""
        found = [g for named in self.gate.rules if named.rule.kind == "approvals" for g in named.rule.groups()]
        return tuple(dict.fromkeys(found))

    @cached_property
    def has_approvals(self) -> bool:
        return any(named.rule.kind == "approvals" for named in self.gate.rules)

    @cached_property
    def groups(self) -> frozenset[str]:
        """Return all groups whose membership matters at this gate."""
        found = {g for named in self.gate.rules for g in named.rule.groups()}
        return frozenset(
            found.union(groups_in([*self.who.promote, *self.who.rollback, *self.who.demote, *self.who.waive]))
        )

    @cached_property
    def needs(self) -> frozenset[str]:
        found = frozenset[str]().union(*(named.rule.needs for named in self.gate.rules))
        return found | {"stays"} if self.gate.come_from else found

    @cached_property
    def expressions(self) -> tuple[str, ...]:
        return tuple(named.rule.expr for named in self.gate.rules if named.rule.kind == "assert")  # type: ignore[attr-defined]


class Policy(msgspec.Struct, frozen=True, dict=True):
    """The policy in force for one model: never written by hand, but made by `effective`."""

    stages: tuple[Stage, ...]
    gates: dict[str, StageGate]
    open_for: str
    sources: tuple[str, ...]
    """Where it comes from: 'default', 'namespace 3', 'model 1'."""
    body: dict[str, Any]
    """Canonical form; the digest is made of it."""
    text_digests: tuple[str, ...] = ()
    """Digests of its source texts, as in the events of their changes."""

    def gate_body(self, stage: str) -> dict[str, Any]:
        """Return the canonical form of one gate."""
        found: dict[str, Any] = next(gate for gate in self.body["gates"] if gate["stage"] == stage)
        return found

    @cached_property
    def digest(self) -> Digest:
        return Digest.of(canonical_json(self.body))

    @property
    def stage_names(self) -> list[str]:
        return [stage.name for stage in self.stages]

    def stage(self, name: str) -> Stage | None:
        return next((s for s in self.stages if s.name == name), None)


DEFAULT_TEXT = """\
# What holds where no one wrote a policy: three stages with open gates.
version: 1
stages: [development, staging, production]
promote:
  - {to: development, rules: []}
  - {to: staging, rules: []}
  - {to: production, rules: []}
"""


def effective(
    names: Sequence[str], namespace: PolicyFile | None, own: PolicyFile | None, sources: tuple[str, ...] = ()
) -> Policy:
    """Combine a namespace's and a model's own policy.

    names: every name that the model has or had, without namespace. A gate for any of them applies, so that a rename
    does not escape it.
    """
    if namespace is None and own is None:
        namespace = parse_policy(DEFAULT_TEXT, is_namespace=True).file
        sources = ("default",)
    may_override = namespace is None or namespace.models_may == "override"
    stages = (namespace.stage_entries if namespace else []) or []
    # Other stages would bypass the namespace's gates.
    if own is not None and own.stages and may_override:
        stages = own.stage_entries
    if not stages:
        stages = [StageEntry(name=name) for name in DEFAULT_STAGES]
    gates: dict[str, StageGate] = {}
    for stage in stages:
        from_namespace = [
            (g, namespace)
            for g in (namespace.promote if namespace else [])
            if g.to == stage.name and (g.models is None or is_for(g.models, names))
        ]
        from_own = [(g, own) for g in (own.promote if own else []) if g.to == stage.name]
        chosen = from_own if from_own and may_override else [*from_namespace, *from_own]
        gates[stage.name] = _merge(stage.name, chosen)
    leading = own if own is not None and may_override else namespace or own
    assert leading is not None
    policy = Policy(
        stages=tuple(Stage(s.name, s.slots) for s in stages),
        gates=gates,
        open_for=leading.open_for,
        sources=sources,
        body={},
    )
    return replace(policy, body=_body(policy))


def is_for(pattern: str, names: Sequence[str]) -> bool:
    """Return whether a pattern of model names matches a model that has or had these names."""
    return any(matches_glob(pattern, name) for name in names)


NOBODY = "(no one)"
"""Stands for an empty list of names; no account can have this name."""


def _merge(stage: str, entries: Sequence[tuple[GateEntry, PolicyFile | None]]) -> StageGate:
    """Merge entries: all rules of all entries, the strictest mode, and every narrowing of permissions."""
    rules: list[NamedRule] = []
    taken: set[str] = set()
    modes: list[str] = []
    origins: list[str] = []
    who: dict[str, Any] = {}
    who_modes: list[str] = []
    for entry, file in entries:
        assert file is not None
        modes.append(entry.mode or file.mode)
        # A later entry narrows; one that would allow nothing leaves the earlier entry in force, and never opens the stage.
        narrowed = [s for s in origins if s in entry.come_from] if origins else list(entry.come_from)
        origins = narrowed or origins
        narrowed_to = msgspec.to_builtins(entry.who or Who())
        who_mode = narrowed_to.pop("mode", "block")
        if any(narrowed_to.values()):
            who_modes.append(who_mode)
        for verb, names in narrowed_to.items():
            held = who.get(verb)
            who[verb] = names if held is None else ([n for n in held if n in names] or [NOBODY])
        written: list[Any] = entry.rules
        for named in written:
            rule = rule_of(named)
            assert rule is not None
            rules.append(
                NamedRule(
                    id=_free_id(named.id or rule.label(), taken),
                    rule=rule,
                    waivable=named.waivable,
                    say=named.say,
                )
            )
    gate = Gate(
        stage=stage,
        mode=Mode.BLOCK if not modes or "block" in modes else Mode.WARN,
        rules=rules,
        come_from=list(dict.fromkeys(origins)),
        chosen=bool(entries),
    )
    if who_modes and "block" not in who_modes:
        who["mode"] = "warn"
    automatic = bool(entries) and all(entry.complete == "automatically" for entry, _ in entries)
    return StageGate(gate, msgspec.convert(who, Who), automatic)


def _free_id(wanted: str, taken: set[str]) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", wanted.lower()).strip("-._")[:70] or "rule"
    free, count = slug, 2
    while free in taken:
        free, count = f"{slug}-{count}", count + 1
    taken.add(free)
    return free


def _body(policy: Policy) -> dict[str, Any]:
    return {
        "open_for": policy.open_for,
        "stages": [{"name": s.name, "slots": s.slots} for s in policy.stages],
        "gates": [
            {
                "stage": name,
                "mode": entry.gate.mode.value,
                "from": list(entry.gate.come_from),
                "chosen": entry.gate.chosen,
                "complete": "automatically" if entry.automatic else "by-hand",
                "who": msgspec.to_builtins(entry.who),
                "rules": [
                    {
                        "id": named.id,
                        "waivable": named.waivable,
                        "say": named.say,
                        named.rule.kind: msgspec.to_builtins(named.rule),
                    }
                    for named in entry.gate.rules
                ],
            }
            for name, entry in policy.gates.items()
        ],
    }


def contradiction(policy: Policy) -> str | None:
    """Return a contradiction between the combined parts; None if there is none."""
    names = policy.stage_names
    for stage, entry in policy.gates.items():
        for origin in entry.gate.come_from:
            if origin not in names or names.index(origin) >= names.index(stage):
                return f"the gate to {stage!r} takes versions from {origin!r}, which is not an earlier stage"
        for named in entry.gate.rules:
            problem = named.rule.problem(names, stage)
            if problem is not None:
                return f"rule {named.id} of the gate to {stage!r}: {problem}"
    return None


def unheard(policy: Policy, own: PolicyFile) -> str | None:
    """Return the part of a model's own policy that its namespace's policy makes ineffective; None if there is none."""
    names = policy.stage_names
    if own.stages and [s.name for s in own.stage_entries] != names:
        return f"the namespace's policy decides the stages ({', '.join(names)}); remove `stages`"
    for gate in own.promote:
        if gate.to not in names:
            return f"there is no stage {gate.to!r}{nearest(gate.to, names)}"
    return None
