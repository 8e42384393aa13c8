"""The process in which markdown is rendered: a line of JSON in, a line of JSON out."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from typing import Any

from modelyard.registry.line_process import limit_memory

MEMORY_BYTES = 1 << 30
MAX_NESTING = 20
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class _TooMuch(Exception):
    pass


def _stop(_signal: int, _frame: object) -> None:
    raise _TooMuch


def _renderer() -> Callable[[str, int], str]:
    import nh3
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
    markdown = markdown.enable(["table", "strikethrough"])

    def render(text: str, most: int) -> str:
        rendered = markdown.render(text)
        if len(rendered) > most:
            raise _TooMuch
        return nh3.clean(
            rendered,
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow",
        )

    return render


def answer(request: dict[str, Any], render: Callable[[str, int], str]) -> dict[str, Any]:
    """{html}, or nothing for a text that takes more than its seconds of processor time or becomes too large."""
    has_timer = hasattr(signal, "setitimer")
    try:
        try:
            if has_timer:
                signal.setitimer(signal.ITIMER_VIRTUAL, request["seconds"])
            return {"html": render(request["text"], request["most"])}
        finally:
            if has_timer:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except (_TooMuch, MemoryError, RecursionError):
        return {}
    except Exception:  # noqa: BLE001 - whatever a strange text raises in the library is its own fault
        return {}


def main() -> None:
    if hasattr(signal, "SIGVTALRM"):
        signal.signal(signal.SIGVTALRM, _stop)
    render = _renderer()
    render("# a\n\n| b |\n| - |\n| c |\n", 1000)
    limit_memory(MEMORY_BYTES)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), render)), flush=True)


if __name__ == "__main__":
    main()
