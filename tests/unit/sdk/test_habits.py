"""Names that people know from other tools lead to the ones that are here, and completion shows what is public."""

from __future__ import annotations

import pytest

import modelyard as my


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("log_model", "my.push"),
        ("start_run", "my.run"),
        ("init", "my.run"),
        ("register_model", "my.push"),
        ("search_runs", "runs.list"),
        ("from_pretrained", "my.load"),
    ],
)
def test_a_name_of_habit_says_what_to_write(name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=words.replace(".", r"\.")):
        getattr(my, name)


def test_an_unknown_name_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
        _ = my.nonsense  # type: ignore[attr-defined]
    assert not hasattr(my, "log_model")


def test_completion_shows_the_public_names_only() -> None:
    assert dir(my) == sorted(my.__all__)
    for name in my.__all__:
        assert getattr(my, name) is not None
