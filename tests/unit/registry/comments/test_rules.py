"""Mentions and valid bodies, as tables."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import Invalid
from modelyard.registry.comments.rules import LONGEST_BODY, check_body, mentions


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("@ada please look", ["ada"]),
        ("(@ada), @bob: @ada!", ["ada", "bob"]),
        ("@Ada", ["ada"]),
        ("@ml-team.risk.", ["ml-team.risk"]),
        ("mail ada@example.org", []),
        ("@@ada", []),
        ("`@ada` and ```\n@bob\n```", []),
        ("```\n@bob", []),
        ("fraud/scorer@champion", []),
        ("https://x.test/@ada", []),
        ("@", []),
        ("> @ada said", ["ada"]),
        (" ".join(f"@u{n}" for n in range(50)), [f"u{n}" for n in range(20)]),
    ],
)
def test_whom_a_text_mentions(body: str, names: list[str]) -> None:
    assert mentions(body) == names


@pytest.mark.parametrize("body", ["", " \n", "x" * (LONGEST_BODY + 1), "a\x00b", "\x1b[31mred"])
def test_unlawful_bodies(body: str) -> None:
    with pytest.raises(Invalid):
        check_body(body)


def test_the_text_is_kept_as_written() -> None:
    assert check_body(" <script>alert(1)</script>\n**b** ") == "<script>alert(1)</script>\n**b**"
