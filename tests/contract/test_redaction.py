"""Redactions on both databases: the text is gone everywhere, every digest stays, and nothing else is accepted."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.schema import REDACTING
from modelyard.db.tables import events, metadata, server_facts, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.bundle import Report, verify_bundle
from tests.support.door import Door, assert_problem
from tests.support.registry import unique


def ok(answer: Any) -> Any:
    assert answer.status_code < 300, answer.text[:500]
    return answer.json() if answer.content else None


@pytest.fixture
def word() -> str:
    """A secret without the form of one, so that nothing masks it."""
    return f'zanzibar {unique("pelican")} "quoted"\n\tmarmalade'


@pytest.fixture
def space(door: Door, word: str) -> str:
    """A namespace that holds the word in every place where people and programs write."""
    space = unique("leak")
    model = f"{space}/scorer"
    facts = {"params": {"note": word, word: 1}, "code": {"diff": {"text": f"+{word}"}}}
    door.register(model, b"weights", facts=facts, description=word, tags={"note": word})
    at = f"models/{model}/versions/1"
    ok(door.call("PATCH", at, json={"description": f"again {word}"}))
    ok(door.call("PATCH", f"models/{model}", json={"description": word}))
    ok(door.call("PUT", f"{at}/card", json={"text": f"# Purpose\n\n{word}\n"}))
    made = ok(door.call("POST", f"models/{model}/comments", json={"body": f"see {word}"}))
    ok(door.call("PATCH", f"models/{model}/comments/{made['id']}", json={"body": f"look {word}"}))
    ok(door.call("PUT", f"models/{model}/aliases/canary", json={"version": 1, "reason": word}))
    ok(door.call("POST", f"{at}/checks", json={"name": "ci", "state": "pass", "details": {"log": word}}))
    ok(door.call("POST", f"models/{model}/promotions", json={"version": 1, "stage": "staging", "reason": word}))
    run = uuid.uuid4().hex
    ok(door.call("PUT", f"runs/{run}", json={"experiment": model, "name": "train"}))
    half = len(word) // 2
    for number, log in enumerate((f"first\n{word[:half]}", f"{word[half:]} last\n"), 1):
        frame = {
            "log": log,
            "params": {"p": word},
            "tags": {"t": word},
            "facts": {"x": {"y": word}},
            "notes": [word],
        }
        sent = {"writer": "w", "first": number, "frames": [frame]}
        ok(door.call("POST", f"runs/{run}/records", json=sent))
    return space


def holding(door: Door, word: str) -> list[str]:
    """Places whose text holds the word, as it is or inside of JSON."""
    forms = (
        word,
        json.dumps(word, ensure_ascii=False)[1:-1],
        "pelican" + word.split("pelican")[1].split(" ")[0],
    )
    found = []
    for table in metadata.sorted_tables:
        for row in door.registry.db.read(lambda tx, t=table: tx.rows(sa.select(t))):
            for column, value in zip(table.columns, row, strict=True):
                text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                found += [f"{table.name}.{column.name}"] * any(form in text for form in forms)
    return found


def redact(door: Door, space: str, word: str, **body: Any) -> Any:
    return door.call("POST", f"namespaces/{space}/redactions", json={"text": word, "reason": "leaked", **body})


def check(door: Door) -> list[Any]:
    """What `audit check` finds."""
    answer = door.call("POST", "audit/check")
    last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
    assert last["finished"]
    return list(last["damage"])


def export(door: Door, **query: Any) -> list[bytes]:
    answer = door.get("audit/export", params=query)
    assert answer.status_code == 200, answer.text
    return answer.content.splitlines(keepends=True)


def verify(lines: list[bytes]) -> Report:
    return verify_bundle(lambda: iter(lines), None)


def test_the_text_is_gone_everywhere_and_every_proof_holds(door: Door, space: str, word: str) -> None:
    assert len(set(holding(door, word))) > 15
    before = ok(door.get(f"models/{space}/scorer/versions/1"))
    root = verify(export(door)).size
    done = ok(redact(door, space, word))
    assert holding(door, word) == []
    assert done["places"]["versions.record"] == 1
    assert done["events"]
    after = ok(door.get(f"models/{space}/scorer/versions/1"))
    assert (after["digest"], after["record_digest"]) == (before["digest"], before["record_digest"])
    record = ok(door.get(f"models/{space}/scorer/versions/1/record"))
    assert record["params"] == {"note": f"[redacted {done['id']}]", f"[redacted {done['id']}]": 1}
    assert check(door) == []
    for query in ({}, {"model": f"{space}/scorer"}, {"kind": ["version.edited"]}):
        report = verify(export(door, **query))
        assert report.ok, report.problems
        assert report.size > root
        assert report.redacted
    for seq in done["events"]:
        assert verify(door.get(f"audit/events/{seq}/proof").content.splitlines(keepends=True)).ok
    (listed,) = ok(door.get(f"namespaces/{space}/redactions"))["items"]
    assert (listed["id"], listed["reason"], listed["places"]) == (done["id"], "leaked", done["places"])
    # The same facts are still the same version.
    again = {"params": {"note": word, word: 1}, "code": {"diff": {"text": f"+{word}"}}}
    assert door.register(f"{space}/scorer", b"weights", facts=again)["version"] == 1


def test_a_log_keeps_its_length(door: Door, space: str, word: str) -> None:
    (run,) = ok(door.get(f"runs?experiment={space}/scorer"))["items"]
    before = ok(door.get(f"runs/{run['id']}/log"))
    ok(redact(door, space, word))
    after = ok(door.get(f"runs/{run['id']}/log"))
    assert after["end"] == before["end"]
    assert after["text"] == f"first\n{'*' * len(word)} last\n"


def test_a_second_redaction_of_the_same_places(door: Door, space: str, word: str) -> None:
    ok(redact(door, space, "marmalade"))
    ok(redact(door, space, "zanzibar"))
    assert check(door) == []
    assert verify(export(door)).ok
    assert verify(export(door, model=f"{space}/scorer")).ok


@pytest.mark.parametrize("table", [versions, events])
def test_any_other_change_is_still_found(door: Door, space: str, word: str, table: sa.Table) -> None:
    done = ok(redact(door, space, word))
    column = versions.c.record if table is versions else events.c.body

    def change(old: str, new: str) -> None:
        where = column.contains(old, autoescape=True)
        changed = table.update().where(where).values({column.name: sa.func.replace(column, old, new)})

        def around_the_guard(tx: Transaction) -> None:
            tx.execute(server_facts.insert().values(key=REDACTING, value=""))
            tx.execute(changed)
            tx.execute(server_facts.delete().where(server_facts.c.key == REDACTING))

        door.registry.db.write(around_the_guard)

    mark = f"[redacted {done['id']}]"
    change(mark, f"[redacted {'0' * 8}]")
    assert check(door)
    if table is events:
        assert not verify(export(door)).ok
        assert not verify(export(door, model=f"{space}/scorer")).ok
    change(f"[redacted {'0' * 8}]", mark)
    assert check(door) == []


def test_a_redaction_that_is_only_claimed_is_found(door: Door, space: str, word: str) -> None:
    """The person who edits an export cannot hide it behind the header, nor behind an event of their own."""
    lines = export(door)
    report = verify(lines)
    assert report.ok
    number = next(
        i for i, line in enumerate(lines) if b'"kind":"version.edited"' in line and space.encode() in line
    )
    seq = json.loads(lines[number])["seq"]
    header = json.loads(lines[0])
    from modelyard.domain.merkle import leaf_hash

    header["redacted"] = {str(seq): leaf_hash(lines[number].rstrip(b"\n")).hex()}
    forged = [json.dumps(header).encode() + b"\n", *lines[1:]]
    forged[number] = lines[number].replace(b"again", b"never")
    found = verify(forged)
    assert not found.ok
    assert any(problem.seq == seq for problem in found.problems)


def test_what_happened_cannot_be_redacted(door: Door, space: str, word: str) -> None:
    """Names, digests and numbers of the log are no texts that people wrote."""
    for text in ("canary", "version.registered", "staging", "scorer", "sha256"):
        redact(door, space, text)
    assert check(door) == []
    listed = ok(door.get(f"models/{space}/scorer/history?limit=100"))["items"]
    assert {event["kind"] for event in listed} >= {"version.registered", "alias.moved", "version.promoted"}
    assert any(event["data"].get("alias") == "canary" for event in listed)


def test_who_may_and_what_is_refused(door: Door, space: str, word: str) -> None:
    assert_problem(redact(door, space, "short"[:5]), 400, "invalid")
    assert_problem(redact(door, space, "stands nowhere at all"), 400, "invalid")
    assert_problem(redact(door, space, word, reason=" "), 400, "invalid")
    assert_problem(redact(door, space, word, reason=f"it was {word}"), 400, "invalid")
    user = door.registry.user()
    other = door.as_(door.token_of(user))
    assert_problem(redact(other, space, word), 404, "namespace_not_found")
    ok(door.call("PUT", f"namespaces/{space}/members/{user.name}", json={"role": "maintainer"}))
    assert_problem(redact(other, space, word), 403, "denied")
    assert len(set(holding(door, word))) > 15
    ok(door.call("PUT", f"namespaces/{space}/members/{user.name}", json={"role": "owner"}))
    ok(redact(other, space, word))


def test_other_namespaces_keep_theirs(door: Door, space: str, word: str) -> None:
    model = f"{unique('other')}/scorer"
    door.register(model, facts={"params": {"note": word}})
    ok(redact(door, space, word))
    assert set(holding(door, word)) == {"versions.record"}
    assert check(door) == []
