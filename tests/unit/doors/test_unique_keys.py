"""A body in which an object has a key twice is refused, however it is written."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelyard.domain.errors import InvalidRequest
from modelyard.doors.parsing import parse_body


class Anything(msgspec.Struct):
    value: Any


class Pairs(list[tuple[str, Any]]):
    """An object of JSON, whose keys may repeat."""


TEXTS = st.text(st.sampled_from('a1":,{}[]\\\u00e9 '), max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(TEXTS, inner), max_size=3).map(Pairs),
    max_leaves=8,
)


def written(value: Any, space: str, *, escaped: bool) -> str:
    if isinstance(value, Pairs):
        inner = ",".join(
            f"{space}{written(k, '', escaped=escaped)}{space}:{written(v, space, escaped=escaped)}"
            for k, v in value
        )
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{','.join(written(each, space, escaped=escaped) for each in value)}]"
    if isinstance(value, str) and escaped:
        return '"' + "".join(["\\u" + format(ord(each), "04x") for each in value]) + '"'
    return json.dumps(value, ensure_ascii=False)


def repeats(value: Any) -> bool:
    if isinstance(value, Pairs):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(repeats(each) for _, each in value)
    return isinstance(value, list) and any(repeats(each) for each in value)


@given(VALUES, st.sampled_from(["", " ", "\n\t"]), st.booleans(), st.sampled_from([0, 2000]))
@example(Pairs([("a", 1), ("a", "")]), "", False, 0)
@example(Pairs([("a", Pairs([("b", 1), ("b", 2)])), ("a", 1)]), " ", False, 0)
@example([Pairs([('"a', '":"'), ('"a', 1)])], "", True, 0)
@example(Pairs([("a", [1, -2.5e9]), ("a", [1])]), "", False, 2000)
@example(Pairs([("a", "[1"), ("1]", Pairs([("[1,1]", 1), ("[1,1]", [])]))]), "", False, 2000)
def test_a_repeated_key_is_refused_and_no_other(value: Any, space: str, escaped: bool, numbers: int) -> None:
    other = f',"other":{[0.5] * numbers}' if numbers else ""
    raw = f'{{"value":{written(value, space, escaped=escaped)}{other}}}'.encode()
    if repeats(value):
        with pytest.raises(InvalidRequest, match="twice in one object"):
            parse_body(raw, Anything)
    else:
        assert parse_body(raw, Anything).value == json.loads(raw)["value"]


@pytest.mark.parametrize("unknown", ["1e999", "[" * 300 + "]" * 300, "1" * 400])
def test_what_the_type_skips_may_be_anything(unknown: str) -> None:
    assert parse_body(f'{{"other":{unknown},"value":1}}'.encode(), Anything).value == 1
