"""From files to a version: the worst counts, what was not looked into is pending, trust is by exact name."""

from __future__ import annotations

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
    assert read_files((f"f{n}", scan) for n, scan in enumerate(scans)).state == state


def test_trust_is_by_name_and_never_helps_a_dangerous_file() -> None:
    unknown = read_files([("a.pkl", text_of(Verdict.UNKNOWN)), ("b.pkl", text_of(Verdict.UNKNOWN, name="x.Y"))])
    assert unknown.unknown == ["my_corp.Helper", "x.Y"]
    assert unknown.state_with({"my_corp.Helper"}) == "unknown"
    assert unknown.state_with({"my_corp.Helper", "x.Y"}) == "allowlisted"
    dangerous = read_files([("a.pkl", text_of(Verdict.DANGEROUS))])
    assert dangerous.state_with({"my_corp.Helper"}) == "dangerous"


def test_kinds_of_code_that_are_not_looked_for_are_named_and_change_no_verdict() -> None:
    kept = scan_text(FileScan(kinds=["zip", "torchscript"]), ())
    file = read_file("m.pt", kept)
    assert (file.state, file.code_kinds) == ("no_code", ["torchscript"])


def test_what_is_kept_of_secrets() -> None:
    kept = scan_text(None, [Secret(3, "GitHub token")])
    assert read_file("config.py", kept).secrets == (Secret(3, "GitHub token"),)
    assert scan_text(None, ()) == ""
