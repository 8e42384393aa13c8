"""Markdown of users as HTML that may stand in a page: no markup of their own, no scripts, no foreign images."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


@cache
def _renderer() -> Callable[[str], str]:
    # Not before somebody looks: a server starts without it.
    import nh3
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])

    def render(text: str) -> str:
        return nh3.clean(
            markdown.render(text),
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow",
        )

    return render


@lru_cache(256)
def render_markdown(text: str) -> str:
    """Images are left out: a foreign one tells who reads the page."""
    return _renderer()(text)
