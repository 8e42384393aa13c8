"""Which data fits which signature, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.signature import check_inputs, family_of, fits, lawful_entries, say_problems


def columns(**dtypes: str) -> list[dict[str, Any]]:
    return [{"name": name, "dtype": dtype, "shape": [None]} for name, dtype in dtypes.items()]


def array(dtype: str, *shape: Any, name: str = "input") -> list[dict[str, Any]]:
    return [{"name": name, "dtype": dtype, "shape": [None, *shape]}]


TABLE = columns(amount="float64", country="string", count="int64")


@pytest.mark.parametrize(
    ("expected", "found", "problems"),
    [
        (TABLE, TABLE, []),
        (TABLE, columns(count="int8", country="object", amount="float32", more="bool"), []),
        (TABLE, columns(amount="int64", country="category", count="uint16"), []),
        (TABLE, columns(amount="float64", country="string"), ["count: expected int64, found no such column"]),
        (TABLE, columns(amount="string", country="string", count="int64"), ["amount: expected float64, found string"]),
        (TABLE, columns(amount="float64", country="string", count="float64"), ["count: expected int64, found float64"]),
        (TABLE, columns(amount="float64", country="int64", count="int64"), ["country: expected string, found int64"]),
        (columns(a="float64", b="int64"), array("float32", 2), []),
        (columns(a="float64", b="int64"), array("float32", 3), ["input: expected 2 columns, found 3 columns"]),
        (columns(a="float64", b="string"), array("float32", 2), ["b: expected string, found float32"]),
        (columns(a="float64", b="string"), array("object", 2), []),
        (array("float32", 2), columns(x="float64", y="int64"), []),
        (array("float32", 2), columns(x="float64"), ["input: expected 2 columns, found 1 columns"]),
        (array("float32", 2), columns(x="float64", y="string"), ["y: expected float32, found string"]),
        (array("float32", 3, 4), array("float64", 3, 4, name="x"), []),
        (array("float32", 3, 4), array("float64", 3, 5), ["input: expected shape (any, 3, 4), found shape (any, 3, 5)"]),
        (array("float32", "height", None), array("float32", 3, 5), []),
        (array("float32", 3), array("float32"), ["input: expected 3 columns, found 1 columns"]),
        (array("int64", 3, name="ids") + array("int64", 3, name="mask"), array("int64", 3, name="ids"), ["mask: expected int64 of shape (any, 3), found no such column"]),
        ([], TABLE, []),
        (TABLE, [], []),
    ],
)  # fmt: skip
def test_what_fits(expected: Any, found: Any, problems: list[str]) -> None:
    assert [str(p) for p in check_inputs({"inputs": expected}, found)] == problems


def test_families() -> None:
    for family, words in {
        "integer": "int64 Int32 uint8 int intp",
        "number": "float32 Float64 double decimal(10,2) torch.float16 bfloat16",
        "text": "str string string[pyarrow] large_string <U7 category Categorical(ordering='lexical') utf8",
        "time": "datetime64[ns] timestamp[us] Datetime(time_unit='us') date",
        "true or false": "bool boolean bool_",
        "anything": "object null",
    }.items():
        assert {family_of(word) for word in words.split()} == {family}
    assert not fits("int64", "bool")
    assert fits("my_type", "MY_TYPE")


def test_only_the_first_problems_are_said() -> None:
    problems = check_inputs({"inputs": columns(**{f"c{n}": "int64" for n in range(9)})}, columns(x="int64"))
    assert say_problems(problems).endswith("; and 4 more")


@pytest.mark.parametrize(
    "entries", [3, "text", [3], [{"name": "a"}], [{"name": "a", "dtype": "x", "shape": [1.5]}]]
)
def test_unlawful_entries(entries: Any) -> None:
    assert not lawful_entries(entries)
