"""Credentials in text: their forms, their positions, and the text without them. Pure, and linear in the text.

One list of forms serves everything that keeps text: the intake scan (`find_secrets`), and what is masked before it
is kept, in the client and again on the server: facts and params (`mask_json`), arguments (`mask_arguments`), logs
(`LineMasker`), addresses (`without_credentials`), and every text that people write (`mask`).

The scan reports a line only if it is fairly sure. Masking removes anything that may be a credential, since a word
masked by mistake is a smaller loss than a stored password.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from modelyard.domain.canonical import OBJECT

MASK = "***"
MAX_SECRETS = 100
MAX_ARGUMENT = 500
MAX_ARGUMENTS = 200
_MAX_LINE = 4000
_OVERLAP = 300
_MAX_NAME = 300
"""The end of a longer key decides its kind."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that has the form of a credential. The text itself is not kept."""

    line: int
    kind: str


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern on first use; compiling all of them would double the time to import the client."""
    return re.compile(pattern)


# (kind, hints of which a text must contain one, pattern). The group `secret` is masked. Each pattern begins with
# a rare text and has bounded repeats.
_FORMS: tuple[tuple[str, tuple[str, ...], str], ...] = tuple(
    (kind, tuple(hints.split()), pattern)
    for kind, hints, pattern in (
        ("AWS access key", "AKIA ASIA", r"\b(?:AKIA|ASIA)(?P<secret>[A-Z2-7]{16})\b"),
        ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"\bgh[pousr]_(?P<secret>[A-Za-z0-9]{36,250})\b"),
        ("GitHub fine-grained token", "github_pat_", r"\bgithub_pat_(?P<secret>[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b"),
        ("GitLab token", "glpat- gldt- glrt- glcbt- glptt-", r"\bgl(?:pat|dt|rt|cbt|ptt)-(?P<secret>[A-Za-z0-9_.-]{20,300})"),
        ("Hugging Face token", "hf_", r"\bhf_(?P<secret>[A-Za-z0-9]{20,60})\b"),
        ("Slack token", "xox", r"\bxox[abeprs]-(?P<secret>[A-Za-z0-9-]{20,200})"),
        ("Slack webhook", "hooks.slack", r"hooks\.slack\.com/services/(?P<secret>T[A-Z0-9]{6,20}/B[A-Z0-9]{6,20}/[A-Za-z0-9]{20,60})"),
        ("Discord webhook", "/webhooks/", r"discord(?:app)?\.com/api/webhooks/(?P<secret>\d{15,25}/[A-Za-z0-9_-]{50,100})"),
        ("Google API key", "AIza", r"\bAIza(?P<secret>[A-Za-z0-9_-]{35})\b"),
        ("Google access token", "ya29. GOCSPX-", r"\b(?:ya29\.|GOCSPX-)(?P<secret>[A-Za-z0-9_-]{20,500})"),
        ("Stripe key", "k_live_ k_test_ whsec_", r"\b(?:[rs]k_(?:live|test)_|whsec_)(?P<secret>[A-Za-z0-9]{20,200})"),
        ("Anthropic key", "sk-ant-", r"\bsk-ant-(?P<secret>[A-Za-z0-9_-]{40,200})"),
        ("OpenAI key", "sk-", r"\bsk-(?:proj-|svcacct-|admin-)?(?P<secret>[A-Za-z0-9_-]{32,250})"),
        ("Groq key", "gsk_", r"\bgsk_(?P<secret>[A-Za-z0-9]{40,80})\b"),
        ("Replicate token", "r8_", r"\br8_(?P<secret>[A-Za-z0-9]{37})\b"),
        ("npm token", "npm_", r"\bnpm_(?P<secret>[A-Za-z0-9]{36})\b"),
        ("PyPI token", "pypi-", r"\bpypi-(?P<secret>AgE[A-Za-z0-9_-]{50,500})"),
        ("Databricks token", "dapi", r"\bdapi(?P<secret>[0-9a-f]{32})(?:-\d)?\b"),
        ("Docker Hub token", "dckr_", r"\bdckr_[po]at_(?P<secret>[A-Za-z0-9_-]{20,100})"),
        ("DigitalOcean token", "_v1_", r"\bdo[opr]_v1_(?P<secret>[a-f0-9]{64})\b"),
        ("Vault token", "hvs. hvb. hvr.", r"\bhv[sbr]\.(?P<secret>[A-Za-z0-9_-]{20,300})"),
        ("SendGrid key", "SG.", r"\bSG\.(?P<secret>[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64})"),
        ("Telegram token", ":AA", r"\b\d{8,10}:(?P<secret>AA[A-Za-z0-9_-]{32,34})\b"),
        ("Grafana token", "glsa_ glc_", r"\bgl(?:sa|c)_(?P<secret>[A-Za-z0-9_=+/]{32,400})"),
        ("Atlassian token", "ATATT3", r"\bATATT3(?P<secret>[A-Za-z0-9_=-]{50,300})"),
        ("age secret key", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-(?P<secret>1[A-Z0-9]{58})"),
        ("Modelyard token", "mdy_", r"\bmdy_[a-z]{1,20}_(?P<secret>[A-Za-z0-9_-]{8,80})"),
        ("signed web token", "eyJ", r"\beyJ(?P<secret>[A-Za-z0-9_-]{10,8000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{20,2000})"),
        ("Azure storage key", "AccountKey= SharedAccessKey=", r"(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{40,100}={0,2})"),
        ("signed address", "sig= Signature= Security-Token=", r"[?&](?:sig|[A-Za-z-]{0,20}Signature|X-Amz-Security-Token)=(?P<secret>[A-Za-z0-9%+/=_-]{20,4000})"),
        ("password in a URL", "://", r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s:/@'\"<>]{0,200}:(?P<secret>[^\s/'\"<>]{1,200})@"),
        ("netrc password", "login", r"\blogin\s{1,4}\S{1,200}\s{1,4}password\s{1,4}(?P<secret>\S{1,500})"),
        ("token in a URL", "://", r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://(?P<secret>[A-Za-z0-9_-]{20,250})@"),
    )
)  # fmt: skip
_KEY_BEGINS = r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
_KEY_ENDS = r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"

# Names of certain credentials, and names of possible ones, whose value must also look random.
_SURE = (
    r"password|passwd|passphrase|passcode|pwd|secret|credentials?|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|"
    r"account[_-]?key|auth[_-]?key|signing[_-]?key|encryption[_-]?key|subscription[_-]?key|(?:auth|access|refresh|api|bearer|"
    r"session|security|id|bot|push|hub|personal)[_-]?token"
)
_MAYBE = r"(?<![a-z])(?:token|key|pass|pw|pin|auth|dsn)"
_ASSIGNED = (
    rf"(?i)(?:(?P<sure>{_SURE})|{_MAYBE})(?:[_-]?(?:id|\d{{1,3}}|dev|prod|test|staging|value|text|str|string|b64|base64))?"
    r"\\?['\"]?\]?\s{0,4}(?::\s{0,4}[A-Za-z_][\w.\[\], |]{0,60}?=|:=|=>|->|[:=](?!=))\s{0,4}[rbfRBF]{0,2}"
    r"(?:\\?\"(?P<double>[^\"\\\r\n]{1,4000})|\\?'(?P<single>[^'\\\r\n]{1,4000})|(?P<bare>[^\s'\"`,;(){}\[\]&\\]{1,4000})(?P<call>[(\[]?))"
)
_ASSIGNED_LINE = r"(?i)^[\s+\->#*]{0,20}[\w.-]{0,60}(?:password|passwd|passphrase|secret)\s{0,4}:\s{1,4}(?P<secret>[^\s'\"{\[(<$*|>&!][^\r\n]{0,500})"
_OPTION_IN_TEXT = (
    rf"(?i)(?:^|\s)--?[\w-]{{0,40}}(?:{_SURE}|token)\s{{1,4}}['\"]?(?P<secret>[^\s'\"\-<$][^\s'\"]{{3,500}})"
)
_HEADER = (
    r"(?i)\b(?:(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]{0,30}(?:key|token|secret))\\?['\"]?\s{0,4}[:=]\s{0,4}\\?['\"]?"
    r"(?:(?:bearer|basic|token|digest|apikey|negotiate)\s{1,4})?(?P<secret>[^\s'\"\\][^\r\n'\"\\]{2,4000})"
)
_BEARER = r"(?i)\bbearer\s{1,4}(?P<secret>[A-Za-z0-9._~+/=-]{16,4000})"
_NAME_HINTS = ("pass", "pw", "secret", "credential", "key", "token", "auth", "dsn", "pin")
_HEADER_HINTS = ("authorization", "cookie", "x-", "bearer")
_HINTS = tuple(dict.fromkeys(hint for _, hints, _ in _FORMS for hint in hints))
_ANY_HINT = "|".join(re.escape(hint) for _, hints, _ in _FORMS for hint in hints)

_PLACEHOLDER = (
    r"(?i)example|placeholder|your[-_]?|xxxx|\*\*\*|<|changeme|dummy|\$\{|\{\{|environ|getenv|sha256|0000"
)
_SURE_PLACEHOLDER = r"(?:\*{3,}|<[^>]*>|\[[^\]]*\]|\$\{?\w*\}?|%\(?\w+\)?s?%?|\{+[^}]*\}*|[xX]{3,}|\.{3,}|…+|YOUR[_-]\w*|[A-Z]{2,}(?:_[A-Z]+)+)\Z"
_NO_VALUE = frozenset(
    "none null nil undefined true false str bytes string int float bool any optional self cls args required "
    "secretstr getpass input prompt os env".split()
)
_CODE_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z"
_BITS_PER_CHARACTER = 3.5


# --- masking -----------------------------------------------------------------------------------------


def mask(text: str, *, same_length: bool = False) -> str:
    """Return the text without credentials. Masking a masked text changes nothing.

    same_length: fill with `*`, so that positions in the text stay what they are.
    """
    spans = sorted(_spans(text)) if has_hint(text) else []
    if not spans:
        return text
    pieces: list[str] = []
    at = 0
    for start, end in _merged(spans):
        pieces += [text[at:start], "*" * (end - start) if same_length else MASK]
        at = end
    return "".join((*pieces, text[at:]))


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans in order of their starts; those that overlap or touch are merged."""
    start, end = spans[0]
    for next_start, next_end in spans[1:]:
        if next_start > end:
            yield start, end
            start = next_start
            end = next_end
        end = max(end, next_end)
    yield start, end


