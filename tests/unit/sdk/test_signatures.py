"""Types of the columns of CSV and JSON files, read without any framework."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard.domain.errors import Invalid
from modelyard.sdk.signatures import describe_file, described
from tests.support.libraries import library


def types(path: Path) -> dict[str, str]:
    return {entry["name"]: entry["dtype"] for entry in describe_file(path)}


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n,x,t,b,s,mixed,empty\n1,1.5,2026-01-01,true,a b,1,\n2,,2026-01-02T03:04:05,False,7,x,\n")
    assert types(path) == {
        "n": "int64", "x": "float64", "t": "datetime64", "b": "bool", "s": "string", "mixed": "string", "empty": "object",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ['[{"a": 1, "b": "x"}, {"a": 2.5, "b": null, "c": [1]}]', '{"a": [1, 2.5], "b": ["x", null], "c": [[1]]}'],
)
def test_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    assert types(path) == {"a": "float64", "b": "string", "c": "object"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "a,b\n1\n"),
        ("a.csv", ""),
        ("a.json", "3"),
        ("a.json", "{"),
        ("a.json", "[1]"),
        ("a.json", "[]"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(Invalid, match=name):
        describe_file(path)


def test_frames_of_both_kinds() -> None:
    values = {"a": [1.5], "b": ["x"], "c": [1]}
    pandas, polars = library("pandas").DataFrame(values), library("polars").DataFrame(values)
    assert [(e["name"], e["dtype"]) for e in described(pandas)] == [
        ("a", "float64"),
        ("b", "string"),
        ("c", "int64"),
    ]
    assert [(e["name"], e["dtype"]) for e in described(polars)] == [
        ("a", "float64"),
        ("b", "string"),
        ("c", "int64"),
    ]
    twice = library("pandas").DataFrame([[1, 2]], columns=["a", "a"])
    assert [e["name"] for e in described(twice)] == ["a", "a"]
    with pytest.raises(Invalid, match="type list"):
        described([1, 2])
