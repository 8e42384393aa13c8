"""Render users' Markdown as HTML that is safe in a page: no raw HTML, no scripts, no foreign images.

CommonMark's C library renders the text in nearly linear time, and lets other threads run meanwhile. A text whose HTML
would be too large is shown as written.
Decision record: docs/decisions/0023-bounds-and-budgets.md.
"""

from __future__ import annotations

import hashlib
import html
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

MAX_MARKDOWN = 256 * 1024
"""Characters; a longer text is shown as written."""
PAGE_SECONDS = 0.5
"""For all texts of one page together; the remaining ones are shown as written."""
_LARGEST_FACTOR = 20
_LARGEST_BASE = 16 * 1024
_MOST_CELLS = 50_000
"""A table's short rows are filled up to its width, so a small text can become a large table."""
_CACHE_BYTES = 16 << 20

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_MARKUP = re.compile(
    r"<(?=[A-Za-z/!?])(?![A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*>)(?![A-Za-z0-9.+_-]{1,64}@[^\s<>]*>)"
)
"""The start of HTML in Markdown; not that of an address in angle brackets. Source: CommonMark 0.31, section 6.6."""
_LESS_THAN = "\ue000"
"""Replaces a `<` of the text until the rest is rendered."""


def plain_html(text: str) -> str:
    """Return the text as written, as HTML."""
    return f"<pre>{html.escape(text, quote=False)}</pre>\n"


def _render(text: str) -> str:
    # Imported here, because a server that renders no text needs neither.
    import nh3
    from cmarkgfm import markdown_to_html_with_extensions

    text = text.encode("utf-8", "replace").decode().replace(_LESS_THAN, "\ufffd")
    lines = text.split("\n")
    has_small_tables = max(line.count("|") for line in lines) * len(lines) <= _MOST_CELLS
    extensions = ["strikethrough", "table"] if has_small_tables else ["strikethrough"]
    # HTML is shown as written; the library would drop it together with the words inside.
    rendered = markdown_to_html_with_extensions(_MARKUP.sub(_LESS_THAN, text), 0, extensions)
    rendered = rendered.replace(_LESS_THAN, "&lt;")
    if len(rendered) > len(text) * _LARGEST_FACTOR + _LARGEST_BASE:
        return plain_html(text)
    return nh3.clean(
        rendered,
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


class _Renderer:
    """A renderer, safe in threads, which caches its results up to a number of bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[bytes, str] = OrderedDict()
        self.cached_bytes = 0

    def render(self, text: str) -> str:
        if len(text) > MAX_MARKDOWN:
            return plain_html(text)
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).digest()
        with self._lock:
            made = self._made.get(key)
            if made is not None:
                self._made.move_to_end(key)
                return made
        made = _render(text)
        with self._lock:
            self._keep(key, made)
        return made

    def _keep(self, key: bytes, made: str) -> None:
        # A character uses up to four bytes in memory.
        size = 4 * len(made)
        if size > _CACHE_BYTES // 4 or key in self._made:
            return
        self._made[key] = made
        self.cached_bytes += size
        while self.cached_bytes > _CACHE_BYTES:
            _, oldest = self._made.popitem(last=False)
            self.cached_bytes -= 4 * len(oldest)


_shared = _Renderer()


def render_markdown(text: str) -> str:
    """Return HTML of at most about twenty times the text's length. It takes time, so never call it on the event loop or
    in the database's writer. Images are omitted, because a foreign one reveals the readers of the page."""
    return _shared.render(text)


def render_page(texts: Sequence[str]) -> list[str]:
    """Render the texts of one page, in bounded time together."""
    until = time.monotonic() + PAGE_SECONDS
    return [render_markdown(text) if time.monotonic() < until else plain_html(text) for text in texts]
