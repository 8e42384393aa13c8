"""The largest valid input of each kind holds up the event loop for no longer than an ordinary request does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from modelyard.db import writer
from modelyard.db.engine import Database
from tests.support.door import Door, digest_of, open_door
from tests.support.registry import Registry, unique

LONGEST_SECONDS = 0.05
"""Of processor time, on the loop. A change in a thread may take longer."""
METRICS = 10_000
FILES = 3_000
EXPRESSION = (
    "champion == null || candidate.metrics.all(m, candidate.metrics[m].value >= champion.metrics[m].value)"
)


@pytest.fixture
def large_door(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """A door whose longest changes are counted in processor time, so that a busy machine is no slower."""
    monkeypatch.setattr(writer.time, "perf_counter", time.thread_time)
    with open_door(registry, everyone_creates_namespaces=True) as door:
        yield door


def longest(db: Database) -> float:
    """The longest change on the loop since the last call."""
    found = db.figures.longest_loop_unit_seconds
    db.figures.longest_loop_unit_seconds = 0.0
    return found


def policy(count: int) -> str:
    gates = "".join(
        f"  - {{to: production, models: 'm{n}*', rules: [{{metric: {{name: f1, min: 0.{n}}}}}]}}\n"
        for n in range(count)
    )
    return (
        "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"
        f'  - {{to: production, rules: [{{assert: {{expr: "{EXPRESSION}", say: worse}}}}]}}\n{gates}'
    )


def test_no_large_input_holds_up_the_loop(large_door: Door) -> None:
    door, space = large_door, unique("large")
    model = f"models/{space}/scorer"
    entries = [door.send(f"file {n}".encode()) for n in range(20)]
    files = [{**entries[n % 20], "path": f"part-{n:05}.bin"} for n in range(FILES)]
    metrics = {f"m{n}": n + 0.5 for n in range(METRICS)}
    tags = {f"key-{n}": "x" * 1000 for n in range(60)}

    def version(number: int) -> dict[str, Any]:
        facts = {"metrics": metrics, "params": {**metrics, "m0": number}}
        return {"files": files, "facts": facts, "tags": tags, "description": "word " * 4000}

    done: list[tuple[str, float]] = []

    def ask(method: str, path: str, body: Any = None) -> Any:
        longest(door.registry.db)
        answer = door.call(method, path, json=body) if body is not None else door.call(method, path)
        done.append((f"{method} {path}", longest(door.registry.db)))
        # A refusal by the gate is an answer too.
        assert answer.status_code < 400 or answer.json()["code"] == "refused", (path, answer.text[:500])
        return answer

    # The first change of a process also imports and compiles what later ones only use.
    door.call("POST", "namespaces", json={"name": unique("small")})
    ask("POST", "namespaces", {"name": space})
    digests = [{"digest": digest_of(f"missing {n}".encode()), "size_bytes": 9} for n in range(20_000)]
    ask("POST", "blobs/missing", {"blobs": digests})
    ask("POST", f"{model}/versions", version(1))
    ask("POST", f"{model}/versions", version(2))
    ask("POST", f"{model}/versions", version(2))
    ask("PATCH", f"{model}/versions/1", {"description": "word " * 4000, "tags": tags})
    ask("PATCH", model, {"description": "word " * 4000, "tags": tags})
    ask("PUT", f"{model}/versions/1/card", {"text": "# Purpose\n" + "words and more words\n" * 12_000})
    ask(
        "POST",
        f"{model}/versions/1/checks",
        {"name": "unit", "state": "pass", "details": {"all": "y" * 60_000}},
    )
    ask(
        "POST",
        f"{model}/versions/1/evaluations",
        {"dataset": "d", "metrics": dict(list(metrics.items())[:500])},
    )
    ask("PUT", f"namespaces/{space}/policy", {"text": policy(97)})
    ask("POST", f"{model}/promotions", {"version": 1, "stage": "production"})
    second = ask("POST", f"{model}/promotions", {"version": 2, "stage": "production"})
    ask("POST", f"{model}/promotions", {"version": 1, "stage": "production", "request": True})
    ask("POST", f"{model}/stages/production/rollback", {"reason": "worse"})
    run = "5" * 32
    ask("PUT", f"runs/{run}", {"experiment": f"{space}/long"})
    steps = list(range(20_000))
    columns = [{"name": f"loss{n}", "steps": steps, "times": steps, "values": [0.5] * 20_000} for n in range(5)]
    ask("POST", f"runs/{run}/records", {"writer": "w", "first": 1, "frames": [{"points": columns}]})
    params = {f"p{n}": "v" * 100 for n in range(5000)}
    ask("POST", f"runs/{run}/records", {"writer": "w", "first": 2, "frames": [{"params": params}]})
    ask("POST", f"runs/{run}/records", {"writer": "w", "first": 3, "frames": [{"log": "a line\n" * 100_000}]})
    ask("POST", f"{model}/comments", {"version": 1, "body": "- *a* [b](c)\n" * 1400})
    ask("POST", f"namespaces/{space}/redactions", {"text": "words and more words", "reason": "leaked"})
    ask("POST", "withheld", {"holder": f"{space}/scorer:1", "path": files[0]["path"], "reason": "leaked"})
    ask("PUT", f"{model}/versions/2/recall", {"mode": "warn", "reason": "because"})

    verdict = second.json().get("verdict") or second.json()["fields"]["attempt"]["verdict"]
    assert [r["outcome"] for r in verdict["results"]] != ["unknown"], verdict["results"][0]["measured"]
    slow = {what: seconds for what, seconds in done if seconds > LONGEST_SECONDS}
    assert not slow, slow
    # PostgreSQL has no changes on the loop at all.
    assert any(seconds > 0 for _, seconds in done) is door.registry.db.is_sqlite
