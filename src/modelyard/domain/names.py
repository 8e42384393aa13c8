"""Names and references: parse, normalise, format, and propose the nearest valid name.

Source: DESIGN section 3 of the project; the pattern is the intersection of what Hugging Face
repository ids, OCI repository names and URLs accept without translation.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidAlias, InvalidDigest, InvalidName, InvalidReference

NAME_PATTERN = r"[a-z0-9]+([._-][a-z0-9]+)*"
MAX_NAME_LENGTH = 96
RESERVED_NAMESPACES = frozenset(
    [
        "api",
        "v2",
        "datasets",
        "spaces",
        "kernels",
        "models",
        "buckets",
        "resolve",
        "static",
        "ui",
        "login",
        "settings",
        "health",
    ]
)
RESERVED_ACCOUNTS = frozenset(
    ["anonymous", "everybody", "modelyard", "nobody", "public", "server", "signed-in", "system"]
)
"""Names that the server itself uses for no account or for many."""
STANDARD_STAGES = ("development", "staging", "production")
"""The stages of a model whose policy defines no others, in order."""
NEWEST_WORDS = frozenset({"main", "latest", "head"})
MAX_VERSION_NUMBER = 2**53 - 1
_LONGEST_REF = 400

_NAME = re.compile(NAME_PATTERN + r"\Z")
_ALIAS = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}\Z")
_LOOKS_LIKE_VERSION = re.compile(r"v?[0-9]+\Z")
_LOOKS_LIKE_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")

VersionNumber = NewType("VersionNumber", int)


def fold(value: str) -> str:
    """Convert to lower case for a lookup. Only ASCII is folded: the Kelvin sign is not a k."""
    return value.lower() if value.isascii() else value


def _slug(value: str) -> str:
    """Return the nearest valid name, or 'model' if nothing of the value remains."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9._-]+", "-", plain)
    slug = re.sub(r"[._-]{2,}", "-", slug).strip("._-")
    slug = slug.removesuffix(".git")[:MAX_NAME_LENGTH].strip("._-")
    return slug or "model"


def _parse_name(value: str, what: str) -> str:
    """Return a valid lower-case part of a name. Look-ups fold case, so upper case is not an error."""
    folded = fold(value)
    reason = None
    if not folded:
        reason = "it is empty"
    elif len(folded) > MAX_NAME_LENGTH:
        reason = f"it has {len(folded)} characters, at most {MAX_NAME_LENGTH} are allowed"
    elif not _NAME.match(folded):
        reason = "only a-z and 0-9, with single '.', '_' or '-' between them, are allowed"
    elif folded.endswith(".git"):
        reason = "it ends in '.git'"
    if reason:
        raise InvalidName(value=value[:200], what=what, reason=reason, proposal=_slug(value))
    return folded


def parse_namespace(value: str) -> str:
    """Parse a namespace. Raises InvalidName, also for reserved words."""
    if value.startswith("_") or fold(value) in RESERVED_NAMESPACES:
        proposal = f"{_slug(value)}-team"
        raise InvalidName(value=value[:200], what="namespace", reason="it is reserved", proposal=proposal)
    return _parse_name(value, "namespace")


def parse_actor_name(value: str) -> str:
    """Parse the name of a user, service account or group, which follows the common pattern. Raises InvalidName."""
    if fold(value) in RESERVED_ACCOUNTS:
        raise InvalidName(
            value=value[:200], what="account name", reason="it is reserved", proposal=f"{_slug(value)}-account"
        )
    return _parse_name(value, "account name")


