"""What a card says, section by section."""

from __future__ import annotations

from modelyard.domain.card_sections import card_sections

CARD = """---
license: mit
# Not a heading: front matter
---
Before any heading.
# Purpose
Scores **card** payments.
<!-- a hint
# of the template -->
Intended Use
============
For the fraud team.

```
# not a heading
```
## Ethics ##
"""


def test_sections_and_their_words() -> None:
    assert card_sections(CARD) == {"purpose": 3, "intended use": 7, "ethics": 0}


def test_a_comment_without_end_and_no_heading() -> None:
    assert card_sections("<!-- # Purpose\nwords words") == {}
    assert card_sections("") == {}


def test_headings_are_bounded() -> None:
    assert len(card_sections("\n".join(f"# h{n}" for n in range(5000)))) == 200
