"""Words for versions of which some files are withheld."""

from __future__ import annotations

import pytest

from modelyard.registry.withheld.refusals import withheld_warning


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, None),
        (1, "1 of its files is withheld and not served; see which with: modelyard show fraud/scorer:3"),
        (2, "2 of its files are withheld and not served; see which with: modelyard show fraud/scorer:3"),
    ],
)
def test_a_warning_says_how_many_and_where_to_look(count: int, words: str | None) -> None:
    assert withheld_warning("fraud/scorer:3", count) == words
