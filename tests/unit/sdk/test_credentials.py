"""Where tokens are kept, and to whom they go."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from modelyard.domain.errors import Invalid
from modelyard.sdk import credentials

ONE, TWO = "http://one.example:1", "https://two.example"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("MODELYARD_URL", "MODELYARD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_only_the_owner_may_read_the_file(home: Path) -> None:
    credentials.save(ONE, "mdy_user_secret", "ann", make_default=False)
    assert stat.S_IMODE((home / "credentials.json").stat().st_mode) == 0o600
    (home / "credentials.json").chmod(0o644)
    credentials.save(TWO, "mdy_user_secret", "ann", make_default=False)
    assert stat.S_IMODE((home / "credentials.json").stat().st_mode) == 0o600
    assert not list(home.glob(".credentials-*"))


def test_the_first_server_is_the_default_one_until_another_is_made_it() -> None:
    assert credentials.choose(None, None) == (credentials.DEFAULT_URL, None)
    credentials.save(ONE, "t1", "ann", make_default=False)
    credentials.save(TWO, "t2", "ann", make_default=False)
    assert credentials.choose(None, None) == (ONE, "t1")
    credentials.save(TWO, "t2", "ann", make_default=True)
    assert credentials.choose(None, None) == (TWO, "t2")
    assert credentials.forget(TWO)
    assert not credentials.forget(TWO)
    assert credentials.choose(None, None) == (ONE, "t1")


def test_a_stored_token_goes_to_its_own_server_alone() -> None:
    credentials.save(ONE, "t1", "ann", make_default=True)
    assert credentials.choose(TWO, None) == (TWO, None)


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.save(ONE, "t1", "ann", make_default=True)
    monkeypatch.setenv("MODELYARD_URL", TWO)
    monkeypatch.setenv("MODELYARD_TOKEN", "t2")
    assert credentials.choose(None, None) == (TWO, "t2")
    assert credentials.choose(ONE, "t3") == (ONE, "t3")


def test_a_damaged_file_is_named_without_its_contents(home: Path) -> None:
    credentials.save(ONE, "mdy_user_secret", "ann", make_default=True)
    (home / "credentials.json").write_text('{"servers": {"mdy_user_secret": 5}}')
    with pytest.raises(Invalid) as refused:
        credentials.load()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://user:pw@host", "http://host?x=1"])
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        credentials.choose(url, None)


def test_a_token_shows_in_no_repr() -> None:
    credentials.save(ONE, "mdy_user_secret", "ann", make_default=True)
    assert "secret" not in repr(credentials.load())
