"""Rendering of hostile markdown: bounded in time, in output and in what is remembered."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from modelyard.domain.card_sections import card_sections
from modelyard.registry import rendering
from modelyard.registry.rendering import MAX_MARKDOWN, render_markdown, render_page

HONEST = "# Purpose\n\nSome **words**, a [link](https://example.org) and `code`.\n\n- one\n- two\n\n"
HOSTILE = {
    "table of empty cells": "|a" * 500 + "\n" + "|-" * 500 + "\n" + "|x\n" * 6000,
    "heading of signs": "# a" + "#" * 60_000,
    "brackets": "[" * 100_000,
    "links in links": "[a](" * 25_000,
    "quotes": ">" * 100_000,
    "quotes in lines": ("> " * 500 + "a\n") * 100,
    "lists": "- " * 50_000,
    "nested lists": "".join(" " * n + "- a\n" for n in range(600)),
    "backticks of all lengths": "".join("`" * n + "a" for n in range(400)),
    "emphasis": "*a **b " * 15_000,
    "tags": "<" * 100_000,
    "underscores": "_a__" * 25_000,
    "references": "[a]: x\n" * 15_000 + "[a]" * 10_000,
    "images": "![" * 50_000,
    "entities": "&amp" * 25_000,
    "strikes": "~~a~ " * 20_000,
}


def _seconds(work: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    work(text)
    return time.process_time() - started


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_markdown_takes_time_in_proportion(what: str) -> None:
    """Against honest markdown of the same length."""
    text = HOSTILE[what][:MAX_MARKDOWN]
    honest = max(_seconds(rendering._render, HONEST * (len(text) // len(HONEST))), 0.005)
    assert _seconds(rendering._render, text) < 20 * honest
    html = render_markdown(text)
    assert len(html) <= 20 * len(text) + 16 * 1024
    assert "<script" not in html


@pytest.mark.parametrize("what", HOSTILE)
def test_sections_of_hostile_markdown(what: str) -> None:
    """Against a text of the same length without any structure."""
    text = HOSTILE[what]
    plain = max(_seconds(card_sections, "word and word\n" * (len(text) // 14)), 0.002)
    assert _seconds(card_sections, text) < 50 * plain


def test_a_table_far_larger_than_its_text_is_shown_as_text() -> None:
    html = render_markdown(HOSTILE["table of empty cells"])
    assert html.startswith("<p>|a|a")
    assert "<table>" in render_markdown("|a|b|\n|-|-|\n|1|2|\n")


def test_what_becomes_too_large_is_shown_as_it_was_written() -> None:
    assert render_markdown(">" * 20_000).startswith("<pre>&gt;&gt;")
    assert render_markdown("<b>&" * (MAX_MARKDOWN // 2)).startswith("<pre>&lt;b&gt;&amp;")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a <b>bold</b> word", "<p>a &lt;b&gt;bold&lt;/b&gt; word</p>"),
        ("<div align=center>\nkept words\n</div>", "&lt;div align=center&gt;\nkept words\n&lt;/div&gt;"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<!-- a remark -->", "&lt;!-- a remark --&gt;"),
        ("`<b>` and 1 < 2", "<code>&lt;b&gt;</code> and 1 &lt; 2"),
        ("```\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>"),
        ("\ue000script>", "\ufffdscript&gt;"),
        ("<https://example.org/a>", 'href="https://example.org/a"'),
        ("<ada@example.org>", 'href="mailto:ada@example.org"'),
        ("[a](javascript:alert(1))", ">a</a>"),
        ("![i](http://example.org/i.png)", "<p></p>"),
    ],
)
def test_markup_of_a_text_is_shown_and_never_taken(text: str, shown: str) -> None:
    html = render_markdown(text)
    assert shown in html
    assert not re.search(r"<(b|div|script|img|!--)", html)
    assert "javascript" not in html


def test_a_long_honest_card_is_rendered() -> None:
    html = render_markdown(HONEST * 500)
    assert html.count("<h1>") == 500


def test_the_texts_of_a_page_share_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def slow(text: str) -> str:
        asked.append(text)
        time.sleep(0.2)
        return "made"

    monkeypatch.setattr(rendering, "render_markdown", slow)
    made = render_page([f"text {n}" for n in range(50)])
    assert len(made) == 50
    assert 1 <= len(asked) <= 4
    assert made[-1] == "<pre>text 49</pre>\n"


def test_what_is_remembered_is_bounded_in_bytes() -> None:
    renderer = rendering._Renderer()
    for number in range(40):
        renderer.render(f"{number} " + "x" * 250_000)
    assert 0 < renderer.cached_bytes <= rendering._CACHE_BYTES
    assert renderer.cached_bytes == sum(4 * len(made) for made in renderer._made.values())
