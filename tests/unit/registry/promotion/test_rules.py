"""Every rule as a table: evidence in, outcome and words out."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from modelyard.domain.attested import attested_bytes
from modelyard.registry.promotion.gates import RULES
from modelyard.registry.promotion.rules import (
    Assertion,
    Attestation,
    DataUse,
    Evidence,
    Mode,
    Outcome,
    PolicyAge,
    Verdict,
    Waiver,
    judge,
)
from tests.unit.registry.promotion.evidence import (
    DAY,
    HOUR,
    NOW,
    champion,
    check,
    evidence,
    gate,
    metric,
    one,
    stay,
    vote,
    weakened,
)

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
RISK = {"risk": ["rita", "rob"]}
LAKE = DataUse(name="fraud/transactions", source="s3://lake/2026", split="train", digest="sha256:" + "a" * 64)
SCRAPED = DataUse(name="scraped", split="test", digest="sha256:" + "b" * 64)
CARD = {"purpose": 12, "limitations and risks": 30, "ethics": 1}

TABLE: list[tuple[str, dict[str, Any], Outcome, str]] = [
    # rule, evidence, outcome, words that the finding says
    ("metric: {name: f1, min: 0.7}", {"metrics": [metric("f1", 0.7)]}, PASS, "f1 = 0.7"),
    ("metric: {name: f1, min: 0.7}", {"metrics": [metric("f1", 0.69)]}, FAIL, "f1 = 0.69"),
    ("metric: {name: f1, min: 0.7}", {}, UNKNOWN, "not measured"),
    *(
        (
            "metric: {name: f1, min: 0.7}",
            {"metrics": [metric("f1", 0.99, split=split)]},
            UNKNOWN,
            "training rows",
        )
        for split in ("train", "training")
    ),
    (
        "metric: {name: f1, min: 0.7}",
        {"metrics": [metric("f1", 0.6, split="test"), metric("f1", 0.99, split="train", at=NOW)]},
        FAIL,
        "f1 (split test) = 0.6",
    ),
    (
        "metric: {name: f1, min: 0.7, split: train}",
        {"metrics": [metric("f1", 0.9, split="train")]},
        PASS,
        "train",
    ),
    (
        "champion: {metric: f1}",
        {"metrics": [metric("f1", 0.99, split="train")], "champion": champion(metric("f1", 0.5))},
        UNKNOWN,
        "no finite f1",
    ),
    (
        "evaluation: {dataset: holdout}",
        {"metrics": [metric("f1", 0.9, split="train", dataset="holdout")]},
        UNKNOWN,
        "no metric was measured",
    ),
    ("param: {name: depth, max: 12}", {"params": {"depth": 6}}, PASS, "depth = 6"),
    ("param: {name: depth, max: 12}", {"params": {"depth": 13}}, FAIL, "depth = 13"),
    ("param: {name: depth, min: 2}", {"params": {"depth": 1}}, FAIL, "depth = 1"),
    ("param: {name: depth, max: 12}", {"params": {"depth": "deep"}}, FAIL, "not a number"),
    ("param: {name: depth, max: 12}", {"params": {"depth": True}}, FAIL, "not a number"),
    ("param: {name: depth, max: 12}", {"params": {"max_depth": 6}}, UNKNOWN, "did you mean 'max_depth'"),
    ("param: {name: loss, one_of: [mse, mae]}", {"params": {"loss": "mae"}}, PASS, "loss = mae"),
    ("param: {name: loss, one_of: [mse, mae]}", {"params": {"loss": "own"}}, FAIL, "loss = own"),
    ("param: {name: early, one_of: [1]}", {"params": {"early": True}}, FAIL, "early = true"),
    ("data: {allow: ['s3://lake/*']}", {"data": [LAKE]}, PASS, "transactions from s3://lake/2026"),
    ("data: {allow: ['fraud/*']}", {"data": [LAKE]}, PASS, "transactions"),
    ("data: {allow: ['s3://lake/*']}", {"data": [LAKE, SCRAPED]}, FAIL, "scraped without a source"),
    ("data: {allow: ['s3://lake/*'], split: train}", {"data": [LAKE, SCRAPED]}, PASS, "transactions"),
    ("data: {refuse: ['*scraped*']}", {"data": [LAKE, SCRAPED]}, FAIL, "scraped"),
    ("data: {refuse: ['*scraped*']}", {"data": [LAKE]}, PASS, "transactions"),
    ("data: {allow: ['sha256:bb*']}", {"data": [SCRAPED]}, PASS, "scraped"),
    ("data: {allow: ['s3://lake/*']}", {}, UNKNOWN, "no dataset is known"),
    ("metric: {name: f1, min: 0.7}", {"metrics": [metric("f1_", 0.9)]}, UNKNOWN, "did you mean 'f1_'"),
    ("metric: {name: f1, min: 0.7}", {"metrics": [metric("f1", None)]}, FAIL, "not a finite number"),
    ("metric: {name: f1, min: 0.7}", {"metrics": [metric("f1", 1.7)]}, FAIL, "not possible (0..1)"),
    ("metric: {name: latency_ms, max: 20}", {"metrics": [metric("latency_ms", 20.1)]}, FAIL, "20.1"),
    ("metric: {name: own, min: -3, max: 3}", {"metrics": [metric("own", 0)]}, PASS, "own = 0"),
    (
        "metric: {name: f1, min: 0.7, split: test}",
        {"metrics": [metric("f1", 0.9, split="train")]},
        UNKNOWN,
        "split test",
    ),
    (
        "metric: {name: f1, min: 0.7, by: [bot]}",
        {"metrics": [metric("f1", 0.9)]},
        UNKNOWN,
        "f1 = 0.9, reported by ada, the version's author, whose reports do not count",
    ),
    ("metric: {name: f1, min: 0.7, by: [bot]}", {}, UNKNOWN, "not measured"),
    (
        "metric: {name: f1, min: 0.7, reported_by: others}",
        {"metrics": [metric("f1", 0.9)]},
        UNKNOWN,
        "reported by ada",
    ),
    (
        "metric: {name: f1, min: 0.7, reported_by: others}",
        {"metrics": [metric("f1", 0.8, by="bot"), metric("f1", 0.9, at=NOW)]},
        PASS,
        "f1 = 0.8, reported by bot",
    ),
    (
        "metric: {name: f1, min: 0.7, reported_by: others}",
        {"metrics": [metric("f1", 0.9, by="ada-2")], "same_people": {"ada-2": ["ada"]}},
        UNKNOWN,
        "ada-2, the version's author",
    ),
    (
        "metric: {name: f1, min: 0.7, reported_by: others}",
        {"metrics": [metric("f1", 0.9, by="cy")], "co_authors": ["cy"]},
        UNKNOWN,
        "cy, the version's author",
    ),
    (
        "metric: {name: f1, min: 0.7}",
        {"metrics": [metric("f1", 0.9), metric("f1", 0.1, at=NOW)]},
        FAIL,
        "f1 = 0.1",
    ),
    ("champion: {metric: f1}", {"metrics": [metric("f1", 0.1)]}, PASS, "production is empty"),
    ("champion: {metric: f1, when_empty: fail}", {"metrics": [metric("f1", 0.1)]}, FAIL, "empty"),
    (
        "champion: {metric: f1, tolerance: 0.005}",
        {"metrics": [metric("f1", 0.895)], "champion": champion(metric("f1", 0.9))},
        PASS,
        "(-0.005)",
    ),
    (
        "champion: {metric: f1, tolerance: 0.005}",
        {"metrics": [metric("f1", 0.8949)], "champion": champion(metric("f1", 0.9))},
        FAIL,
        "version 11 has 0.9, reported by ada (-0.0051)",
    ),
    (
        "champion: {metric: rmse}",
        {"metrics": [metric("rmse", 1.1)], "champion": champion(metric("rmse", 1.0))},
        FAIL,
        "(+0.1)",
    ),
    (
        "champion: {metric: rmse, min_gain: 0.05}",
        {"metrics": [metric("rmse", 0.95)], "champion": champion(metric("rmse", 1.0))},
        PASS,
        "(-0.05)",
    ),
    (
        "champion: {metric: f1}",
        {"metrics": [metric("f1", 0.9)], "champion": champion()},
        UNKNOWN,
        "version 11 has no finite f1",
    ),
    (
        "champion: {metric: f1}",
        {"metrics": [metric("f1", 0.9, dataset="a")], "champion": champion(metric("f1", 0.8, dataset="b"))},
        UNKNOWN,
        "version 11 on b",
    ),
    ("champion: {metric: f1}", {"champion": champion(version=12)}, PASS, "itself"),
    (
        "evaluation: {split: test, metrics: [f1, auc]}",
        {"metrics": [metric("f1", 0.9, split="test")]},
        UNKNOWN,
        "auc",
    ),
    ("evaluation: {split: test}", {"metrics": [metric("f1", 0.9, split="test")]}, PASS, "f1"),
    ("evaluation: {split: test}", {"metrics": [metric("f1", None, split="test")]}, UNKNOWN, "no metric"),
    ("check: {name: unit}", {"checks": [check("unit")]}, PASS, "reported by ci 1h ago"),
    ("check: {name: unit}", {}, UNKNOWN, "not reported"),
    ("check: {name: unit}", {"checks": [check("unit", "fail"), check("unit")]}, FAIL, "fail"),
    ("check: {name: unit}", {"checks": [check("unit", "error")]}, FAIL, "error"),
    ("check: {name: unit}", {"checks": [check("unit", "pending")]}, UNKNOWN, "pending"),
    ("check: {name: unit, max_age: 7d}", {"checks": [check("unit", age=8 * DAY)]}, UNKNOWN, "too old"),
    ("check: {name: unit, by: [ci]}", {"checks": [check("unit", by="ada")]}, UNKNOWN, "only ada"),
    (
        "check: {name: unit, by: ['group:bots']}",
        {"checks": [check("unit", by="bot")], "members": {"bots": ["bot"]}},
        PASS,
        "bot",
    ),
    ("check: {name: unit, reported_by: others}", {"checks": [check("unit", by="ada")]}, UNKNOWN, "only ada"),
    ("check: {name: unit, reported_by: others}", {"checks": [check("unit", by="ci")]}, PASS, "by ci"),
    (
        "evaluation: {split: test, reported_by: others}",
        {"metrics": [metric("f1", 0.9, split="test")]},
        UNKNOWN,
        "no metric",
    ),
    (
        "evaluation: {split: test, reported_by: others}",
        {"metrics": [metric("f1", 0.9, split="test", by="bot")]},
        PASS,
        "reported by bot",
    ),
    (
        "champion: {metric: f1, reported_by: others}",
        {"metrics": [metric("f1", 0.9, by="bot")], "champion": champion(metric("f1", 0.1), authors=["ada"])},
        UNKNOWN,
        "version 11 has no finite f1 from somebody other than the author",
    ),
    ("policy_stood_for: {at_least: 7d}", {}, UNKNOWN, "is not known"),
    ("policy_stood_for: {at_least: 7d}", {"policy": PolicyAge(since=NOW)}, PASS, "never weakened"),
    ("policy_stood_for: {at_least: 7d}", {"policy": weakened(8 * DAY)}, PASS, "8d ago"),
    ("policy_stood_for: {at_least: 7d}", {"policy": weakened(6 * DAY)}, FAIL, "by max 6d ago: rule x removed"),
    ("scan: {}", {}, UNKNOWN, "not reported"),
    ("scan: {}", {"checks": [check("scan")]}, PASS, "pass"),
    ("approvals: {count: 2}", {"votes": [vote("rita"), vote("rita")]}, FAIL, "1 of 2: rita"),
    ("approvals: {count: 2}", {"votes": [vote("rita"), vote("rob")]}, PASS, "2 of 2"),
    ("approvals: {count: 1}", {"votes": [vote("ada"), vote("rel")]}, FAIL, "not counted: ada"),
    ("approvals: {count: 1, not: []}", {"votes": [vote("ada")]}, PASS, "1 of 1"),
    ("approvals: {count: 1, also_exclude: [rob]}", {"votes": [vote("rob")]}, FAIL, "0 of 1"),
    ("approvals: {group: risk}", {"votes": [vote("max")], "members": RISK}, FAIL, "0 of 1"),
    ("approvals: {group: risk}", {"votes": [vote("rob")], "members": RISK}, PASS, "rob"),
    ("approvals: {expire: 14d}", {"votes": [vote("rob", age=15 * DAY)]}, FAIL, "rob (expired)"),
    ("approvals: {}", {"votes": [vote("rob", approves=False)]}, FAIL, "0 of 1"),
    ("facts: {require: [code, data]}", {"facts": ["code"]}, FAIL, "missing: data"),
    ("facts: {completeness: 0.8}", {"completeness": 0.8}, PASS, "80%"),
    ("facts: {require: [card, licence]}", {"card": {}, "licence": "MIT"}, PASS, "all known"),
    ("facts: {require: [card, licence]}", {"card": None}, FAIL, "card, licence"),
    ("facts: {completeness: 0.8}", {"completeness": 0.5}, FAIL, "50%"),
    ("card: {sections: [purpose, limitations]}", {"card": CARD}, PASS, "all"),
    ("card: {sections: [purpose, ethics]}", {"card": CARD}, FAIL, "ethics has 1 words"),
    ("card: {sections: [performance]}", {"card": CARD}, FAIL, "performance is missing"),
    ("card: {}", {}, UNKNOWN, "no card"),
    ("tags: {require: [team, risk=low]}", {"tags": {"team": "a", "risk": "high"}}, FAIL, "risk=low"),
    ("tags: {require: [team]}", {"tags": {"team": "a"}}, PASS, "all"),
    ("owner: {}", {}, FAIL, "no owner"),
    ("owner: {}", {"owners": ["ada"]}, PASS, "ada"),
    ("licence: {allow: [MIT]}", {"licence": "mit"}, PASS, "mit"),
    ("licence: {allow: [MIT]}", {"licence": "GPL-3.0"}, FAIL, "GPL-3.0"),
    ("licence: {allow: [MIT]}", {}, UNKNOWN, "no licence"),
    ("soak: {stage: staging, at_least: 24h}", {}, FAIL, "was never in"),
    ("soak: {stage: staging, at_least: 24h}", {"stays": [stay("staging", 25 * HOUR)]}, PASS, "1d 1h"),
    ("soak: {stage: staging, at_least: 24h}", {"stays": [stay("staging", 2 * HOUR)]}, FAIL, "22h to go"),
    (
        "soak: {stage: staging, at_least: 24h}",
        {"stays": [stay("staging", 3 * DAY, 3 * DAY - HOUR)]},
        FAIL,
        "left staging after 1h",
    ),
    ("freeze: {windows: [{start: 2026-11-18T00:00Z, end: 2026-11-19T00:00Z}]}", {}, FAIL, "2026-11-19"),
    ("freeze: {windows: [{start: 2026-11-19T00:00Z, end: 2026-11-20T00:00Z}]}", {}, PASS, "no freeze"),
    ('freeze: {weekly: [{days: [wed], start: "11:00", end: "12:00", say: lunch}]}', {}, FAIL, "lunch"),
    ('freeze: {weekly: [{days: [wed], start: "12:00"}]}', {}, PASS, "no freeze"),
    ("assert: {expr: 'a'}", {}, UNKNOWN, "not evaluated"),
    ("assert: {expr: 'a'}", {"assertions": {"a": Assertion(value=True)}}, PASS, "true"),
    ("assert: {expr: 'a', say: gap}", {"assertions": {"a": Assertion(value=False)}}, FAIL, "gap"),
    ("assert: {expr: 'a'}", {"assertions": {"a": Assertion(error="no f1")}}, UNKNOWN, "no f1"),
]


@pytest.mark.parametrize(("rule", "parts", "outcome", "words"), TABLE)
def test_rule(rule: str, parts: dict[str, Any], outcome: Outcome, words: str) -> None:
    found = one(rule, **parts)
    assert (found.outcome, words in found.measured) == (outcome, True), found
    # The person who is refused is told who can change it.
    assert bool(found.who) is (outcome is not PASS)


def test_every_rule_is_in_the_table() -> None:
    assert {rule.split(":")[0] for rule, *_ in TABLE} | {"attestation"} == set(RULES)


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        ({"requester": "max"}, FAIL),
        ({"promoter": "max"}, FAIL),
        ({"promoter": "max-2", "same_people": {"max": ["max-2"]}}, FAIL),
        ({"promoter": "max", "votes": [vote("max")]}, FAIL),
        ({"promoter": "max", "votes": [vote("rita")]}, PASS),
        ({"promoter": "rel"}, None),
        ({"promoter": "max", "policy": weakened(8 * DAY)}, None),
        ({"promoter": "max", "policy": weakened(DAY, asks_for_approval=False)}, None),
    ],
)
def test_who_weakened_a_gate_does_not_use_it_alone(parts: dict[str, Any], outcome: Outcome | None) -> None:
    verdict = judge(gate(), evidence(**{"policy": weakened(DAY), **parts}))
    assert [r.outcome for r in verdict.results if r.rule == "policy"] == ([outcome] if outcome else [])
    assert "last weakened" in verdict.notes[-1]


def test_an_attestation_counts_by_key_and_by_both_digests() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = base64.b64encode(
        key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    ).decode()
    rule = f"attestation: {{keys: {{release: {public}}}}}"
    statement = attested_bytes(evidence().digest, evidence().record_digest)

    def signed(by: Ed25519PrivateKey, what: bytes) -> Attestation:
        return Attestation(signature=base64.b64encode(by.sign(what)).decode(), by="ada", at=NOW)

    assert one(rule).outcome is UNKNOWN
    assert one(rule, attestations=[signed(other, statement)]).outcome is FAIL
    assert one(rule, attestations=[signed(key, attested_bytes("x", "y"))]).outcome is FAIL
    assert one(rule, attestations=[Attestation(signature="!", by="x", at=NOW)]).outcome is FAIL
    assert one(rule, attestations=[signed(other, statement), signed(key, statement)]).outcome is PASS


def test_no_rule_is_skipped_and_only_all_of_them_let_in() -> None:
    both = gate("owner: {}", "metric: {name: f1, min: 0.7}")
    verdict = judge(both, evidence(metrics=[metric("f1", 0.9)]))
    assert [r.outcome for r in verdict.results] == [FAIL, PASS]
    assert not verdict.passed
    assert not verdict.allows


def test_an_empty_gate_lets_in_and_a_missing_one_does_not() -> None:
    assert judge(gate(), evidence()).allows
    unchosen = msgspec.structs.replace(gate(), chosen=False)
    verdict = judge(unchosen, evidence())
    assert not verdict.allows
    assert "no policy has a gate" in verdict.results[0].measured


def test_a_gate_that_warns_allows_what_does_not_pass() -> None:
    warning = msgspec.structs.replace(gate("owner: {}"), mode=Mode.WARN)
    verdict = judge(warning, evidence())
    assert (verdict.passed, verdict.allows) == (False, True)


def test_a_waiver_sets_one_rule_aside_where_the_policy_lets_it() -> None:
    waiver = Waiver(rule="owner", by="olga", reason="agreed", at=NOW)
    assert judge(gate("owner: {}"), evidence(waivers=[waiver])).results[0].outcome is Outcome.WAIVED
    strict = gate("owner: {}\n        waivable: false")
    assert judge(strict, evidence(waivers=[waiver])).results[0].outcome is FAIL


def test_the_path_into_a_stage() -> None:
    ordered = gate(more="from: [staging]")
    assert not judge(ordered, evidence()).allows
    assert not judge(ordered, evidence(stays=[stay("staging", 2 * DAY, DAY)])).allows
    assert judge(ordered, evidence(stays=[stay("staging", DAY)])).allows


def test_evidence_and_verdict_survive_being_stored() -> None:
    found = evidence(metrics=[metric("f1", 0.1)], champion=champion(metric("f1", 0.9)), members=RISK, card=CARD)
    again = msgspec.json.decode(msgspec.json.encode(found), type=Evidence)
    strict = gate("champion: {metric: f1}", "approvals: {group: risk}", "card: {}")
    verdict = judge(strict, found)
    assert judge(strict, again) == verdict
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == msgspec.convert(
        msgspec.to_builtins(verdict), Verdict
    )


GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "nothing-known": (
        [
            "metric: {name: f1, min: 0.7, split: test}",
            "champion: {metric: f1, tolerance: 0.005}",
            "evaluation: {split: test, dataset: holdout}",
            "check: {name: unit-tests, max_age: 7d}",
            "approvals: {group: risk, count: 2}",
            "facts: {require: [code, data]}",
            "card: {}",
            "tags: {require: [team]}",
            "owner: {}",
            "licence: {allow: [MIT, Apache-2.0]}",
            "scan: {max_age: 30d}",
            "soak: {stage: staging, at_least: 24h}",
            "freeze: {windows: [{start: 2026-11-18T00:00Z, end: 2026-11-19T00:00Z, say: audit}]}",
            "assert: {expr: 'candidate.completeness > 0.5', say: too little is known}",
        ],
        {"champion": champion(metric("f1", 0.9)), "members": RISK, "promotion": 7},
    ),
    "all-met": (
        [
            "metric: {name: f1, min: 0.7}",
            "champion: {metric: f1, tolerance: 0.005}",
            "check: {name: unit-tests}",
            "approvals: {group: risk, count: 2}",
        ],
        {
            "metrics": [metric("f1", 0.91)],
            "champion": champion(metric("f1", 0.9)),
            "checks": [check("unit-tests")],
            "votes": [vote("rita"), vote("rob")],
            "members": RISK,
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_verdicts_read_as_they_did(name: str) -> None:
    """The words are what people act on. Write the files again with UPDATE_GOLDEN=1, and read the difference."""
    rules, parts = CASES[name]
    verdict = judge(gate(*rules), evidence(**parts))
    text = json.dumps(msgspec.to_builtins(verdict), indent=1, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text()
