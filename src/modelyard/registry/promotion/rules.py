"""Stages, evidence, verdicts, and the one function that judges. Pure: the same input, the same verdict."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import msgspec

from modelyard.domain.times import MICROSECONDS, time_text


class Outcome(enum.StrEnum):
    """The result of one rule. Only PASS and WAIVED let a version through."""

    PASS = "pass"  # noqa: S105 - a word, no secret
    FAIL = "fail"
    UNKNOWN = "unknown"
    """There is no measurement, so nothing is proved; the finding names the missing part."""
    WAIVED = "waived"


class Mode(enum.StrEnum):
    WARN = "warn"
    """Judged and recorded, but nothing is blocked."""
    BLOCK = "block"


class _Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Evidence is stored with each decision, so that it can be judged again years later."""


class MetricValue(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    value: float | None
    """None: not a finite number."""
    split: str = ""
    dataset: str = ""
    by: str = ""
    at: int = 0


class CheckResult(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    state: str
    """pass, fail, error or pending"""
    by: str
    at: int
    url: str = ""
    summary: str = ""


class Vote(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    by: str
    at: int
    approves: bool
    comment: str = ""


class Waiver(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    rule: str
    by: str
    reason: str
    at: int


class Attestation(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    signature: str
    """Base64 of the Ed25519 signature over `attested_bytes`."""
    by: str
    at: int


class StagePeriod(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A stay of this version in a stage; until None: it is there now."""

    stage: str
    since: int
    until: int | None = None


class Champion(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The version that the stage's alias points at now."""

    version: int
    digest: str
    metrics: Sequence[MetricValue] = ()
    authors: Sequence[str] = ()


class Assertion(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The result of a CEL expression: a truth value, or why there is none."""

    value: bool | None = None
    error: str = ""


class Scanned(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The result of the intake scan of the files, with the namespace's trust applied."""

    verdict: str
    """no_code, allowlisted, unknown, not_scanned, dangerous, or pending."""
    unknown: Sequence[str] = ()
    """Globals that no rule knows and the namespace does not trust."""
    released_by: str | None = None
    secrets: int = 0
    """Texts that look like credentials."""
    kinds: Sequence[str] = ()
    """Kinds of code in them that the scan does not look for: chat_template, savedmodel, torchscript."""


class PolicyAge(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """How long the gate has been unchanged."""

    since: int = 0
    """When its newest text came into force; 0: none ever did."""
    weakened_at: int | None = None
    """None: it never was."""
    weakened_by: str = ""
    weaker: Sequence[str] = ()
    """What became weaker then, in words."""
    asks_for_approval: bool = False
    """The gate has a rule `approvals`, or had one before it was weakened."""


class DataUse(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A dataset that the record names, as far as it names it."""

    name: str = ""
    source: str = ""
    split: str = ""
    digest: str = ""


class Evidence(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that the rules may use. Parts that were not gathered are empty."""

    now: int
    model: str
    version: int
    stage: str
    digest: str
    record_digest: str
    author: str
    requester: str
    co_authors: Sequence[str] = ()
    """Other accounts that registered the same files, in any model."""
    promoter: str = ""
    """The account that moves the version now."""
    created_at: int = 0
    size_bytes: int = 0
    task: str | None = None
    licence: str | None = None
    framework: str | None = None
    owners: Sequence[str] = ()
    tags: Mapping[str, str] = {}
    facts: Sequence[str] = ()
    """Names of the known facts."""
    completeness: float = 0.0
    params: Mapping[str, Any] = {}
    data: Sequence[DataUse] = ()
    card: Mapping[str, int] | None = None
    """Heading in lower case → words below it; None: there is no card."""
    card_is_template: bool = False
    """Whether no person has written in it."""
    metrics: Sequence[MetricValue] = ()
    champion: Champion | None = None
    checks: Sequence[CheckResult] = ()
    """Newest first."""
    votes: Sequence[Vote] = ()
    waivers: Sequence[Waiver] = ()
    attestations: Sequence[Attestation] = ()
    stays: Sequence[StagePeriod] = ()
    """Newest first."""
    members: Mapping[str, Sequence[str]] = {}
    """Approver group → names of its members."""
    same_people: Mapping[str, Sequence[str]] = {}
    """Account → others that count as the same person: its creator, and accounts that it created."""
    assertions: Mapping[str, Assertion] = {}
    """Expression → its result."""
    promotion: int | None = None
    """Number of the judged promotion, once there is one."""
    scan: Scanned | None = None
    policy: PolicyAge | None = None

    @property
    def authors(self) -> list[str]:
        return [self.author, *self.co_authors]

    def is_author(self, name: str, authors: Sequence[str] | None = None) -> bool:
        """Return whether an account registered the version, or is the same person as one that did.

        authors: those of another version than the judged one.
        """
        barred = self.authors if authors is None else authors
        return name in barred or any(other in barred for other in self.same_people.get(name, ()))

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The finding of one rule."""

    outcome: Outcome
    measured: str
    needed: str
    who: str = ""
    """Who can change the outcome."""
    fix: str = ""
    """The command that does."""
    may_change: bool = False
    """Whether waiting can help: somebody else's answer or time is outstanding."""
    counted: Sequence[str] = ()
    """Accounts whose approval counted."""
    not_counted: Mapping[str, str] = {}
    """Account whose approval did not count → why."""


class Rule(Protocol):
    """One condition in a gate. A class in gates/ with the parameters as its fields."""

    kind: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    """The parts of the evidence that it needs."""

    def label(self) -> str:
        """Return the rule's name within its gate if the policy gives none."""

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        """Return what is wrong with the parameters; None if they are valid."""

    def find(self, evidence: Evidence) -> Finding:
        """Judge the evidence. Never raises."""

    def groups(self) -> Iterable[str]:
        """Return the approver groups that the rule uses."""


class NamedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule with its name and settings in a gate."""

    id: str
    rule: Rule
    waivable: bool = True
    say: str = ""


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the verdict."""

    rule: str
    kind: str
    outcome: Outcome
    measured: str
    needed: str
    who: str = ""
    fix: str = ""
    say: str = ""
    may_change: bool = False
    waivable: bool = False
    counted: Sequence[str] = ()
    """Accounts whose approval counted."""
    not_counted: Mapping[str, str] = {}
    """Account whose approval did not count → why."""


OWN_WEAKENING = "policy"
"""The rule that every gate has: no one can weaken it and then use that alone."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a gate, with a reason for each rule."""

    stage: str
    mode: Mode
    passed: bool
    results: Sequence[RuleResult]
    notes: Sequence[str] = ()
    """Notes on the gate itself: that it was weakened, and by whom."""

    @property
    def allows(self) -> bool:
        """Return whether the version may enter: all rules passed, or the gate only warns.

        A gate always blocks on its own weakening, since changing it to warn is itself a weakening.
        """
        return self.passed or (self.mode is Mode.WARN and all(r.rule != OWN_WEAKENING for r in self.refusals))

    @property
    def refusals(self) -> list[RuleResult]:
        return [r for r in self.results if r.outcome in (Outcome.FAIL, Outcome.UNKNOWN)]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The rules at the entrance to a stage."""

    stage: str
    mode: Mode
    rules: Sequence[NamedRule]
    come_from: Sequence[str] = ()
    """The version must be in one of these stages; empty: from anywhere."""
    chosen: bool = True
    """False: no policy mentions this entrance. An empty gate must be a deliberate choice."""


def judge(gate: Gate, evidence: Evidence) -> Verdict:
    """Return a result for every rule of the gate, in its order; no rule is skipped because another failed."""
    results = []
    if not gate.chosen:
        results.append(_unguarded(gate, evidence))
    if gate.come_from:
        results.append(_path(gate, evidence))
    age = evidence.policy
    if age is not None and _is_own_weakening(age, evidence):
        results.append(_weakened(age, evidence))
    results.extend(_judge_one(named, evidence) for named in gate.rules)
    passed = all(r.outcome in (Outcome.PASS, Outcome.WAIVED) for r in results)
    notes = _notes(age, evidence) if age is not None else []
    return Verdict(stage=gate.stage, mode=gate.mode, passed=passed, results=results, notes=notes)


def _judge_one(named: NamedRule, evidence: Evidence) -> RuleResult:
    finding = named.rule.find(evidence)
    outcome, measured = finding.outcome, finding.measured
    if outcome is not Outcome.PASS and named.waivable:
        waiver = next((w for w in evidence.waivers if w.rule == named.id), None)
        if waiver is not None:
            outcome = Outcome.WAIVED
            measured = f"{measured}; waived by {waiver.by}: {waiver.reason}"
    is_settled = outcome in (Outcome.PASS, Outcome.WAIVED)
    return RuleResult(
        rule=named.id,
        kind=named.rule.kind,
        outcome=outcome,
        measured=measured,
        needed=finding.needed,
        who="" if is_settled else finding.who,
        fix="" if is_settled else finding.fix,
        say="" if is_settled else named.say,
        may_change=finding.may_change and not is_settled,
        waivable=named.waivable,
        counted=finding.counted,
        not_counted=finding.not_counted,
    )


WEAKENED_FOR = "7d"
"""How long people cannot use alone a gate that they weakened themselves."""


def _is_own_weakening(age: PolicyAge, evidence: Evidence) -> bool:
    """Return whether the mover or requester recently weakened this gate, and the gate requires or required approvals."""
    if age.weakened_at is None or not age.asks_for_approval:
        return False
    if evidence.now - age.weakened_at >= duration(WEAKENED_FOR):
        return False
    same = {age.weakened_by, *evidence.same_people.get(age.weakened_by, ())}
    return bool(same.intersection((evidence.promoter, evidence.requester)))


def _weakened(age: PolicyAge, evidence: Evidence) -> RuleResult:
    assert age.weakened_at is not None
    same = {age.weakened_by, *evidence.same_people.get(age.weakened_by, ())}
    others = [vote.by for vote in evidence.votes if vote.approves and vote.by not in same]
    measured = f"weakened at {time_text(age.weakened_at)} by {age.weakened_by}: {'; '.join(age.weaker)}"[:300]
    if others:
        measured = f"{measured}; approved by {', '.join(sorted(others))}"
    fix = f"modelyard promote {evidence.reference} {evidence.stage} --request"
    if evidence.promotion is not None:
        fix = f"modelyard approve {evidence.promotion}"
    return RuleResult(
        rule=OWN_WEAKENING,
        kind=OWN_WEAKENING,
        outcome=Outcome.PASS if others else Outcome.FAIL,
        measured=measured,
        needed=f"the approval of somebody other than {age.weakened_by}, or {WEAKENED_FOR} since then",
        who="" if others else "somebody else who may vote",
        fix="" if others else fix,
        may_change=not others,
    )


def _notes(age: PolicyAge, evidence: Evidence) -> list[str]:
    found = []
    if age.since > evidence.created_at > 0:
        found.append(f"the policy is younger than the version: changed at {time_text(age.since)}")
    if age.weakened_at is not None:
        at = time_text(age.weakened_at)
        found.append(f"the gate was last weakened at {at} by {age.weakened_by}: {'; '.join(age.weaker)}"[:500])
    return found


def _path(gate: Gate, evidence: Evidence) -> RuleResult:
    standing = [stay.stage for stay in evidence.stays if stay.until is None]
    ok = any(stage in gate.come_from for stage in standing)
    return RuleResult(
        rule="from",
        kind="from",
        outcome=Outcome.PASS if ok else Outcome.FAIL,
        measured=f"in {', '.join(standing)}" if standing else "in no stage",
        needed=f"in {' or '.join(gate.come_from)}",
        who="" if ok else "the person who may promote",
        fix="" if ok else f"modelyard promote {evidence.reference} {gate.come_from[0]}",
        may_change=not ok,
    )


def _unguarded(gate: Gate, evidence: Evidence) -> RuleResult:
    return RuleResult(
        rule="gate",
        kind="gate",
        outcome=Outcome.FAIL,
        measured=f"no policy has a gate to {gate.stage} for this model",
        needed="a gate (a gate without rules is enough)",
        who="the person who may edit the policy",
        fix=f"modelyard policy show {evidence.model}",
    )


# --- words and numbers that the gates share ----------------------------------------------------------

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION_PATTERN = r"^[1-9][0-9]{0,4}[smhdw]$"


def duration(text: str) -> int:
    """Return the microseconds of a text such as `30m`, `24h` or `14d`."""
    return int(text[:-1]) * _UNIT_SECONDS[text[-1]] * MICROSECONDS


def duration_text(amount: int) -> str:
    """Return a short text in suitable units: 3d 4h, 25m, 40s."""
    seconds = max(0, amount // MICROSECONDS)
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, seconds = divmod(seconds, _UNIT_SECONDS[unit])
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
        if len(parts) == 2:
            break
    return " ".join(parts)


def number_text(value: float) -> str:
    return f"{value:.6g}"


def names_in(subjects: Iterable[str], members: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the accounts named by a list of names and `group:NAME` entries."""
    found: set[str] = set()
    for subject in subjects:
        group = subject.removeprefix("group:")
        if group != subject:
            found.update(members.get(group, ()))
        else:
            found.add(subject)
    return found
