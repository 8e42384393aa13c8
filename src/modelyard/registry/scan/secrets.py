"""Credentials left in text files, by the forms that their makers gave them. The text itself is never kept.

Forms with a checksum or a fixed prefix are told by these alone; of an assignment to a name like `password`,
the value must look random. Each expression is linear in the length of a line.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator

from modelyard.registry.scan.rules import Secret

MAX_TEXT_BYTES = 512 * 1024
MAX_SECRETS = 100
_MAX_LINE = 4000

_FORMS: tuple[tuple[str, str], ...] = (
    ("private key", r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?-----"),
    ("AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    ("GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    ("GitHub fine-grained token", r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b"),
    ("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("Hugging Face token", r"\bhf_[A-Za-z]{34,40}\b"),
    ("Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{20,200}"),
    ("Slack webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,}"),
    ("Google API key", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    ("Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{20,200}"),
    ("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{40,200}"),
    ("OpenAI key", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,200}"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,500}"),
    ("Databricks token", r"\bdapi[0-9a-f]{32}\b"),
    ("Modelyard token", r"\bmdy_[a-z]+_[A-Za-z0-9_-]{40,60}"),
    ("signed web token", r"\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{20,1000}"),
    ("password in a URL", r"\b[a-z][a-z0-9+]{2,20}://[^\s:/@'\"<>]{1,80}:[^\s/@'\"<>{}$]{6,80}@[A-Za-z0-9.-]+"),
)
_HINTS = re.compile(
    r"PRIVATE KEY-|PRIVATE KEY BLOCK|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|hf_|xox[abprs]-|hooks\.slack|AIza|k_live_|sk-|npm_|"
    r"pypi-|dapi|mdy_|eyJ|://|(?i:passw|secret|token|api[_-]?key|credential)"
)
_COMPILED = [(kind, re.compile(pattern)) for kind, pattern in _FORMS]
_ASSIGNED = re.compile(
    r"(?i)[\w-]{0,40}(?:password|passwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|credential)[\w-]{0,20}"
    r"['\"]?\s{0,4}[:=]\s{0,4}['\"]?(?P<value>[A-Za-z0-9+/=_.~!@#$%^&*-]{12,200})['\"]?"
)
_PLACEHOLDER = re.compile(
    r"(?i)example|placeholder|your[-_]?|xxxx|\*\*\*\*|<|changeme|dummy|\$\{|\{\{|environ|getenv|sha256|0000"
)
_BITS_PER_CHARACTER = 3.5


def find_secrets(text: str) -> list[Secret]:
    """At most MAX_SECRETS, by line, one a line."""
    found: list[Secret] = []
    if _HINTS.search(text) is None:
        return found
    for number, line in enumerate(text.splitlines(), 1):
        kind = next(_kinds(line), None) if _HINTS.search(line) else None
        if kind is not None:
            found.append(Secret(number, kind))
            if len(found) >= MAX_SECRETS:
                break
    return found


def _kinds(line: str) -> Iterator[str]:
    # A long line is a minified file or data: it is read piece by piece, with an overlap.
    for start in range(0, len(line), _MAX_LINE):
        piece = line[max(0, start - 300) : start + _MAX_LINE]
        for kind, pattern in _COMPILED:
            match = pattern.search(piece)
            if match is not None and _is_meant(kind, match.group()):
                yield kind
        assigned = _ASSIGNED.search(piece)
        if (
            assigned is not None
            and _looks_random(assigned["value"])
            and not _PLACEHOLDER.search(assigned.group())
        ):
            yield "password or key"


def _is_meant(kind: str, text: str) -> bool:
    if kind == "GitHub token":
        return _has_github_checksum(text)
    if kind == "private key":
        return True
    return _PLACEHOLDER.search(text) is None


def _has_github_checksum(token: str) -> bool:
    """The last six characters are the CRC32 of the thirty before them, in base 62."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    body, checksum = token[4:34], token[34:]
    number = zlib.crc32(body.encode())
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = digits[digit] + text
    return text.rjust(6, "0") == checksum


def _looks_random(value: str) -> bool:
    if len(set(value)) < 8 or not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value):
        return False
    counts = Counter(value)
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return entropy >= min(_BITS_PER_CHARACTER, math.log2(len(value)) * 0.85)


def is_text(head: bytes) -> bool:
    """No NUL, and UTF-8 as far as can be told from the start of a file."""
    if not head or b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True
