"""What is known of a version follows from its own names and bytes, the person who named the same bytes before, and how."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from modelyard.db.tables import blob_facts, blobs, manifests, versions
from modelyard.domain.digest import Digest
from tests.support.door import Door
from tests.support.jobs import finish_scans
from tests.support.parts import EVERYTHING
from tests.support.registry import unique

MIT = """MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a
copy of this software and associated documentation files (the "Software"), to deal in the Software ...

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.
"""


def safetensors(word: str) -> bytes:
    head = json.dumps(
        {"__metadata__": {"w": word}, "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    ).encode()
    return len(head).to_bytes(8, "little") + head + bytes(24)


KINDS: dict[str, tuple[Callable[[str], bytes], list[str]]] = {
    "safetensors": (safetensors, ["weights.bin", "model.safetensors", "notes.txt", "x.onnx", "zz.dat"]),
    "safetensors with bytes behind": (
        lambda word: safetensors(word) + b"more",
        ["weights.bin", "model.safetensors", "notes.txt", "x.onnx"],
    ),
    "licence": (lambda word: f"{MIT}\n{word}\n".encode(), ["terms.txt", "LICENSE", "docs/COPYING.md"]),
    "config": (
        lambda word: json.dumps({"model_type": "bert", "architectures": ["BertModel"], "w": word}).encode(),
        ["model_config.json", "config.json", "deep/config.json"],
    ),
    "card": (
        lambda word: f"---\nlicense: mit\n---\n# Purpose\nfind {word}\n".encode(),
        ["docs/README.md", "README.md", "readme.md", "words.txt"],
    ),
    "pickle": (
        lambda word: b"\x80\x04]" + b"\x8c" + bytes([len(word)]) + word.encode() + b"a.",
        ["a.pkl", "a.joblib", "a.bin", "a.txt"],
    ),
}


def known_of(door: Door, model: str, number: int) -> dict[str, Any]:
    """All that the server says of a version because of its files' contents."""
    version = f"models/{model}/versions/{number}"
    shown = door.get(version).json()
    scan = door.get(f"{version}/scan").json()
    facts = {item["name"]: item["state"] for item in door.get(f"{version}/facts").json()["items"]}
    return {
        "format": {name: value for name, value in shown["format"].items() if name != "size_bytes"},
        "scan": (shown["scan"], shown["quarantined"]),
        "findings": [[f["why"] for f in file["findings"]] for file in scan["files"]],
        "licence": scan["licence"],
        "card": facts["card"],
        "model": [door.get(f"models/{model}").json()[name] for name in ("framework", "licence")],
    }


def register(door: Door, data: bytes, *paths: str) -> tuple[str, int]:
    model = f"{unique('named')}/scorer"
    sent = door.send(data)
    body = {"files": [{**sent, "path": path} for path in paths]}
    answer = door.call("POST", f"models/{model}/versions", json=body)
    assert answer.status_code == 201, answer.text
    return model, answer.json()["version"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_naming_changes_no_fact_and_no_verdict(door: Door, kind: str) -> None:
    """Each name in a namespace of its own, compared with the same name alone: each name comes first once, and of any two
    each comes before the other."""
    make, names = KINDS[kind]
    word = unique("word").ljust(12, "x")
    alone = {name: known_of(door, *register(door, make(unique("word").ljust(12, "x")), name)) for name in names}
    random.Random(7).shuffle(names := [*names])
    for number in range(len(names) if EVERYTHING else 2):
        order = names[number:] + names[:number]
        data = make(f"{word[:9]}{number:03}")
        made = {name: register(door, data, name) for name in order}
        for name in names:
            assert known_of(door, *made[name]) == alone[name], (order, name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_name_in_one_version_takes_nothing_away(door: Door, kind: str) -> None:
    make, names = KINDS[kind]
    # A version holds no two names that differ by case alone.
    names = [name for name in names if name != "readme.md"]
    orders = list(itertools.permutations(names))[: 6 if EVERYTHING else 3]
    found = [known_of(door, *register(door, make(unique("word").ljust(12, "x")), *order)) for order in orders]
    assert all(each == found[0] for each in found)
    alone = [known_of(door, *register(door, make(unique("word").ljust(12, "x")), name)) for name in names]
    for fact in ("parameters", "licence"):
        assert {each["format"].get(fact) for each in alone} - {None} == {found[0]["format"].get(fact)} - {None}
    assert ("known" in [each["card"] for each in alone]) == (found[0]["card"] == "known")
    assert {each["scan"] for each in alone} == {found[0]["scan"]}


def test_the_card_is_found_by_its_words_whatever_the_bytes_were_called_before(door: Door) -> None:
    word = unique("searchedword")
    data = f"# Purpose\n{word}\n".encode()
    register(door, data, "docs/README.md")
    model, _ = register(door, data, "README.md")
    assert [item["name"] for item in door.get(f"models?q={word}").json()["items"]] == [model]


def test_the_same_files_once_more_speak_for_the_model_again(door: Door) -> None:
    """Version 3 has the files of version 1; what the list shows is not left over from version 2."""
    model, word = f"{unique('named')}/scorer", unique("searchedword")
    first = [{**door.send(f"{MIT}\n{word}\n".encode()), "path": "LICENSE"}]
    first.append({**door.send(f"# {word}\n".encode()), "path": "README.md"})
    second = [{**door.send(safetensors(unique("w"))), "path": "model.safetensors"}]
    for files, facts in ((first, {}), (second, {}), (first, {"params": {"n": 3}})):
        answer = door.call("POST", f"models/{model}/versions", json={"files": files, "facts": facts})
        assert answer.status_code == 201, answer.text
    shown = door.get(f"models/{model}").json()
    assert (shown["newest_version"], shown["licence"]) == (3, "MIT")
    assert [item["name"] for item in door.get(f"models?q={word}").json()["items"]] == [model]


def test_a_version_in_quarantine_does_not_speak_for_its_model(door: Door) -> None:
    model = f"{unique('named')}/scorer"
    word = unique("searchedword")
    good = [{**door.send(f"{MIT}\n{unique()}\n".encode()), "path": "LICENSE"}]
    bad = [{**door.send(f"cposix\nsystem\n(S'{word}'\ntR.".encode()), "path": "README.md"}]
    for files in (good, bad):
        assert door.call("POST", f"models/{model}/versions", json={"files": files}).status_code == 201
    assert door.get(f"models/{model}").json()["licence"] == "MIT"
    assert door.get(f"models?q={word}").json()["items"] == []


def test_facts_that_came_before_readers_were_told_apart_are_read_again(door: Door) -> None:
    """As after the upgrade: no facts are kept, and the manifest's summary is the one of a wrong reader."""
    data = safetensors(unique("w"))
    model, number = register(door, data, "model.safetensors")
    right = known_of(door, model, number)

    def forget(tx: Any) -> None:
        tx.execute(blob_facts.delete().where(blob_facts.c.digest == Digest.of(data)))
        tx.execute(blobs.update().where(blobs.c.digest == Digest.of(data)).values(scan_rules=0))
        found = tx.rows(
            versions.select().with_only_columns(versions.c.manifest_id).order_by(versions.c.id.desc())
        )
        tx.execute(manifests.update().where(manifests.c.id == found[0][0]).values(format_facts="{}"))

    door.registry.db.write(forget)
    assert known_of(door, model, number) != right
    finish_scans(door.registry.db, door.registry.blobs)
    assert known_of(door, model, number) == right
