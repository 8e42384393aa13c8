"""What a gate costs: judging twenty rules, and promotion and rollback next to a bare move of an alias.

    python benchmarks/promotion.py [--rounds 200] [--database URL]

All on one database in turns, so that a busy machine harms all alike; the figures are medians. Budgets: judging
twenty rules takes at most 5 ms; a promotion, and a rollback, at most three times as long as moving an alias.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from modelyard.blobs.memory import MemoryStore
from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.domain.record import Record
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.promotion import policies, stages, usecases
from modelyard.registry.promotion.expressions import shared_evaluator
from modelyard.registry.promotion.policy import effective, parse_policy
from modelyard.registry.promotion.rules import (
    Champion,
    CheckResult,
    Evidence,
    MetricValue,
    StagePeriod,
    Vote,
    judge,
)
from modelyard.registry.promotion.usecases import PromotionRequest
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.versions import aliases, registering
from modelyard.registry.versions.registering import Registration

MODEL = ModelName("bench", "model")
TWENTY = [
    *(f"metric: {{name: m{n}, min: 0.1, split: test}}" for n in range(6)),
    *(f"check: {{name: c{n}, max_age: 7d}}" for n in range(4)),
    *(f"champion: {{metric: m{n}, direction: higher, tolerance: 0.1}}" for n in range(3)),
    "approvals: {group: risk, count: 2}",
    "card: {}",
    "facts: {require: [code, data]}",
    "tags: {require: [team]}",
    "owner: {}",
    "licence: {allow: [MIT]}",
    "soak: {stage: staging, at_least: 1h}",
]
PLAIN = "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"


def twenty_rules() -> tuple[Callable[[], object], int]:
    """A gate of twenty rules and full evidence for it."""
    text = f"{PLAIN}  - to: production\n    rules:\n" + "".join(f"      - {rule}\n" for rule in TWENTY)
    gate = effective("model", parse_policy(text, is_namespace=True).file, None).gates["production"].gate
    now = time.time_ns() // 1000
    metrics = [MetricValue(name=f"m{n}", value=0.5, split="test", by="a", at=now) for n in range(50)]
    evidence = Evidence(
        now=now,
        model="bench/model",
        version=2,
        stage="production",
        digest="d",
        record_digest="r",
        author="a",
        requester="b",
        licence="MIT",
        owners=["a"],
        tags={"team": "x"},
        facts=["code", "data"],
        completeness=1.0,
        card=dict.fromkeys(("purpose", "performance", "limitations", "intended use", "ethics"), 20),
        metrics=metrics,
        champion=Champion(version=1, digest="x", metrics=metrics),
        checks=[CheckResult(name=f"c{n}", state="pass", by="ci", at=now) for n in range(4)],
        votes=[Vote(by=name, at=now, approves=True) for name in ("rita", "rob")],
        members={"risk": ["rita", "rob"]},
        stays=[StagePeriod(stage="staging", since=now - 7_200_000_000)],
    )
    assert judge(gate, evidence).passed
    return (lambda: judge(gate, evidence)), len(gate.rules)


def median_ms(times: list[float]) -> float:
    return statistics.median(times) * 1000


def measure_moves(database: Database, rounds: int, policy: str) -> dict[str, float]:
    """Milliseconds of each kind of move, commit included, taken in turns."""
    blobs, evaluator = MemoryStore(), shared_evaluator()
    made = database.write(lambda tx: access.create_first_owner(tx, "root", "bench"))
    found = database.read(lambda tx: access.account_queries.find_actor(tx, "root"))
    assert found is not None
    assert made is not None
    root: Actor = found.to_actor()
    for number in (1, 2):
        data = f"weights {number}".encode()
        uploads.receive_blob(database, blobs, root, Digest.of(data), [data], len(data), 1 << 30)
        wanted = Registration(
            MODEL,
            Manifest.of([File("w", Digest.of(data), len(data))]),
            Record.of({"metrics": {"f1": 0.9}, "params": {"n": number}}),
        )
        registering.register_version(database, blobs, root, CatalogSettings(), wanted)
    database.write(lambda tx: policies.set_policy(tx, root, "bench", None, policy, evaluator=evaluator))
    times: dict[str, list[float]] = {"alias": [], "promotion": [], "rollback": []}

    def timed(kind: str, work: Callable[..., object]) -> None:
        began = time.perf_counter()
        database.write(work)
        times[kind].append(time.perf_counter() - began)

    def promote(number: int) -> Callable[..., object]:
        return lambda tx: usecases.promote(
            tx, root, PromotionRequest(Ref(MODEL, number), "production"), evaluator
        )

    database.write(promote(1))
    for turn in range(rounds):
        number = turn % 2 + 1
        timed("alias", lambda tx, n=number: aliases.set_alias(tx, root, Ref(MODEL, n), Alias("champion")))
        timed("promotion", promote(2))
        timed("rollback", lambda tx: stages.rollback(tx, root, MODEL, "production", reason="bench"))
    return {kind: median_ms(found) for kind, found in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    work, rules = twenty_rules()
    times = []
    for _ in range(options.rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    judging = median_ms(times)
    print(
        f"judging {rules} rules\t{judging:.3f} ms\ttarget <= 5 ms\t{'holds' if judging <= 5 else 'falls short'}"
    )
    holds = judging <= 5
    policy = f"{PLAIN}  - {{to: production, rules: [{{metric: {{name: f1, min: 0.5}}}}, {{champion: {{metric: f1}}}}]}}\n"
    with tempfile.TemporaryDirectory() as folder:
        database = Database(options.database or f"sqlite:///{Path(folder) / 'bench.db'}")
        ensure_schema(database)
        found = measure_moves(database, options.rounds, policy)
        database.close()
    for kind in ("promotion", "rollback"):
        ratio = found[kind] / found["alias"]
        holds = holds and ratio <= 3
        word = "holds" if ratio <= 3 else "falls short"
        print(
            f"{kind}\t{found[kind]:.2f} ms\talias move {found['alias']:.2f} ms\tratio {ratio:.2f}\ttarget <= 3\t{word}"
        )
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
