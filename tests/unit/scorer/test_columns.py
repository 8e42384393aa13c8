"""What a request may hold: each refusal names the column, the row and the type, and no hostile tensor gets through."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.scorer.columns import Columns, Given
from modelyard.scorer.frames import JSON, PACKED
from modelyard.scorer.refusals import Refusal


def table(**columns: str) -> dict[str, Any]:
    return {"inputs": [{"name": name, "dtype": dtype, "shape": [None]} for name, dtype in columns.items()]}


NUMBERS = table(age="float64", income="float64")
MIXED = table(age="int64", name="object", city="string", ok="bool", when="datetime64[ns]", part="float32")
GOOD = {"age": 4, "name": 1.5, "city": "Ulm", "ok": True, "when": "2026-01-31T12:00:00", "part": 0.5}


def refused(columns: Columns, rows: list[Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        columns.from_rows(rows)
    return caught.value


def tried(read: Callable[..., Any], *arguments: Any) -> Any:
    """The inputs, or the status of the refusal; nothing else may be raised."""
    try:
        return read(*arguments)
    except Refusal as refusal:
        return refusal.status


def test_columns_of_one_type_become_one_matrix_in_any_form() -> None:
    columns = Columns(NUMBERS)
    wanted = struct.pack("<4d", 1, 2, 3, 4)
    forms = [
        columns.from_rows([{"income": 2, "age": 1}, [3.0, 4]]),
        columns.from_split(["income", "age"], [[2, 1], [4, 3]]),
        columns.from_mapping({"age": [1, 3], "income": [2, 4]}),
        columns.from_tensors([Given("x", "float64", (2, 2), wanted)]),
        columns.from_tensors([Given("x", "int32", (2, 2), [1, 2, 3, 4])]),
        columns.from_tensors([Given("income", "float32", (2, 1), [2, 4]), Given("age", "int64", (2,), [1, 3])]),
    ]
    assert {form.tensors[0].data for form in forms} == {wanted}
    assert len({form.key for form in forms}) == 1, "all of them can share a batch"


def test_columns_of_several_types_stay_columns() -> None:
    found = Columns(MIXED).from_rows([GOOD, {**GOOD, "age": -7}])
    assert [(tensor.dtype, tensor.values()) for tensor in found.tensors] == [
        ("int64", [4, -7]),
        (JSON, [1.5, 1.5]),
        (JSON, ["Ulm", "Ulm"]),
        ("bool", [True, True]),
        (JSON, ["2026-01-31T12:00:00"] * 2),
        ("float32", [0.5, 0.5]),
    ]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("age", 4.0, "wrong_type"),
        ("age", True, "wrong_type"),
        ("age", "4", "wrong_type"),
        ("age", None, "wrong_type"),
        ("age", 2**63, "out_of_range"),
        pytest.param("age", 10**5000, "out_of_range", id="digits"),
        ("part", 1e39, "out_of_range"),
        ("part", 10**400, "out_of_range"),
        ("part", math.nan, "wrong_type"),
        ("part", math.inf, "wrong_type"),
        ("part", "0.5", "wrong_type"),
        ("ok", 1, "wrong_type"),
        ("city", 3, "wrong_type"),
        ("city", ["a"], "wrong_type"),
        ("name", {"a": 1}, "wrong_type"),
        ("when", "yesterday", "wrong_type"),
        ("when", 3, "wrong_type"),
    ],
)
def test_a_wrong_value_is_named(column: str, value: Any, code: str) -> None:
    refusal = refused(Columns(MIXED), [GOOD, {**GOOD, column: value}])
    assert (refusal.status, refusal.code, refusal.column, refusal.row) == (400, code, column, 1)
    assert f"row 1, column '{column}'" in refusal.text


@pytest.mark.parametrize("value", [10**400, "a", [1], None, True])
def test_a_wrong_value_of_a_matrix_is_named(value: Any) -> None:
    refusal = refused(Columns(NUMBERS), [[1, 2], {"age": 1, "income": value}])
    assert (refusal.status, refusal.column, refusal.row) == (400, "income", 1)


def test_missing_values_are_taken_where_the_model_takes_them() -> None:
    (tensor,) = Columns(NUMBERS, missing=True).from_rows([[None, 1.0]]).tensors
    assert math.isnan(tensor.values()[0])
    nan = struct.pack("<2d", math.nan, 1)
    assert Columns(NUMBERS, missing=True).from_tensors([Given("x", "float64", (1, 2), nan)]).rows == 1
    with pytest.raises(Refusal, match="row 0, column 'age': expected a number"):
        Columns(NUMBERS).from_tensors([Given("x", "float64", (1, 2), nan)])
    with pytest.raises(Refusal, match="row 1, column 'income': expected number"):
        Columns(NUMBERS).from_tensors([Given("x", "float64", (2, 2), [1, 2, 3, "4"])])


def test_rows_have_a_number() -> None:
    columns = Columns(NUMBERS, max_rows=2)
    assert refused(columns, []).code == "no_rows"
    assert (refused(columns, [[1, 2]] * 3).status, refused(columns, [[1, 2]] * 3).code) == (413, "too_large")
    assert refused(columns, [[1, 2, 3]]).row == 0
    assert refused(columns, ["text"]).code == "wrong_type"
    fixed = Columns({"inputs": [{"name": "x", "dtype": "float32", "shape": [2, 3]}]})
    assert refused(fixed, [[1, 2, 3]]).code == "wrong_shape"
    assert fixed.from_rows([[1, 2, 3], [4, 5, 6]]).rows == 2


def test_arrays_keep_their_shape() -> None:
    columns = Columns({"inputs": [{"name": "image", "dtype": "float32", "shape": [None, 2, None]}]})
    found = columns.from_rows([[[1, 2, 3], [4, 5, 6]], {"image": [[7, 8, 9], [0, 1, 2]]}])
    assert found.tensors[0].tail == (2, 3)
    assert found.tensors[0].nested()[1] == [[7, 8, 9], [0, 1, 2]]
    for wrong in ([[[1, 2], [3]]], [[1, 2]], [[[1], [2], [3]]], [[[1, [2]], [3, 4]]], [[]]):
        assert refused(columns, wrong).status == 400
    with pytest.raises(Refusal, match="expected rows of shape"):
        columns.from_tensors([Given("image", "float32", (1, 3, 3), [0.0] * 9)])


def test_without_a_signature_rows_of_numbers_are_taken() -> None:
    columns = Columns(None, features=3)
    assert columns.from_rows([[1, 2, 3]]).tensors[0].tail == (3,)
    assert refused(columns, [[1, 2]]).code == "wrong_shape"
    assert "no signature" in refused(columns, [{"a": 1}]).text
    assert Columns(None).from_tensors([Given("x", "int64", (2, 2), [1, 2, 3, 4])]).rows == 2


def test_a_made_up_row_fits() -> None:
    for signature, is_decisive in ((NUMBERS, True), (MIXED, False)):
        columns = Columns(signature)
        blank = columns.blank()
        assert blank is not None
        inputs, decisive = blank
        assert (inputs.rows, decisive) == (1, is_decisive)
        assert inputs.key == columns.from_rows([GOOD] if signature is MIXED else [[1, 2]]).key
    assert Columns(None).blank() is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=7)
    ),
    max_leaves=12,
)
SIGNATURES = st.sampled_from(
    [NUMBERS, MIXED, None, {"inputs": [{"name": "x", "dtype": "float32", "shape": [None, 2]}]}, table(a="bool")]
)


@given(SIGNATURES, st.lists(VALUES, max_size=4), st.booleans())
def test_rows_of_any_kind_are_packed_or_refused(signature: Any, rows: list[Any], missing: bool) -> None:
    columns = Columns(signature, missing=missing)
    for read in (columns.from_rows, partial(columns.from_split, ["age", "income"])):
        found = tried(read, rows)
        assert found in (400, 413) or {tensor.rows for tensor in found.tensors} == {len(rows)}


@given(
    SIGNATURES,
    st.sampled_from([*PACKED, JSON]),
    st.lists(st.integers(0, 3), max_size=3),
    st.lists(st.integers() | st.floats() | st.text(max_size=2) | st.none(), min_size=1, max_size=12),
)
def test_tensors_of_any_kind_are_packed_or_refused(
    signature: Any, dtype: str, shape: list[int], values: list[Any]
) -> None:
    count = math.prod(shape)
    given_ = Given("x", dtype, tuple(shape), (values * (count + 1))[:count])
    found = tried(Columns(signature).from_tensors, [given_])
    assert found in (400, 413) or {tensor.rows for tensor in found.tensors} == {shape[0]}
