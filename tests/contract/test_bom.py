"""The bill of materials through the door, on both databases."""

from __future__ import annotations

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.support.bad_files import trap, zipped
from tests.support.door import Door, assert_problem
from tests.support.registry import unique

DATA = {"name": "transactions", "digest": "sha256:" + "5" * 64}


def test_the_bill_of_a_version_is_valid_and_says_its_scan(door: Door, model: str) -> None:
    made = door.register(model, facts={"params": {"n": 1}, "metrics": {"f1": 0.5}, "data": [DATA]})
    at = f"models/{model}/versions/{made['version']}"
    door.call("PUT", f"{at}/card", json={"text": "# Limitations\n\nfails on rain\n"})
    answer = door.get(f"{at}/bom")
    assert answer.headers["content-type"].startswith("application/vnd.cyclonedx+json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(answer.text) is None
    component = answer.json()["metadata"]["component"]
    assert component["hashes"][0]["content"] == made["digest"].removeprefix("sha256:")
    assert component["modelCard"]["considerations"]["technicalLimitations"] == ["fails on rain"]
    assert {"name": "modelyard:scan", "value": "no_code"} in component["properties"]
    (data,) = [c for c in answer.json()["components"] if c["type"] == "data"]
    # A fingerprint without a profile here is only said.
    assert data["properties"][0]["value"] == "declared"


def test_a_quarantined_version_has_one_too(door: Door, model: str) -> None:
    made = door.register(model, zipped(trap(), f"{unique('m')}.pkl"))
    answer = door.get(f"models/{model}/versions/{made['version']}/bom")
    assert {"name": "modelyard:scan", "value": "dangerous"} in answer.json()["metadata"]["component"][
        "properties"
    ]


def test_of_what_is_not_there(door: Door, model: str) -> None:
    assert_problem(door.get(f"models/{model}/versions/1/bom"), 404, "model_not_found")
