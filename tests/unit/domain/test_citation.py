"""The citation in a card, and the one that is made without."""

from __future__ import annotations

import pytest

from modelyard.domain.citation import Citation, citation_in, make_citation

ENTRY = "@article{doe2026,\n  title = {A {Nested} Title},\n  year = 2026\n}"
SENTENCE = "Doe, J. (2026). A nested title."


@pytest.mark.parametrize(
    ("card", "found"),
    [
        (f"# M\n\n## Citation\n\n{SENTENCE}\n\n## Ethics\nnone", Citation(SENTENCE, "")),
        (f"# M\n## Citation\n\n**BibTeX:**\n\n```bibtex\n{ENTRY}\n```\n", Citation("", ENTRY)),
        (f"## How to cite\n**APA:**\n\n{SENTENCE}\n### BibTeX\n```\n{ENTRY}\n```", Citation(SENTENCE, ENTRY)),
        (f"## Citation Information\n{ENTRY}\n\n{ENTRY}", Citation("", f"{ENTRY}\n\n{ENTRY}")),
        (f"## Citing\nSee below.\n{ENTRY}\nThank you.", Citation("See below.\nThank you.", ENTRY)),
        ("## Citation\n@misc{open, title = {never closed}", Citation("@misc{open, title = {never closed}", "")),
        ("## Citation\n\n[More Information Needed]\n", None),
        ("## Citation\n<!-- how? -->\n", None),
        ("## Excitation\nwords\n## Limitations\nCite: nothing", None),
        ("", None),
    ],
)
def test_what_a_card_says(card: str, found: Citation | None) -> None:
    assert citation_in(card) == found


def test_a_hostile_card_is_read_in_a_bounded_way() -> None:
    found = citation_in("## Citation\n" + "@a{" * 100_000)
    assert found is not None
    assert found.bibtex == ""
    assert len(found.text) <= 20_000


def test_one_is_made_and_its_markup_is_escaped() -> None:
    made = make_citation(
        model="fraud/scorer",
        title="50% {better} & $cheap_er",
        authors=["ann", "risk team"],
        version="2.1.0",
        year=2026,
        digest="sha256:ab",
        url="https://r.example.org/models/fraud/scorer/versions/3",
    )
    assert made.text == (
        "ann, risk team (2026). 50% {better} & $cheap_er (version 2.1.0) [Model fraud/scorer]. "
        "https://r.example.org/models/fraud/scorer/versions/3. sha256:ab"
    )
    assert made.bibtex.startswith("@misc{fraud-scorer-2-1-0,\n")
    assert r"title = {{50\% \{better\} \& \$cheap\_er}}" in made.bibtex
    assert "author = {{ann} and {risk team}}" in made.bibtex
    assert citation_in(f"## Citation\n{made.bibtex}") == Citation("", made.bibtex)
