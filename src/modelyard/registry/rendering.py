"""Markdown of users as HTML that may stand in a page: no markup of their own, no scripts, no foreign images.

Markdown's own rules let a small text take minutes or become a hundred times as large, so it is rendered in a
process of its own (`rendering_process`), for a time in proportion to the text. A text that takes longer, or becomes
too large, is shown as it was written. Decision record: docs/decisions/0023-bounds-and-budgets.md.
"""

from __future__ import annotations

import hashlib
import html
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from modelyard.registry.line_process import LineProcess

MAX_MARKDOWN = 256 * 1024
"""Characters; what is longer is shown as it was written."""
PAGE_SECONDS = 0.5
"""For all texts of one page together; those that are left over are shown as they were written."""
_BASE_SECONDS = 0.08
_SECONDS_PER_CHARACTER = 6e-6
"""Of processor time. Ordinary text takes 1e-6 on a fast machine, and lists in it three times as much on a slow one."""
_PATIENCE = 10.0
"""A busy machine gives a process its seconds of processor time this much later."""
_LARGEST_FACTOR = 20
_LARGEST_BASE = 16 * 1024
_CACHE_BYTES = 16 << 20


def plain_html(text: str) -> str:
    """The text as it was written."""
    return f"<pre>{html.escape(text, quote=False)}</pre>\n"


class _Renderer:
    """Safe in threads: one text at a time. Remembers what it made, up to a number of bytes."""

    def __init__(self) -> None:
        self._process = LineProcess("modelyard.registry.rendering_process")
        self._lock = threading.Lock()
        self._made: OrderedDict[bytes, str] = OrderedDict()
        self.cached_bytes = 0

    def render(self, text: str) -> str:
        if len(text) > MAX_MARKDOWN:
            return plain_html(text)
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).digest()
        with self._lock:
            made = self._made.get(key)
            if made is None:
                made = self._render(text)
                self._keep(key, made)
            if key in self._made:
                self._made.move_to_end(key)
            return made

    def _render(self, text: str) -> str:
        most = len(text) * _LARGEST_FACTOR + _LARGEST_BASE
        try:
            seconds = _BASE_SECONDS + len(text) * _SECONDS_PER_CHARACTER
            answer = self._process.ask({"text": text, "seconds": seconds, "most": most}, seconds * _PATIENCE)
        except (OSError, ValueError):
            return plain_html(text)
        rendered = answer.get("html")
        return rendered if isinstance(rendered, str) else plain_html(text)

    def _keep(self, key: bytes, made: str) -> None:
        # A character takes up to four bytes in memory.
        size = 4 * len(made)
        if size > _CACHE_BYTES // 4:
            return
        self._made[key] = made
        self.cached_bytes += size
        while self.cached_bytes > _CACHE_BYTES:
            _, oldest = self._made.popitem(last=False)
            self.cached_bytes -= 4 * len(oldest)


_shared = _Renderer()


def render_markdown(text: str) -> str:
    """HTML of at most twenty times the text's length and a little. Takes time: not for the event loop, nor for the
    database's writer. Images are left out: a foreign one tells who reads the page."""
    return _shared.render(text)


def render_page(texts: Sequence[str]) -> list[str]:
    """The texts of one page, in bounded time together."""
    until = time.monotonic() + PAGE_SECONDS
    return [render_markdown(text) if time.monotonic() < until else plain_html(text) for text in texts]
