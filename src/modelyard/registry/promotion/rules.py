"""Stages, evidence, verdicts, and the one function that judges. Pure: the same input, the same verdict."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Protocol

import msgspec

from modelyard.domain.times import MICROSECONDS


class Outcome(enum.StrEnum):
    """What became of one rule. Only PASS and WAIVED let a version through."""

    PASS = "pass"  # noqa: S105 - a word, no secret
    FAIL = "fail"
    UNKNOWN = "unknown"
    """Nothing was measured, so nothing is proved; the finding says what is missing."""
    WAIVED = "waived"


class Mode(enum.StrEnum):
    WARN = "warn"
    """Judged and recorded, but nothing is held back."""
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
    """Where this version stood; until None: it stands there now."""

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
    """What a CEL expression gave: a truth value, or why it gave none."""

    value: bool | None = None
    error: str = ""


class Scanned(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """What the intake scan says of the files, with what the namespace trusts."""

    verdict: str
    """no_code, allowlisted, unknown, not_scanned, dangerous, or pending."""
    unknown: Sequence[str] = ()
    """Globals that no one knows and the namespace does not trust."""
    released_by: str | None = None
    secrets: int = 0
    """Texts that look like credentials."""
    kinds: Sequence[str] = ()
    """Kinds of code in them that the scan does not look for: chat_template, savedmodel, torchscript."""


class PolicyAge(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """How long the gate stood as it is."""

    since: int = 0
    """When its newest text came in force; 0: none ever did."""
    weakened_at: int | None = None
    """None: it never was."""
    weakened_by: str = ""
    weaker: Sequence[str] = ()
    """What became weaker then, in words."""
    asks_for_approval: bool = False
    """The gate has a rule `approvals`, or had one before it was weakened."""


class Evidence(_Fact, frozen=True, kw_only=True, omit_defaults=True):
    """All that the rules may ask about. What was not gathered is empty."""

    now: int
    model: str
    version: int
    stage: str
    digest: str
    record_digest: str
    author: str
    requester: str
    co_authors: Sequence[str] = ()
    """Others who registered the same files, here or elsewhere."""
    promoter: str = ""
    """Who moves the version now."""
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
    card: Mapping[str, int] | None = None
    """Heading in lower case → words below it; None: there is no card."""
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
    """Account → others that count as the same person: who made it, or what it made."""
    assertions: Mapping[str, Assertion] = {}
    """Expression → what it gave."""
    promotion: int | None = None
    """Number of the promotion at hand, once there is one."""
    scan: Scanned | None = None
    policy: PolicyAge | None = None

    @property
    def authors(self) -> list[str]:
        return [self.author, *self.co_authors]

    def is_author(self, name: str, authors: Sequence[str] | None = None) -> bool:
        """Whether an account registered the version, or is the same person as one that did.

        authors: of another version than the one at hand.
        """
        barred = self.authors if authors is None else authors
        return name in barred or any(other in barred for other in self.same_people.get(name, ()))

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule found."""

    outcome: Outcome
    measured: str
    needed: str
    who: str = ""
    """Who can change the outcome."""
    fix: str = ""
    """The command that does."""
    may_change: bool = False
    """Whether waiting can help: somebody else's answer or time is outstanding."""


class Rule(Protocol):
    """One condition in a gate. A class in gates/ with the parameters as its fields."""

    kind: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    """Which parts of the evidence it asks for."""

    def label(self) -> str:
        """The rule's own name among those of its gate, when the policy gives none."""

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        """Why the parameters cannot be meant so; None when they can."""

    def find(self, evidence: Evidence) -> Finding:
        """Judge. Never raises."""

    def groups(self) -> Iterable[str]:
        """Approver groups it asks about."""


class NamedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as its gate holds it."""

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


OWN_WEAKENING = "policy"
"""The rule that every gate has: no one weakens it and uses that alone."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a gate, with a reason for each rule."""

    stage: str
    mode: Mode
    passed: bool
    results: Sequence[RuleResult]
    notes: Sequence[str] = ()
    """What a reader should know of the gate itself: that it was weakened, and by whom."""

    @property
    def allows(self) -> bool:
        """Whether the version may enter: all rules passed, or the gate only warns.

        No gate only warns of its own weakening, since to let it warn is one.
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
    """Stages of which the version must stand in one; empty: from anywhere."""
    chosen: bool = True
    """False: no policy says anything about this entrance. An empty gate must be somebody's choice."""


def judge(gate: Gate, evidence: Evidence) -> Verdict:
    """A result for every rule of the gate, in its order; no rule is skipped because another failed."""
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
    )


WEAKENED_FOR = "7d"
"""For so long no one uses alone what they weakened themselves."""


def _is_own_weakening(age: PolicyAge, evidence: Evidence) -> bool:
    """Whether who moves the version, or asked for it, weakened this gate lately, and the gate asks or asked for
    approval."""
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
    ago = duration_text(evidence.now - age.weakened_at)
    measured = f"weakened {ago} ago by {age.weakened_by}: {'; '.join(age.weaker)}"[:300]
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
        found.append(
            f"the policy is younger than the version: changed {duration_text(evidence.now - age.since)} ago"
        )
    if age.weakened_at is not None:
        ago = duration_text(evidence.now - age.weakened_at)
        found.append(
            f"the gate was last weakened {ago} ago by {age.weakened_by}: {'; '.join(age.weaker)}"[:500]
        )
    return found


def _path(gate: Gate, evidence: Evidence) -> RuleResult:
    standing = [stay.stage for stay in evidence.stays if stay.until is None]
    ok = any(stage in gate.come_from for stage in standing)
    return RuleResult(
        rule="from",
        kind="from",
        outcome=Outcome.PASS if ok else Outcome.FAIL,
        measured=f"stands in {', '.join(standing)}" if standing else "stands in no stage",
        needed=f"stands in {' or '.join(gate.come_from)}",
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
        needed="a gate, were it one without rules",
        who="the person who may edit the policy",
        fix=f"modelyard policy show {evidence.model}",
    )


# --- words and numbers that the gates share ----------------------------------------------------------

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION_PATTERN = r"^[1-9][0-9]{0,4}[smhdw]$"


def duration(text: str) -> int:
    """Microseconds of `30m`, `24h`, `14d`."""
    return int(text[:-1]) * _UNIT_SECONDS[text[-1]] * MICROSECONDS


def duration_text(amount: int) -> str:
    """The largest unit that tells enough: 3d 4h, 25m, 40s."""
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
    """The accounts that a list of names and `group:NAME` entries means."""
    found: set[str] = set()
    for subject in subjects:
        group = subject.removeprefix("group:")
        if group != subject:
            found.update(members.get(group, ()))
        else:
            found.add(subject)
    return found
