"""The bill is valid by the official schema, strictly, whatever is known; and says what each line rests on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from modelyard.domain.digest import Digest
from modelyard.domain.manifest import File, Manifest
from modelyard.registry.bom.rules import Material, build_bom

FACTS: dict[str, Any] = {
    "code": {
        "repository": "https://example.org/x.git",
        "commit": "abc",
        "dirty": True,
        "entry_point": "train.py",
    },
    "environment": {
        "python": "3.11",
        "packages": {"numpy": "2.1", "scikit-learn": "1.9", "odd name": "1!0+local"},
        "origins": {
            "numpy": {"record": "sha256:" + "1" * 64},
            "odd name": {"url": "https://example.org/o.whl"},
        },
    },
    "data": [
        {
            "name": "transactions",
            "digest": "sha256:" + "2" * 64,
            "rows": 10,
            "split": "train",
            "window": "2026",
        },
        {"name": "rows of Ünïcode", "source": "s3://x/y"},
        {"name": "transactions", "digest": "sha256:" + "2" * 64},
    ],
    "params": {"depth": 3, "nested": {"a": [1]}, "empty": None},
    "metrics": [
        {"name": "f1", "value": 0.9, "split": "test", "dataset": "holdout"},
        {"name": "loss", "value": "NaN"},
    ],
    "signature": {"inputs": [{"name": "amount", "dtype": "float64", "shape": [None]}], "outputs": []},
    "parents": [{"ref": "fraud/base:1", "relation": "finetune"}, {"digest": "sha256:" + "3" * 64}],
    "image": {"digest": "sha256:" + "4" * 64},
}
SAID = {
    "framework": "scikit-learn",
    "licence": "Apache-2.0",
    "parameters": 10,
    "architecture": "Pipeline",
    "format": "skops",
}


def bill(**changes: Any) -> dict[str, Any]:
    manifest = Manifest.of([File("model.skops", Digest.of(b"a"), 1), File("dir/README.md", Digest.of(b"b"), 1)])
    given: dict[str, Any] = {
        "model": "fraud/scorer",
        "version": 3,
        "digest": manifest.digest,
        "record_digest": Digest.of(b"record"),
        "registered_by": "ann",
        "registered_at": "2026-01-01T00:00:00.000001Z",
        "made_at": "2026-01-02T00:00:00.000001Z",
        "release": "1",
        "facts": FACTS,
        "said": SAID,
        "files": manifest.files,
        "scan": "allowlisted",
        "task": "tabular-classification",
        "description": "scores",
        "sections": {
            "purpose": "scores",
            "limitations": "none known",
            "ethics": "nobody",
            "other": "x",
            "intended use": "",
        },
    }
    return build_bom(Material(**(given | changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"facts": {}, "said": {}, "sections": {}, "task": None, "description": ""},
        {"said": {"licence": "llama3 community"}},
        {"facts": {"environment": {"packages": ["odd"]}, "parents": [{}], "data": [{}]}},
        {
            "facts": {
                "data": [{"name": "x", "digest": "not one"}],
                "environment": {"packages": {"a": "1"}, "origins": {"a": 3}},
            }
        },
        {"scan": "pending"},
    ],
)
def test_it_is_valid_by_the_official_schema(changes: dict[str, Any]) -> None:
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill(**changes)))
    assert errors is None, str(errors)[:500]


def test_the_validator_notices_a_wrong_word() -> None:
    wrong = bill()
    wrong["metadata"]["component"]["modelCard"]["modelParameter"] = {}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(wrong)) is not None


def basis(part: dict[str, Any]) -> tuple[str, str]:
    found = {p["name"]: p["value"] for p in part["properties"]}
    return found["modelyard:basis"], found["modelyard:by"]


def test_each_line_says_what_it_rests_on() -> None:
    found = bill(known_data=frozenset({"sha256:" + "2" * 64}))
    assert {c["name"]: basis(c) for c in found["components"]} == {
        "model.skops": ("verified", "hash"),
        "dir/README.md": ("verified", "hash"),
        "numpy": ("declared", "lock"),
        "scikit-learn": ("declared", "lock"),
        "odd name": ("declared", "lock"),
        "transactions": ("declared", "dataset digest"),
        "rows of Ünïcode": ("declared", "name"),
        "fraud/base:1": ("declared", "name"),
        "sha256:" + "3" * 64: ("declared", "digest"),
    }
    assert basis(found["metadata"]["component"]) == ("verified", "hash")
    held = {"name": "modelyard:profile-held", "value": "true"}
    assert [c["name"] for c in found["components"] if held in c["properties"]] == ["transactions"]


def test_only_what_the_registry_checked_itself_is_verified() -> None:
    """Bytes by their hash, and the scan: nothing that a client can write into the record."""
    claims = {
        "environment": {
            "packages": {"invented": "9.9.9"},
            "origins": {
                "invented": {"record": "sha256:" + "0" * 64, "digest": "sha256:" + "0" * 64, "commit": "c"}
            },
        },
        "data": [{"name": "invented", "digest": "sha256:" + "2" * 64, "profile": "sha256:" + "2" * 64}],
        "parents": [{"ref": "fraud/invented:1", "digest": "sha256:" + "3" * 64}],
    }
    found = bill(facts=claims, known_data=frozenset({"sha256:" + "2" * 64}))
    assert {c["type"] for c in found["components"] if basis(c)[0] == "verified"} == {"file"}


def test_every_part_is_a_dependency_and_the_serial_number_stays() -> None:
    found = bill()
    refs = [c["bom-ref"] for c in found["components"]]
    assert len(refs) == len(set(refs))
    assert found["dependencies"][0]["dependsOn"] == sorted(refs)
    assert found["serialNumber"] == bill(scan="unknown")["serialNumber"]
    assert found["serialNumber"] != bill(version=4)["serialNumber"]
