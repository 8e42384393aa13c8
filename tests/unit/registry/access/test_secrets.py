"""Tokens are recognised, passwords are checked, and neither is ever shown."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.errors import Invalid
from modelyard.registry.access import secrets


@pytest.mark.parametrize("kind", ["user", "service"])
def test_a_new_token_is_one(kind: str) -> None:
    token = secrets.new_token(kind)
    assert token.startswith(f"mdy_{kind}_")
    assert secrets.looks_like_token(token)
    assert secrets.new_token(kind) != token


def test_the_form_that_foreign_clients_demand() -> None:
    token = secrets.new_token("user", "hf")
    assert secrets.looks_like_token(token)
    assert len(token) == 43
    assert set(token[3:]) <= set(string.ascii_letters + string.digits)


@given(st.integers(9, 57), st.sampled_from("Az09-_!"))
def test_one_wrong_character_is_noticed_without_a_look_up(place: int, other: str) -> None:
    token = "mdy_user_" + "q" * 43
    token += secrets._checksum(token)
    changed = token[:place] + other + token[place + 1 :]
    assert secrets.looks_like_token(changed) == (changed == token)


@given(st.text())
def test_any_other_text_is_no_token(text: str) -> None:
    assert not secrets.looks_like_token(text)


@pytest.mark.parametrize("form", ["modelyard", "hf"])
def test_tokens_are_masked_and_hinted_at(form: str) -> None:
    token = secrets.new_token("user", form)
    masked = secrets.mask(f"before {token} after, url?token={token}&x=1")
    assert token not in masked
    assert token[12:] not in masked
    assert masked.startswith("before ")
    assert masked.endswith("&x=1")
    hint = secrets.hint(token)
    assert token.startswith(hint.split("…")[0])
    assert len(hint) < 20


def test_only_the_right_password_matches() -> None:
    stored = secrets.hash_password("correct horse battery")
    assert "correct" not in stored
    assert secrets.password_matches(stored, "correct horse battery")
    assert not secrets.password_matches(stored, "correct horse batterz")
    assert not secrets.password_matches(None, "correct horse battery")
    assert secrets.hash_password("correct horse battery") != stored


@pytest.mark.parametrize("password", ["", "short", "x" * 9, "x" * 1025])
def test_passwords_that_are_too_short_or_too_long(password: str) -> None:
    with pytest.raises(Invalid):
        secrets.hash_password(password)
