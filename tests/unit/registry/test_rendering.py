"""Rendering of hostile markdown: bounded in time, in output and in what is remembered."""

from __future__ import annotations

import time

import pytest

from modelyard.domain.card_sections import card_sections
from modelyard.registry import rendering
from modelyard.registry.rendering import MAX_MARKDOWN, render_markdown, render_page

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


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_markdown_costs_this_process_little(what: str) -> None:
    text = HOSTILE[what][:MAX_MARKDOWN]
    render_markdown("the process is there")
    started = time.process_time()
    html = render_markdown(text)
    assert time.process_time() - started < 0.1
    assert len(html) <= 20 * len(text) + 16 * 1024
    assert "<script" not in html


@pytest.mark.parametrize("what", HOSTILE)
def test_sections_of_hostile_markdown(what: str) -> None:
    """Against a text of the same length without any structure."""
    text = HOSTILE[what]

    def seconds(of: str) -> float:
        started = time.process_time()
        card_sections(of)
        return time.process_time() - started

    plain = max(seconds("word and word\n" * (len(text) // 14)), 0.002)
    assert seconds(text) < 50 * plain


def test_what_takes_too_long_is_shown_as_it_was_written() -> None:
    text = HOSTILE["table of empty cells"]
    assert render_markdown(text).startswith("<pre>|a|a")
    assert render_markdown("<b>&" * (MAX_MARKDOWN // 2)).startswith("<pre>&lt;b&gt;&amp;")


def test_a_long_honest_card_is_rendered() -> None:
    section = "# Purpose\n\nSome **words**, a [link](https://example.org) and `code`.\n\n- one\n- two\n\n"
    html = render_markdown(section * 500)
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
    try:
        for number in range(40):
            renderer.render(f"{number} " + "x" * 250_000)
        assert 0 < renderer.cached_bytes <= rendering._CACHE_BYTES
        assert renderer.cached_bytes == sum(4 * len(made) for made in renderer._made.values())
    finally:
        renderer._process.stop()
