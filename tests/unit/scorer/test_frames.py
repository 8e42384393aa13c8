"""Bytes between front and worker: nothing that the other side writes is believed."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.scorer.frames import (
    JSON,
    PREFIX,
    BadFrame,
    Tensor,
    joined,
    lengths,
    pack,
    read_head,
    read_tensors,
)


def split(frame: bytes) -> tuple[dict[str, Any], bytes]:
    head, body = lengths(frame[: PREFIX.size])
    assert len(frame) == PREFIX.size + head + body
    return read_head(frame[PREFIX.size : PREFIX.size + head]), frame[PREFIX.size + head :]


@given(
    st.lists(st.floats(allow_nan=False, width=32), min_size=6, max_size=6),
    st.lists(st.text(max_size=5), min_size=3, max_size=3),
)
def test_tensors_come_out_as_they_went_in(numbers: list[float], texts: list[str]) -> None:
    tensors = [Tensor("x", "float32", (2,), struct.pack("<6f", *numbers)), Tensor("t", JSON, (), texts)]
    head, body = split(pack({"id": 3}, tensors))
    assert head["id"] == 3
    assert read_tensors(head["tensors"], body) == tensors
    assert [tensor.rows for tensor in tensors] == [3, 3]
    assert tensors[0].nested() == [numbers[at : at + 2] for at in (0, 2, 4)]


def test_requests_are_joined_and_parted_by_rows() -> None:
    one = [Tensor("x", "int64", (), struct.pack("<2q", 1, 2)), Tensor("t", JSON, (), ["a", "b"])]
    two = [Tensor("x", "int64", (), struct.pack("<q", 3)), Tensor("t", JSON, (), ["c"])]
    both = joined([one, two])
    assert [tensor.values() for tensor in both] == [[1, 2, 3], ["a", "b", "c"]]
    assert [tensor.part(2, 3) for tensor in both] == two


@pytest.mark.parametrize(
    ("entries", "body"),
    [
        ([["x", "float64", [], 16]], bytes(8)),
        ([["x", "float64", [], 8]], bytes(16)),
        ([["x", "float64", [], -8]], b""),
        ([["x", "float64", [-1], 8]], bytes(8)),
        ([["x", "float64", [3], 8]], bytes(8)),
        ([["x", "float64", [True], 8]], bytes(8)),
        ([["x", "object", [], 8]], bytes(8)),
        ([["x", "float64", [], 8.0]], bytes(8)),
        ([["x", JSON, [], 2]], b"{}"),
        ([["x", JSON, [], 2]], b"[["),
        ([["x", "float64", [], 8], ["y", "float64", [], 8]], bytes(8)),
        ([["x"]], b""),
        (None, b""),
        (7, b""),
    ],
)
def test_tensors_that_do_not_add_up_are_refused(entries: Any, body: bytes) -> None:
    with pytest.raises(BadFrame):
        read_tensors(entries, body)


def test_lengths_have_bounds() -> None:
    with pytest.raises(BadFrame, match="announces"):
        lengths(PREFIX.pack(2**32 - 1, 0))
    for head in (b"[]", b"{", b"[" * 100_000):
        with pytest.raises(BadFrame):
            read_head(head)


@given(
    st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=4)),
    st.binary(max_size=40),
)
def test_no_head_raises_anything_else(entries: Any, body: bytes) -> None:
    try:
        found = read_tensors(json.loads(json.dumps(entries)), body)
    except BadFrame:
        return
    assert sum(0 if tensor.dtype == JSON else len(tensor.data) for tensor in found) <= len(body)