def _spans(text: str) -> Iterator[tuple[int, int]]:
    if "PRIVATE KEY" in text:
        yield from _key_blocks(text)
    for _, hints, pattern in _FORMS if _compiled(_ANY_HINT).search(text) else ():
        if any(hint in text for hint in hints):
            for match in _compiled(pattern).finditer(text):
                # Only an address may hold a placeholder instead of the credential; `***` is the one that masking writes.
                is_placeholder = "://" in hints and _compiled(_SURE_PLACEHOLDER).match(match["secret"])
                if not is_placeholder and match["secret"].strip("*"):
                    yield match.span("secret")
    lower = _lowered(text)
    for start, end in _lines_with(lower, _NAME_HINTS):
        yield from _moved(_named_spans(text[start:end]), start)
    for start, end in _lines_with(lower, _HEADER_HINTS):
        yield from _moved(_header_spans(text[start:end]), start)


def _lowered(text: str) -> str:
    """Return the text in lower case with its length unchanged; a few letters would become two."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _lines_with(lower: str, hints: Sequence[str]) -> set[tuple[int, int]]:
    """Return (start, end) of the lines with a hint. Most texts have none, so the whole text is searched first."""
    found = set()
    for hint in hints:
        at = lower.find(hint)
        while at >= 0:
            end = lower.find("\n", at)
            end = len(lower) if end < 0 else end
            found.add((lower.rfind("\n", 0, at) + 1, end))
            at = lower.find(hint, end)
    return found


def _moved(spans: Iterator[tuple[int, int]], start: int) -> Iterator[tuple[int, int]]:
    for first, last in spans:
        yield first + start, last + start


def _named_spans(line: str) -> Iterator[tuple[int, int]]:
    for match in _compiled(_ASSIGNED).finditer(line):
        group = "double" if match["double"] else "single" if match["single"] else "bare"
        if _is_assigned_secret(match, group):
            yield match.span(group)
    for pattern in (_ASSIGNED_LINE, _OPTION_IN_TEXT):
        for match in _compiled(pattern).finditer(line):
            if not _compiled(_SURE_PLACEHOLDER).match(match["secret"]):
                yield match.span("secret")


def _header_spans(line: str) -> Iterator[tuple[int, int]]:
    for pattern in (_HEADER, _BEARER):
        for match in _compiled(pattern).finditer(line):
            if not _compiled(_SURE_PLACEHOLDER).match(match["secret"]):
                yield match.span("secret")


def _key_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield the span of each private key, from the end of its first line to its last line or the end of the text."""
    at = 0
    while begins := _compiled(_KEY_BEGINS).search(text, at):
        ends = _compiled(_KEY_ENDS).search(text, begins.end())
        at = ends.start() if ends else len(text)
        if text[begins.end() : at].strip("\r\n* "):
            yield begins.end(), at


