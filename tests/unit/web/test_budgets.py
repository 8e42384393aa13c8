"""Bytes that a browser loads for a page, compressed as they are sent."""

from __future__ import annotations

import re
from pathlib import Path

from modelyard.web import frame

KB = 1000


def sent(name: str) -> int:
    data, packed, _ = frame._static()[1][name]
    return len(data if packed is None else packed)


def scripts_of(template: str) -> set[str]:
    text = (frame.WEB / "templates" / template).read_text()
    return set(re.findall(r"<script src=\"\{\{ static\('([^']+)'\) \}\}", text))


def test_files_of_all_pages() -> None:
    assert sent("app.css") <= 12 * KB
    assert sent("inter.woff2") + sent("mono.woff2") <= 90 * KB
    assert sent("icons.svg") <= 6 * KB


def test_scripts_of_each_page() -> None:
    of_all = scripts_of("base.html")
    assert of_all, "the pattern finds the scripts"
    for template in sorted(Path(frame.WEB / "templates").glob("*.html")):
        names = of_all | scripts_of(template.name)
        assert sum(map(sent, names)) <= 60 * KB, template.name
