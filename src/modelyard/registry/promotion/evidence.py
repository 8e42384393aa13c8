"""Gather the evidence for the rules from the features below, as of now or of an earlier time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.record import completeness, is_known, missing_facts, parse_metrics
from modelyard.registry.access import usecases as access
from modelyard.registry.attestations import queries as attestations
from modelyard.registry.cards import usecases as cards
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.checks import queries as checks
from modelyard.registry.evaluations import queries as evaluations
from modelyard.registry.promotion import queries
from modelyard.registry.promotion.expressions import with_assertions
from modelyard.registry.promotion.nouns import Promotion
from modelyard.registry.promotion.policy import Policy, StageGate
from modelyard.registry.promotion.policy_queries import find_policy_age, names_of
from modelyard.registry.promotion.rules import (
    Attestation,
    Champion,
    CheckResult,
    DataUse,
    Evidence,
    MetricValue,
    PolicyAge,
    Scanned,
    StagePeriod,
    Vote,
    Waiver,
)
from modelyard.registry.quarantine import usecases as quarantine
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version

_MOVES_READ = 500


def gather(
    tx: Transaction,
    model: Model,
    version: Version,
    stage: str,
    entry: StageGate,
    *,
    champion: int | None,
    requester: str,
    promoter: str = "",
    policy: Policy,
    promotion: Promotion | None = None,
    at: int | None = None,
    any_policy: bool = False,
) -> Evidence:
    """Gather the evidence. champion: number of the version that the stage's alias points at.

    at: only reports, votes and stays up to that time; tags and owners are the present ones. any_policy: count votes
    and waivers under any policy, for a replay under another one.
    """
    now = tx.now if at is None else at
    needs = entry.needs
    # A hundred characters are about one metric or parameter.
    tx.expect_rows(len(version.record.text) // 100)
    record = version.facts(now)
    said = version.format_facts.value
    missing = missing_facts(record)
    found: dict[str, Any] = {
        "now": now,
        "model": str(model.name),
        "version": version.number,
        "stage": stage,
        "digest": str(version.digest),
        "record_digest": str(version.record_digest),
        "author": version.created_by,
        "requester": requester,
        "promoter": promoter,
        "co_authors": [
            name for name in versions.list_authors(tx, version.digest, now) if name != version.created_by
        ],
        "created_at": version.created_at,
        "size_bytes": version.size_bytes,
        "task": model.task,
        "licence": said.get("licence"),
        "framework": said.get("framework"),
        "facts": [name for name in record if is_known(record, name) and name not in missing],
        "completeness": round(completeness(record), 6),
        "members": queries.list_members_of(tx, entry.groups),
        "promotion": promotion.id if promotion else None,
    }
    if "record" in needs:
        found |= {"params": record.get("params", {}), "data": _data(record)}
    if "metrics" in needs:
        found["metrics"] = _metrics(tx, version, now)
    if "champion" in needs and champion is not None:
        found["champion"] = _champion(tx, model, champion, now)
    if "checks" in needs:
        found["checks"] = [
            CheckResult(name=c.name, state=c.state, by=c.by, at=c.at, url=c.url, summary=c.summary)
            for c in checks.list_checks(tx, version.id, now)
        ]
    if "tags" in needs:
        tags = catalog.list_tags(tx, [model.id]).get(model.id, {})
        found["tags"] = {**tags, **versions.list_tags(tx, [version.id]).get(version.id, {})}
        found["owners"] = catalog.list_owners(tx, [model.id]).get(model.id, [])
    if "scan" in needs:
        found["scan"] = _scanned(tx, model, version)
    if "card" in needs:
        card = cards.find_state(tx, model, version, now)
        found |= {"card": card.sections, "card_is_template": not card.is_written, "licence": card.licence}
    if "attestations" in needs:
        found["attestations"] = [
            Attestation(signature=a.signature, by=a.by, at=a.at)
            for a in attestations.list_attestations(tx, version.id, now)
        ]
    if "stays" in needs:
        found["stays"] = list_stays(tx, model.id, version.number, policy.stage_names, now)
    found["policy"] = age = find_policy_age(
        tx, model.namespace_id, model.id, names_of(tx, model), entry, until=now
    )
    if promotion is not None:
        if "votes" in needs or age.asks_for_approval:
            found["votes"] = [
                Vote(by=v.by, at=v.at, approves=v.approves, comment=v.comment or "")
                for v in queries.list_votes(tx, promotion.id, now)
                if any_policy or v.policy_digest == policy.digest
            ]
        found["waivers"] = [
            Waiver(rule=w.rule, by=w.by, reason=w.reason, at=w.at)
            for w in queries.list_waivers(tx, promotion.id, now)
            if any_policy or w.policy_digest == policy.digest
        ]
    found["same_people"] = _same_people(tx, entry, found)
    return with_assertions(tx, Evidence(**found), entry.expressions)


def _same_people(tx: Transaction, entry: StageGate, found: dict[str, Any]) -> dict[str, list[str]]:
    """Return which of the accounts that the gate distinguishes are the same person."""
    rules = [named.rule for named in entry.gate.rules]
    others = {vote.by for vote in found.get("votes", ())}
    others.update(name for rule in rules for name in getattr(rule, "also_exclude", ()))
    if any(getattr(rule, "reported_by", "anyone") == "others" for rule in rules):
        others.update(value.by for value in found.get("metrics", ()))
        others.update(check.by for check in found.get("checks", ()))
        champion = found.get("champion")
        if champion is not None:
            others.update([*champion.authors, *(value.by for value in champion.metrics)])
    age: PolicyAge = found["policy"]
    if age.weakened_by and age.asks_for_approval:
        others.add(age.weakened_by)
    people = {found["author"], *found["co_authors"], found["requester"], found["promoter"]} - {""}
    return access.find_same_people(tx, [*people, *others]) if others - people or len(people) > 1 else {}


def _scanned(tx: Transaction, model: Model, version: Version) -> Scanned:
    view = quarantine.view_scan(tx, model, version)
    return Scanned(
        verdict=view.verdict,
        unknown=[name for name in view.files.unknown if name not in view.trusted],
        released_by=version.released.by if version.released else None,
        secrets=sum(len(file.secrets) for file in view.files.files),
        kinds=sorted({kind for file in view.files.files for kind in file.code_kinds}),
    )


def _metrics(tx: Transaction, version: Version, until: int) -> list[MetricValue]:
    """Return the metrics frozen at registration, then the ones measured later."""
    record = version.record.value
    found = [
        _value(m.to_json(), m.split, m.dataset, version.created_by, version.created_at)
        for m in parse_metrics(record.get("metrics", []))
    ]
    for evaluation in evaluations.list_evaluations(tx, version.id, until):
        found.extend(
            _value(
                entry,
                entry.get("split") or evaluation.split,
                entry.get("dataset") or evaluation.dataset,
                evaluation.by,
                evaluation.at,
            )
            for entry in evaluation.metrics
        )
    return found


def _data(record: Mapping[str, Any]) -> list[DataUse]:
    """Return the datasets; what a reporter put into these fields in another form counts as not given."""
    found = []
    for entry in record.get("data", ()):
        texts = {name: entry.get(name) for name in ("name", "source", "split", "digest")}
        found.append(DataUse(**{name: text for name, text in texts.items() if isinstance(text, str)}))
    return found


def _value(entry: dict[str, Any], split: str, dataset: str, by: str, at: int) -> MetricValue:
    value = entry["value"]
    number = float(value) if isinstance(value, int | float) else None
    return MetricValue(name=entry["name"], value=number, split=split, dataset=dataset, by=by, at=at)


def _champion(tx: Transaction, model: Model, number: int, until: int) -> Champion | None:
    version = versions.find_by_number(tx, model.id, number)
    if version is None:
        return None
    return Champion(
        version=number,
        digest=str(version.digest),
        metrics=_metrics(tx, version, until),
        authors=versions.list_authors(tx, version.digest, until),
    )


def list_stays(tx: Transaction, model_id: int, number: int, stages: list[str], until: int) -> list[StagePeriod]:
    """List the past and present stays of a version in stages, the latest first."""
    found: list[StagePeriod] = []
    for stage in stages:
        since: int | None = None
        for move in reversed(queries.list_move_states(tx, model_id, stage, until, _MOVES_READ)):
            stands = number in move.after_all
            if stands and since is None:
                since = move.at
            elif not stands and since is not None:
                found.append(StagePeriod(stage=stage, since=since, until=move.at))
                since = None
        if since is not None:
            found.append(StagePeriod(stage=stage, since=since))
    return sorted(found, key=lambda stay: stay.since, reverse=True)