@dataclass(frozen=True, slots=True, order=True)
class ModelName:
    """`namespace/name`, lower case."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, value: str, default_namespace: str | None = None) -> ModelName:
        """Parse a model name; `default_namespace` applies if it has no namespace. Raises InvalidName."""
        return _parse_model(value, default_namespace)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@lru_cache(4096)
def _parse_model(value: str, default_namespace: str | None) -> ModelName:
    namespace, slash, name = value.partition("/")
    if not slash:
        if default_namespace is None:
            raise InvalidName(
                value=value[:200],
                what="model name",
                reason="the namespace is missing",
                proposal=f"my-team/{_slug(value)}",
            )
        namespace, name = default_namespace, value
    if "/" in name:
        raise InvalidName(
            value=value[:200],
            what="model name",
            reason="it has more than one '/'",
            proposal=f"{_slug(namespace)}/{_slug(name)}",
        )
    return ModelName(parse_namespace(namespace), _parse_name(name, "model name"))


class Alias(str):
    """The name of a movable pointer. Words that mean the newest version are not aliases."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: str) -> Alias:
        """Parse an alias. Raises InvalidAlias."""
        folded = fold(value)
        reason = None
        if not _ALIAS.match(folded):
            reason = "it needs 1 to 64 of a-z, 0-9, '_' and '-', and must not begin with '-'"
        elif _LOOKS_LIKE_VERSION.match(folded):
            reason = "it looks like a version number"
        elif _LOOKS_LIKE_COMMIT.match(folded):
            reason = "it looks like a commit"
        elif folded in NEWEST_WORDS:
            reason = "this word always means the newest version and is never moved by hand"
        if reason:
            proposal = re.sub(r"[^a-z0-9_-]+", "-", folded).strip("-")[:57] or "candidate"
            if (
                _LOOKS_LIKE_VERSION.match(proposal)
                or _LOOKS_LIKE_COMMIT.match(proposal)
                or proposal in NEWEST_WORDS
            ):
                proposal = f"alias-{proposal}"[:64]
            raise InvalidAlias(value=value[:200], reason=reason, proposal=proposal)
        return cls(folded)


@dataclass(frozen=True, slots=True)
class Ref:
    """`namespace/name` with a selector: `:12`, `@alias`, `@sha256:…` or nothing."""

    model: ModelName
    selector: int | Alias | Digest | None = None

    @classmethod
    def parse(cls, value: str, default_namespace: str | None = None) -> Ref:
        """Parse a reference. Raises InvalidReference, InvalidName, InvalidAlias or InvalidDigest."""
        if len(value) > _LONGEST_REF:
            raise InvalidReference(value=value[:300], reason=f"it has more than {_LONGEST_REF} characters")
        return _parse_ref(value, default_namespace)

    @classmethod
    def _parse(cls, value: str, default_namespace: str | None) -> Ref:
        model, at, after_at = value.partition("@")
        if at:
            selector: int | Alias | Digest | None = _parse_at(value, after_at)
            if ":" in model:
                raise InvalidReference(value=value[:300], reason="it has both ':' and '@'")
        else:
            model, colon, number = value.partition(":")
            selector = _parse_number(value, model, number) if colon else None
        return cls(ModelName.parse(model, default_namespace), selector)

    def __str__(self) -> str:
        match self.selector:
            case None:
                return str(self.model)
            case int():
                return f"{self.model}:{self.selector}"
            case _:
                return f"{self.model}@{self.selector}"


@lru_cache(8192)
def _parse_ref(value: str, default_namespace: str | None) -> Ref:
    """Parse and cache a reference: the same few come again and again, and a parsed one never changes."""
    return Ref._parse(value, default_namespace)


def _parse_at(whole: str, selector: str) -> Alias | Digest | None:
    if selector.startswith("sha256:"):
        try:
            return Digest.parse(selector)
        except InvalidDigest:
            raise InvalidReference(
                value=whole[:300], reason="after '@sha256:' come 64 lowercase hex digits"
            ) from None
    if fold(selector) in NEWEST_WORDS:
        return None
    return Alias.parse(selector)


def _parse_number(whole: str, model: str, number: str) -> int | None:
    digits = number.removeprefix("v")
    if len(digits) < 17 and digits.isascii() and digits.isdigit() and 0 < int(digits) <= MAX_VERSION_NUMBER:
        return int(digits)
    if fold(number) in NEWEST_WORDS:
        return None
    raise InvalidReference(
        value=whole[:300],
        reason="after ':' comes a version number",
        fix=f"Write {model}@{number} if {number!r} is an alias or stage, or {model}:1 for version 1",
    )
