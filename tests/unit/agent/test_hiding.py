"""Secrets are hidden wherever the pieces of a text end."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.agent.hiding import Hidden, HidingStream

SECRETS = [
    "hunter-of-secrets-4711",
    "hunter-of-hares",
    "hunter-of-hares-and-more",
    "first line\nsecond line\nx",
]


def hidden() -> Hidden:
    found = Hidden()
    found.add(SECRETS)
    return found


def in_pieces(text: str, cuts: list[int]) -> str:
    stream, found, at = HidingStream(hidden()), "", 0
    for cut in [*sorted(cuts), len(text)]:
        found += stream.feed(text[at:cut])
        at = max(at, cut)
    return found + stream.rest()


WORDS = st.sampled_from(
    [
        *SECRETS,
        "hunter-of-",
        "-and-more",
        "second line",
        "\n",
        "a",
        "hunter",
        base64.b64encode(SECRETS[0].encode()).decode(),
    ]
)


@settings(max_examples=200)
@given(st.lists(WORDS, max_size=8), st.lists(st.integers(0, 200), max_size=12))
def test_pieces_hide_what_the_whole_hides(words: list[str], cuts: list[int]) -> None:
    text = "".join(words)
    shown = in_pieces(text, [cut for cut in cuts if cut <= len(text)])
    for secret in (*SECRETS, "first line", "second line"):
        assert secret not in shown
    assert shown == hidden().mask(text)


def test_what_is_no_secret_is_shown_at_once() -> None:
    stream = HidingStream(hidden())
    assert stream.feed("epoch 1, loss 0.5") == "epoch 1, loss 0.5"
    assert stream.feed("the hunter") == "the "
    assert stream.feed(" went home") == "hunter went home"
    assert stream.rest() == ""


def test_forms_of_a_secret_are_hidden_and_ordinary_words_are_not() -> None:
    text = f"{base64.urlsafe_b64encode(SECRETS[0].encode()).decode()} x {SECRETS[3].splitlines()[1]}"
    assert hidden().mask(text) == "***== x ***"
    assert hidden().mask_json({"a": [SECRETS[0], 1, None]}) == {"a": ["***", 1, None]}
