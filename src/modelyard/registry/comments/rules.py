"""Check a comment and find the names it mentions. Pure."""

from __future__ import annotations

import re

from modelyard.domain.errors import Invalid
from modelyard.domain.secrets import mask

LONGEST_BODY = 20_000
MOST_MENTIONS = 20
# A name in code is not a mention.
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_MENTION = re.compile(r"(?<![\w@./+-])@([a-z0-9]+(?:[._-][a-z0-9]+)*)(?![\w@])", re.IGNORECASE)


def check_body(body: str) -> str:
    """Return the text with its credentials masked.

    Raises Invalid for a text that is only white space, is too long, or has control characters.
    """
    text = body.strip()
    if not text:
        raise Invalid(reason="the comment is empty", fix="Write some text, or delete the comment")
    if len(text) > LONGEST_BODY:
        raise Invalid(reason=f"the comment has more than {LONGEST_BODY} characters", fix="Shorten the comment")
    if any(ord(char) < 32 and char not in "\n\r\t" for char in text):
        raise Invalid(reason="the comment holds control characters", fix="Remove them")
    return mask(text)


def mentions(body: str) -> list[str]:
    """Return the names behind an @, in the order of the text, each once."""
    found = (match.group(1).lower() for match in _MENTION.finditer(_CODE.sub(" ", body)))
    return list(dict.fromkeys(found))[:MOST_MENTIONS]