def _is_assigned_secret(match: re.Match[str], group: str) -> bool:
    value = match[group]
    if _compiled(_SURE_PLACEHOLDER).match(value) or value.lower() in _NO_VALUE:
        return False
    if group == "bare":
        if (
            match["call"]
            or _compiled(_CODE_NAME).match(value)
            or value.startswith(("/", "./", "~", "-", "=", "<", "$", "*"))
        ):
            return False
        if value.isdigit() and len(value) < 4:
            return False
    if match["sure"]:
        return True
    return _looks_random(value)


def mask_json(value: Any, name: str = "") -> Any:
    """Return a JSON value without credentials, which are recognised by form and by the name of their key.

    name: the key of the value.
    """
    if isinstance(value, str):
        return _masked_value(name, value)
    if isinstance(value, OBJECT):
        return {key: mask_json(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_json(item, name) for item in value]
    return value


def _masked_value(name: str, value: str) -> str:
    sort = _sort_of_name(name[-_MAX_NAME:]) if name else None
    is_named = sort == "sure" or (sort == "maybe" and _looks_random(value))
    if is_named and value and not _compiled(_SURE_PLACEHOLDER).match(value):
        return MASK
    if len(value) < 8 or (len(value) == 71 and value.startswith("sha256:")):
        return value
    return mask(value)


@lru_cache(4096)
def _sort_of_name(name: str) -> str | None:
    """Return 'sure' for a name like `db_password`, 'maybe' for one like `token`, otherwise None."""
    parts = [part.lower() for part in _compiled(_NAME_PARTS).findall(name)]
    if not parts:
        return None
    joined = "_".join(parts)
    if _compiled(_SURE_NAME).search(joined):
        return "sure"
    return "maybe" if _MAYBE_NAMES.intersection(parts) else None


_NAME_PARTS = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"
_SURE_NAME = (
    r"(?:^|_)(?:(?:password|passwd|passphrase|passcode|pwd|secret|credentials?|apikey|(?:api|access|secret|private|account|auth|"
    r"signing|encryption|subscription)_?key|(?:auth|access|refresh|api|bearer|session|security|id|bot|hub|personal)_?token))"
    r"(?:_(?:id|\d+|dev|prod|test|staging|value|text|str|string|b64|base64))?\Z"
)
_MAYBE_NAMES = frozenset(
    {"token", "key", "pass", "pw", "pin", "auth", "dsn", "authorization", "cookie", "cred", "creds"}
)


# --- arguments ---------------------------------------------------------------------------------------

_SECRET_OPTION_PARTS = frozenset(
    "password passwd passphrase passcode pass pwd pw secret secrets token apikey auth authorization bearer credential "
    "credentials cred creds dsn conn connection cookie sas pat otp pin key header user".split()
)
_WHOLE = frozenset(
    "password passwd passphrase passcode pwd secret apikey credential credentials bearer otp pat sas".split()
)


def mask_arguments(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments without credentials, which are recognised by the option's name or by form.

    At most MAX_ARGUMENTS are returned, each cut to MAX_ARGUMENT characters.
    """
    found: list[str] = []
    option = ""
    for argument in arguments[:MAX_ARGUMENTS]:
        name, equals, value = argument.partition("=")
        if option and not _is_option(argument):
            found.append(_masked_argument(option, argument))
            option = ""
            continue
        option = ""
        if equals and " " not in name and "://" not in name:
            found.append(f"{name}={_masked_argument(name, value)}"[:MAX_ARGUMENT])
            continue
        attached = _compiled(_ATTACHED).match(argument)
        if attached and _looks_random(attached[1], least=6):
            found.append(f"-p{MASK}")
            continue
        if argument.startswith("-"):
            option = argument
        found.append(_masked_text(argument))
    return found


_ATTACHED = r"-p(\S{6,})\Z"


def _is_option(argument: str) -> bool:
    return re.match(r"--[A-Za-z]|-[A-Za-z]\Z", argument) is not None


def _masked_text(text: str) -> str:
    return (without_credentials(text) if "://" in text else mask(text))[:MAX_ARGUMENT]


def _masked_argument(option: str, value: str) -> str:
    """Return the masked value of an option or assignment of that name."""
    if not value or _compiled(_SURE_PLACEHOLDER).match(value):
        return value[:MAX_ARGUMENT]
    parts = [part.lower() for part in _compiled(_NAME_PARTS).findall(option)]
    if _compiled(_SURE_NAME).search("_".join(parts)) or _WHOLE.intersection(parts[-1:]):
        return MASK
    last = parts[-1] if parts else ""
    if option == "-H" or last in ("header", "headers"):
        name, colon, _ = value.partition(":")
        is_plain = re.fullmatch(r"(?i)\s*(?:accept|content|user-agent|host|range|if|cache)[a-z-]*\s*", name)
        return _masked_text(value) if not colon or is_plain else f"{name}: {MASK}"
    if option in ("-u",) or last == "user":
        user, colon, _ = value.partition(":")
        return f"{user}:{MASK}" if colon else _masked_text(value)
    if last == "token" or parts == ["key"]:
        return MASK
    if last in ("pass", "pw", "pin", "auth", "cookie", "cred", "creds") or option == "-p":
        return value[:MAX_ARGUMENT] if _is_plain_number(value) else MASK
    if last in ("dsn", "conn", "connection", "string", "url", "uri"):
        text = _masked_text(value)
        return MASK if text == value and re.search(r"(?i):[^:@\s]+@|pass|pwd", value) else text
    if _SECRET_OPTION_PARTS.intersection(parts) and _looks_random(value):
        return MASK
    return _masked_text(value)


def _is_plain_number(value: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,5}(?:\.\d{1,10})?", value) is not None


def without_credentials(address: str) -> str:
    """Return the address without user, password, query and fragment; `git@host:path` stays unchanged."""
    if "://" not in address:
        return mask(address)
    try:
        parts = urlsplit(address)
    except ValueError:
        return mask(address)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", parts.scheme):
        return mask(address)
    host = parts.netloc.rpartition("@")[2]
    return mask(urlunsplit((parts.scheme, host, parts.path, "", "")))


# --- logs --------------------------------------------------------------------------------------------


def has_hint(text: str) -> bool:
    """Return whether a text may hold a credential. Without a hint, neither the text nor any part of it is changed by masking."""
    # Plain searches, one after the other, are ten times as fast as one expression with all of them.
    if "PRIVATE KEY" in text or "-----BEGIN " in text or any(hint in text for hint in _HINTS):
        return True
    lower = _lowered(text)
    return any(hint in lower for hints in (_NAME_HINTS, _HEADER_HINTS) for hint in hints)


class LineMasker:
    """Masks text line by line, including private keys that span many lines."""

    def __init__(self, *, in_key: bool = False) -> None:
        self.in_key = in_key
        """Whether the next line is inside a private key."""

    def mask_lines(self, text: str) -> str:
        """Mask whole lines, all at once where no private key is near: that costs much less than one after another."""
        if self.in_key or "-----BEGIN " in text:
            return "".join(map(self.mask, text.splitlines(keepends=True)))
        return mask(text)

    def mask(self, line: str) -> str:
        """Mask one whole line, with or without its line break."""
        if self.in_key:
            ends = _compiled(_KEY_ENDS).search(line)
            if ends is None:
                return MASK + line[len(line.rstrip("\r\n")) :]
            self.in_key = False
            return MASK + mask(line[ends.start() :])
        return self._mask_outside_keys(line)

    def _mask_outside_keys(self, line: str) -> str:
        masked = mask(line)
        begins = line.rfind("-----BEGIN ")
        if (
            begins >= 0
            and _compiled(_KEY_BEGINS).match(line, begins)
            and not _compiled(_KEY_ENDS).search(line, begins)
        ):
            self.in_key = True
        return masked


# --- search, for the scan ----------------------------------------------------------------------------


def find_secrets(text: str) -> list[Secret]:
    """Return at most MAX_SECRETS likely credentials by line, one per line."""
    found: list[Secret] = []
    if not _may_hold(text):
        return found
    for number, line in enumerate(text.splitlines(), 1):
        kind = next(_kinds(line), None) if _may_hold(line) else None
        if kind is not None:
            found.append(Secret(number, kind))
            if len(found) >= MAX_SECRETS:
                break
    return found


def _may_hold(text: str) -> bool:
    return (
        "PRIVATE KEY" in text
        or _compiled(_ANY_HINT).search(text) is not None
        or bool(_lines_with(_lowered(text), _NAME_HINTS))
    )


def holds_private_key(text: str) -> bool:
    return "PRIVATE KEY" in text and _compiled(_KEY_BEGINS).search(text) is not None


def _kinds(line: str) -> Iterator[str]:
    # A long line is a minified file or data, so it is searched piece by piece, with an overlap.
    for start in range(0, len(line), _MAX_LINE):
        piece = line[max(0, start - _OVERLAP) : start + _MAX_LINE]
        if holds_private_key(piece):
            yield "private key"
        for kind, hints, pattern in _FORMS:
            if not any(hint in piece for hint in hints):
                continue
            match = _compiled(pattern).search(piece)
            if match is not None and _is_meant(kind, match):
                yield kind
        for assigned in _compiled(_ASSIGNED).finditer(piece):
            group = "double" if assigned["double"] else "single" if assigned["single"] else "bare"
            value = assigned[group]
            if (
                assigned["sure"]
                and _is_assigned_secret(assigned, group)
                and _looks_random(value, least=12)
                and not _compiled(_PLACEHOLDER).search(assigned.group())
            ):
                yield "password or key"


def _is_meant(kind: str, match: re.Match[str]) -> bool:
    if kind == "GitHub token":
        return _has_github_checksum(match.group())
    if kind in ("password in a URL", "token in a URL") and len(match["secret"]) < 6:
        return False
    return _compiled(_PLACEHOLDER).search(match.group()) is None and not (
        kind == "password in a URL" and match["secret"].lower() in ("password", "passwd", "secret")
    )


def _has_github_checksum(token: str) -> bool:
    """Return whether the last six characters are the CRC32 of the thirty before them, in base 62."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    body, checksum = token[4:34], token[34:]
    number = zlib.crc32(body.encode())
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = digits[digit] + text
    return text.rjust(6, "0") == checksum


def _looks_random(value: str, *, least: int = 8) -> bool:
    """Return whether a value looks like random letters and digits rather than words."""
    if len(value) < least or re.search(r"\s", value):
        return False
    if len(set(value)) < min(8, least) or not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value):
        return False
    counts = Counter(value)
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return entropy >= min(_BITS_PER_CHARACTER, math.log2(len(value)) * 0.85)


def is_text(head: bytes) -> bool:
    """Return whether the start of a file is text: it has no NUL and is valid UTF-8."""
    if not head or b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True
