"""The template, what is wrong with a card, and its HTML."""

from __future__ import annotations

import pytest

from modelyard.domain.card_sections import card_sections
from modelyard.registry.cards.rules import REQUIRED_SECTIONS, check_card, front_matter_text
from modelyard.registry.cards.template import write_template
from modelyard.registry.rendering import render_markdown
from modelyard.registry.yaml_text import YamlProblem, read_yaml

FACTS = {
    "metrics": [
        {"name": "f1", "value": 0.91, "split": "test", "dataset": "holdout"},
        {"name": "auc", "value": "NaN", "split": "test", "dataset": "holdout"},
        {"name": "loss", "value": 0.2},
    ],
    "data": [{"name": "trans|actions", "digest": "sha256:" + "a" * 64, "rows": 1000, "split": "train"}],
    "params": {"depth": 3, "no": "<script>"},
    "code": {"commit": "abc123"},
    "parents": [{"ref": "fraud/base:1", "relation": "finetune"}],
}


def template(**changes: object) -> str:
    given = {
        "reference": "fraud/scorer:3",
        "title": "Fraud scorer",
        "task": "tabular-classification",
        "description": "",
        "tags": {"team": "risk", "no": ""},
        "facts": FACTS,
        "said": {"framework": "scikit-learn", "licence": "Apache-2.0"},
        "missing": ["image"],
    }
    return write_template(**(given | changes))  # type: ignore[arg-type]


def test_the_template_says_what_is_known_in_standard_front_matter() -> None:
    text = template()
    front = read_yaml(front_matter_text(text) or "").value
    assert front["license"] == "apache-2.0"
    assert front["library_name"] == "sklearn"
    assert front["tags"] == ["team:risk", "no"]
    assert front["datasets"] == ["trans|actions"]
    assert (front["base_model"], front["base_model_relation"]) == (["fraud/base:1"], "finetune")
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"] == {"name": "holdout", "type": "holdout", "split": "test"}
    # A value that is not finite is no result; it stands in the table.
    assert result["metrics"] == [{"type": "f1", "value": 0.91}]
    sections = card_sections(text)
    assert set(REQUIRED_SECTIONS) <= set(sections)
    assert sections["performance"] > 5
    assert sections["limitations"] == sections["ethics"] == 0
    assert "trans\\|actions" in text
    assert "<script>" not in text


def test_a_template_of_nothing_has_every_section_and_no_front_matter() -> None:
    text = template(facts={}, said={}, task=None, tags={})
    assert front_matter_text(text) is None
    assert set(REQUIRED_SECTIONS) <= set(card_sections(text))
    assert [p.where for p in check_card(text)] == [*REQUIRED_SECTIONS, "front matter"]


@pytest.mark.parametrize(
    ("card", "problems"),
    [
        ("---\nlicense: mit\n---\n# Purpose\nscores each transaction\n", []),
        ("# Purpose\nscores each transaction\n", [("front matter", "missing")]),
        ("---\nlicense: mit\n---\n# Purpose\n<!-- only a hint here -->\n", [("purpose", "empty")]),
        ("---\nlicense: mit\n---\n# Purpose\nscores\n", [("purpose", "only 1 words")]),
        ("---\nlicense: mit\n---\n", [("purpose", "missing")]),
        ("---\ntags: a\n---\n# Purpose\na b c\n", [("license", "missing")]),
        ("---\nlicense: 3\n---\n# Purpose\na b c\n", [("license", "it is not a text")]),
        ("---\nlicense: mit\ntags: [a, 2]\n---\n# Purpose\na b c\n", [("tags", "an entry is not a text")]),
        ("---\nlicense: mit\na: &x [*x]\n---\n# Purpose\na b c\n", [("front matter", "line 3: anchors")]),
        ("---\nlicense: mit\nlicense: mit\n---\n# Purpose\na b c\n", [("front matter", "line 3: the key")]),
        ("---\n- a\n---\n# Purpose\na b c\n", [("front matter", "it is not a mapping")]),
    ],
)
def test_problems(card: str, problems: list[tuple[str, str]]) -> None:
    found = check_card(card, ["purpose"])
    assert [p.where for p in found] == [where for where, _ in problems]
    assert all(p.what.startswith(what) for p, (_, what) in zip(found, problems, strict=True))


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](https://elsewhere.example/seen.png)",
        "<svg onload=alert(1)>",
        "<a href='vbscript:x'>x</a>",
        "[x]: javascript:alert(1)\n[x]",
        "<iframe src=//elsewhere.example>",
        "`<script>`",
    ],
)
def test_html_is_inert(attack: str) -> None:
    html = render_markdown(f"# Title\n\n{attack}\n")
    assert html.startswith("<h1>Title</h1>")
    assert "<script" not in html
    assert "<img" not in html
    assert "<svg" not in html
    assert "<iframe" not in html
    assert 'href="javascript' not in html
    assert 'href="data' not in html


def test_html_keeps_tables_and_links() -> None:
    html = render_markdown("| a | b |\n| --- | --- |\n| 1 | [x](https://example.org) |\n")
    assert "<td>1</td>" in html
    assert 'href="https://example.org"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_an_alias_bomb_is_refused_and_not_expanded() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(YamlProblem):
        read_yaml(bomb)
