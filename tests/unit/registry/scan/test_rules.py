"""From files to a version: the worst counts, what was not looked into is pending, trust is by exact name."""

from __future__ import annotations

import json

import pytest

from modelyard.domain.scanning import FileScan, Finding, Verdict
from modelyard.registry.scan.rules import Secret, read_file, read_files, scan_text


def text_of(*verdicts: Verdict, name: str = "my_corp.Helper") -> str:
    return scan_text(FileScan([Finding(v, "why", name=name) for v in verdicts], ["pickle"]), ())


@pytest.mark.parametrize(
    ("scans", "state"),
    [
        ([], "no_code"),
        (["", ""], "no_code"),
        ([text_of(), ""], "allowlisted"),
        ([text_of(Verdict.UNKNOWN), text_of()], "unknown"),
        ([text_of(Verdict.UNKNOWN), text_of(Verdict.NOT_SCANNED)], "not_scanned"),
        ([text_of(Verdict.DANGEROUS), text_of(Verdict.NOT_SCANNED)], "dangerous"),
        ([text_of(Verdict.DANGEROUS), None], "pending"),
    ],
)
def test_the_worst_counts(scans: list[str | None], state: str) -> None:
    assert read_files((f"f{n}", scan, None) for n, scan in enumerate(scans)).state == state


def test_trust_is_by_name_and_never_helps_a_dangerous_file() -> None:
    unknown = read_files(
        [("a.pkl", text_of(Verdict.UNKNOWN), None), ("b.pkl", text_of(Verdict.UNKNOWN, name="x.Y"), None)]
    )
    assert unknown.unknown == ["my_corp.Helper", "x.Y"]
    assert unknown.state_with({"my_corp.Helper"}) == "unknown"
    assert unknown.state_with({"my_corp.Helper", "x.Y"}) == "allowlisted"
    dangerous = read_files([("a.pkl", text_of(Verdict.DANGEROUS), None)])
    assert dangerous.state_with({"my_corp.Helper"}) == "dangerous"


def test_a_malformed_safetensors_file_is_dangerous() -> None:
    facts = json.dumps({"facts": {"format": "safetensors", "problems": ["the tensors overlap or leave a gap"]}})
    assert read_file("m.safetensors", "", facts).state == "dangerous"
    assert read_file("m.onnx", "", facts.replace("safetensors", "onnx", 1)).state == "no_code"


def test_what_is_kept_of_secrets() -> None:
    kept = scan_text(None, [Secret(3, "GitHub token")])
    assert read_file("config.py", kept, None).secrets == (Secret(3, "GitHub token"),)
    assert scan_text(None, ()) == ""
