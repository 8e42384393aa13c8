"""Keep known secrets out of what an attempt tells: its own token, and the build secrets of its steps."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any

from modelyard.domain.secrets import MASK

_LEAST = 8
"""Shorter parts of a secret, such as a line of it, are ordinary words too often."""


class Hidden:
    """The texts to hide: the lines of secrets, and secrets and lines in base64."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._pattern: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        found = {*self._texts}
        for secret in secrets:
            found.update(form for form in _forms(secret) if len(form) >= _LEAST)
        # The longest first, so that nothing of it remains.
        self._texts = sorted(found, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._texts))) if found else None

    def mask(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def mask_json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, list):
            return [self.mask_json(item) for item in value]
        if isinstance(value, dict):
            return {key: self.mask_json(item) for key, item in value.items()}
        return value

    def certain_part(self, text: str) -> int:
        """Return how much of the text is certain: its end may be the beginning of a hidden text."""
        if self._pattern is None:
            return len(text)
        inside: set[int] = set()
        longest = len(self._texts[0])
        for match in self._pattern.finditer(text, max(0, len(text) - 2 * longest)):
            inside.update(range(match.start() + 1, match.end()))
        starts = (start for hidden in self._texts for start in _beginnings(text, hidden) if start not in inside)
        return min(starts, default=len(text))


class HidingStream:
    """Hides what comes in pieces: an end that may be the beginning of a secret is kept until more has come."""

    def __init__(self, hidden: Hidden) -> None:
        self._hidden = hidden
        self._kept = ""

    def feed(self, text: str) -> str:
        """Return the text so far that is certain."""
        text = self._kept + text
        certain = self._hidden.certain_part(text)
        self._kept = text[certain:]
        return self._hidden.mask(text[:certain])

    def rest(self) -> str:
        kept, self._kept = self._kept, ""
        return self._hidden.mask(kept)


def _beginnings(text: str, hidden: str) -> Iterator[int]:
    """Yield where the end of the text is a beginning, but not the whole, of a hidden text."""
    start = text.find(hidden[:_LEAST], max(0, len(text) - len(hidden) + 1))
    while start >= 0:
        if hidden.startswith(text[start:]):
            yield start
        start = text.find(hidden[:_LEAST], start + 1)
    for start in range(max(0, len(text) - _LEAST + 1), len(text)):
        if hidden.startswith(text[start:]):
            yield start


def _forms(secret: str) -> Iterator[str]:
    lines = [line.strip() for line in secret.splitlines()]
    yield from lines
    for text in (secret, *lines):
        data = text.encode("utf-8", "surrogatepass")
        for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            yield encoded.decode().rstrip("=")
