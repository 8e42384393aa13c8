"""No door keeps a credential: whatever text is sent in, no table holds it afterwards. On both databases."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.tables import metadata
from tests.support.door import Door
from tests.support.registry import unique

# No one's credentials, each in the form of one.
AWS = "AKIA" + "QW4ERTYU7IOPASDF"
PASSWORD = "Tr0ub4dor" + "Xq7Rk2pW"
OPENAI = "sk-proj-" + "q7Rk2pXw9LmZ4tBvN8sYc3" * 2
TEXT = f'the key {AWS}, password = "{PASSWORD}" and {OPENAI}'
SECRETS = (AWS[4:], PASSWORD, OPENAI[8:])


def kept(door: Door) -> list[str]:
    """The places where a table holds one of the credentials."""
    found = []
    for table in metadata.sorted_tables:
        rows = door.registry.db.read(lambda tx, t=table: [tuple(row) for row in tx.rows(sa.select(t))])
        for row in rows:
            for column, value in zip(table.columns, row, strict=True):
                text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                found += [f"{table.name}.{column.name}" for secret in SECRETS if secret in text]
    return found


def ok(answer: Any) -> Any:
    assert answer.status_code < 300, answer.text[:500]
    return answer.json() if answer.content else None


def test_the_facts_of_a_version(door: Door, model: str) -> None:
    facts = {
        "code": {"diff": {"text": f"+{TEXT}\n"}, "command": ["train", "--note", TEXT]},
        "environment": {"variables": {"DB_PASSWORD": PASSWORD, "LANG": "C"}, "lock": [TEXT]},
        "image": {"reference": f"registry.example/x?note={TEXT}"},
        "params": {"note": TEXT, "password": PASSWORD, "nested": {"api_key": PASSWORD, "depth": 3}},
        "data": [{"name": "rows", "digest": "sha256:" + "0" * 64, "filter": TEXT}],
    }
    made = door.register(model, facts=facts, description=TEXT, tags={"note": TEXT, "password": PASSWORD})
    assert kept(door) == []
    record = ok(door.get(f"models/{model}/versions/{made['version']}/record"))
    assert record["params"]["nested"] == {"api_key": "***", "depth": 3}
    assert record["environment"]["variables"] == {"DB_PASSWORD": "***", "LANG": "C"}
    # The same facts again, also with the credentials masked beforehand, are the same version.
    assert door.register(model, b"fixed", facts=facts)["version"] == 2
    assert door.register(model, b"fixed", facts=record)["version"] == 2


def test_what_people_write(door: Door, model: str) -> None:
    made = door.register(model)
    at = f"models/{model}/versions/{made['version']}"
    ok(door.call("PUT", f"{at}/card", json={"text": f"# Card\n\n{TEXT}\n"}))
    ok(door.call("PATCH", at, json={"description": TEXT, "tags": {"note": TEXT}}))
    ok(door.call("PATCH", f"models/{model}", json={"description": TEXT, "display_name": AWS}))
    ok(door.call("POST", f"models/{model}/comments", json={"body": TEXT, "version": 1}))
    alias = f"models/{model}/aliases/canary"
    ok(door.call("PUT", alias, json={"version": 1, "reason": TEXT}))
    ok(
        door.call(
            "POST",
            f"{at}/checks",
            json={"name": "ci", "state": "pass", "summary": TEXT, "details": {"log": TEXT}},
        )
    )
    ok(door.call("DELETE", alias, params={"reason": TEXT}))
    ok(door.call("PATCH", at, json={"archived": True, "reason": TEXT}))
    assert kept(door) == []


def test_what_a_run_says(door: Door) -> None:
    run = uuid.uuid4().hex
    ok(door.call("PUT", f"runs/{run}", json={"experiment": f"{unique('space')}/x", "name": TEXT}))
    frame = {
        "params": {"note": TEXT, "db_password": PASSWORD},
        "tags": {"note": TEXT, "password": PASSWORD},
        "facts": {"code": {"diff": {"text": TEXT}, "arguments": ["--x", TEXT]}},
        "inputs": [{"name": "rows", "digest": "sha256:" + "1" * 64, "source": TEXT}],
        "notes": [TEXT],
        "log": f"begin\n{TEXT}\nend\n",
    }
    ok(door.call("POST", f"runs/{run}/records", json={"writer": "w", "first": 1, "frames": [frame]}))
    assert kept(door) == []
    assert ok(door.get(f"runs/{run}/log"))["text"].startswith("begin\nthe key AKIA***")


@pytest.mark.parametrize("cut", range(1, len(AWS), 3))
def test_a_credential_that_comes_in_two_pieces_of_a_log(door: Door, cut: int) -> None:
    run = uuid.uuid4().hex
    ok(door.call("PUT", f"runs/{run}", json={"experiment": f"{unique('space')}/x"}))
    for number, piece in enumerate((f"one\ntwo {AWS[:cut]}", f"{AWS[cut:]} three\nfour"), 1):
        sent = {"writer": "w", "first": number, "frames": [{"log": piece}]}
        ok(door.call("POST", f"runs/{run}/records", json=sent))
    assert kept(door) == []
    log = ok(door.get(f"runs/{run}/log"))
    assert log["text"] == f"one\ntwo AKIA{'*' * 16} three\nfour"
    assert log["end"] == len(log["text"])
