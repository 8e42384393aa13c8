"""Remove a text from another one. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from modelyard.domain.canonical import canonical_json
from modelyard.domain.errors import Invalid

SHORTEST_TEXT = 6
LONGEST_TEXT = 10_000
MOST_PLACES = 10_000

_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}\Z")
FREE_TEXTS = frozenset(
    {"reason", "summary", "comment", "url", "details", "text", "why", "said", "words", "message"}
)
"""Keys of events and verdicts whose values people wrote. All other values are recorded facts."""
_FREE_CHANGES = frozenset({"description", "display_name", "tags", "owners", "task", "semver", "pull_request"})
"""Such keys in an event's `changes`."""


def check_secret(text: str) -> str:
    """Return the text to remove. Raises Invalid for one that is too short or too long."""
    stripped = text.strip("\r\n")
    if not SHORTEST_TEXT <= len(stripped) <= LONGEST_TEXT or not stripped.strip():
        raise Invalid(
            reason=f"the text to redact has {len(stripped)} characters; {SHORTEST_TEXT} to {LONGEST_TEXT} are allowed",
            fix="Give the whole secret exactly as it was written",
        )
    return stripped


def mark_of(redaction: str) -> str:
    """Return the mark that replaces the text."""
    return f"[redacted {redaction}]"


def escaped(text: str) -> str:
    """Return the text as it appears inside canonical JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def take_out(value: str, text: str, mark: str) -> str:
    return value.replace(text, mark)


def take_out_of_json(value: str, text: str, mark: str) -> str:
    """Remove the text from all strings and keys of a JSON text except whole digests; the result is canonical JSON."""
    return canonical_json(_cleaned(json.loads(value), text, mark)).decode()


def take_out_of_free_texts(value: str, text: str, mark: str) -> str:
    """Remove the text from the parts that people wrote in a JSON text that also records facts."""
    return canonical_json(_freed(json.loads(value), text, mark)).decode()


def _freed(value: Any, text: str, mark: str) -> Any:
    if isinstance(value, dict):
        return {
            key: _cleaned(item, text, mark) if key in FREE_TEXTS else _freed(item, text, mark)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_freed(item, text, mark) for item in value]
    return value


def _cleaned(value: Any, text: str, mark: str) -> Any:
    if isinstance(value, str):
        return value if _DIGEST.match(value) else value.replace(text, mark)
    if isinstance(value, dict):
        return {key.replace(text, mark): _cleaned(item, text, mark) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, text, mark) for item in value]
    return value


def take_out_of_event(body: str, text: str, mark: str) -> str:
    """Remove the text only from parts that people wrote.

    Number, time, kind, actor, place and facts of the event stay.
    """
    value = json.loads(body)
    data = _freed(value.get("data", {}), text, mark)
    if isinstance(data.get("changes"), dict):
        data["changes"] = {
            key: _cleaned(item, text, mark) if key in _FREE_CHANGES else item
            for key, item in data["changes"].items()
        }
    if value["kind"].startswith("run.") and isinstance(data.get("name"), str):
        data["name"] = data["name"].replace(text, mark)
    value["data"] = data
    return canonical_json(value).decode()


def blacken(pieces: list[tuple[int, str]], text: str) -> list[tuple[int, str]]:
    """Return the pieces of a log that change: the text becomes `*`, with the same number of bytes.

    pieces: (position, text) in order. The text is found over the border of two pieces too.
    """
    whole = "".join(piece for _, piece in pieces)
    clean = whole.replace(text, "*" * len(text.encode()))
    if clean == whole:
        return []
    raw, changed, start = clean.encode(), [], 0
    for position, piece in pieces:
        size = len(piece.encode())
        left = raw[start : start + size].decode("utf-8", "replace")
        start += size
        if left != piece:
            changed.append((position, left))
    return changed
