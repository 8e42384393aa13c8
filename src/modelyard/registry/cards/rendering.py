"""A card as HTML that may stand in a page: no markup of the author's own, no scripts, no foreign images."""

from __future__ import annotations

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt

from modelyard.registry.cards.rules import body_text

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@lru_cache(256)
def render_card(text: str) -> str:
    """At most 256 KiB of text, as cards are. Images are left out: a foreign one tells who reads the card."""
    return nh3.clean(
        _markdown.render(body_text(text)),
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
