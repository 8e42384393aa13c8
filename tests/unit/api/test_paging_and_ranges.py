"""Cursors, ranges, header numbers and the bucket of requests."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.errors import InvalidRequest, RangeNotSatisfiable
from modelyard.doors.paging import cut, decode_cursor, encode_cursor
from modelyard.doors.parsing import digits
from modelyard.doors.ranges import parse_range

COLUMN = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text().filter(lambda text: "\0" not in text)


@given(COLUMN, TEXT)
def test_a_cursor_comes_back_as_it_was(number: int, text: str) -> None:
    cursor = encode_cursor(number, text)
    assert decode_cursor(cursor, int, str) == (number, text)
    with pytest.raises(InvalidRequest):
        decode_cursor(cursor, int)
    with pytest.raises(InvalidRequest):
        decode_cursor(cursor, str, int)


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused_as_no_cursor(text: str) -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(text, int, int, int, int, int)


@pytest.mark.parametrize("key", [[2**63], [True], [1.0], [None], ["a\0b"], {"a": 1}, 5])
def test_keys_that_no_column_holds(key: object) -> None:
    import json

    cursor = base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")
    for wanted in (int, str):
        with pytest.raises(InvalidRequest):
            decode_cursor(cursor, wanted)


def test_the_last_page_has_no_cursor() -> None:
    assert cut([1, 2, 3], 3, lambda n: (n,)) == ([1, 2, 3], None)
    assert cut([1, 2, 3, 4], 3, lambda n: (n,)) == ([1, 2, 3], encode_cursor(3))
    assert cut([], 3, lambda n: (n,)) == ([], None)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=99-", (99, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        (" bytes=5-6 ", (5, 7)),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("Bytes 1-2", None),
        ("lines=1-2", None),
        ("bytes=1-2x", None),
        ("bytes=\u0661-\u0662", None),
        ("bytes=" + "9" * 19 + "-", None),
        ("", None),
    ],
)
def test_ranges(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=5-4", "bytes=-0"])
def test_ranges_outside(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, 100)
    assert caught.value.fields["size_bytes"] == 100


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_has_no_ranges(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("12", 12), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("", None), (None, None), ("-1", None)]
    + [(text, None) for text in ("+1", "1.0", " 1", "\u00b2", "\u0663", "x", "1_000")],
)
def test_numbers_in_headers(text: str | None, expected: int | None) -> None:
    assert digits(text) == expected
