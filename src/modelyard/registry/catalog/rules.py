"""Decide which names a namespace accepts, and by which text a model is found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from modelyard.domain import texts
from modelyard.domain.errors import EditConflict, Invalid, InvalidFact, InvalidName
from modelyard.domain.names import NAME_PATTERN
from modelyard.domain.secrets import mask_json

MAX_DESCRIPTION_LENGTH = 20_000
MAX_REASON_LENGTH = 2_000
MAX_TAGS = 200
MAX_TAG_KEY_LENGTH = 250
MAX_TAG_VALUE_LENGTH = 5_000
MAX_OWNERS = 50
MAX_PATTERN_LENGTH = 200
MAX_WORDS_LENGTH = 64_000

MAX_REPEATS = 4

# A naming policy needs only these. Without repeated groups, each repeat or choice multiplies the ways to match by at
# most the length of the name, so a few of them are harmless; `a*` twelve times would not be.
_SAFE_PATTERN = re.compile(
    r"(?:[a-z0-9._\-]|\[[a-z0-9._\-]+\]|\(\?:[a-z0-9._\-|]+\)|[?*+|]|\{\d{1,2}(?:,\d{1,2})?\})+\Z"
)

ANY_REVISION = -1
"""The revision for a caller who requires only that the object exists."""


def check_naming_pattern(pattern: str) -> None:
    """Raise Invalid for a pattern that is not a regular expression or could take forever."""
    if len(pattern) > MAX_PATTERN_LENGTH or not _SAFE_PATTERN.match(pattern) or re.search(r"\)[*+{]", pattern):
        raise Invalid(
            reason=f"{pattern[:100]!r} is not a naming pattern",
            fix="Use letters, digits, '.', '_', '-', [a-z] sets, (?:one|two) choices, and ? * + {n,m} after a set",
        )
    without_groups = pattern.replace("(?:", "(")
    if sum(without_groups.count(sign) for sign in "?*+{(") > MAX_REPEATS:
        raise Invalid(
            reason=f"{pattern[:100]!r} has more than {MAX_REPEATS} repeats and choices",
            fix="Make the naming pattern simpler; reserved_names can refuse single names",
        )
    try:
        re.compile(pattern)
    except re.error as exc:
        raise Invalid(reason=f"{pattern[:100]!r} is not a naming pattern: {exc}", fix="Correct it") from None


def check_quota(quota_bytes: int) -> int:
    if quota_bytes < 0:
        raise Invalid(reason=f"a quota of {quota_bytes} bytes is less than nothing", fix="Give 0 for no quota")
    return quota_bytes


REFUSE, WARN = "refuse", "warn"


def check_naming_mode(mode: str) -> str:
    if mode not in (REFUSE, WARN):
        raise Invalid(reason=f"{mode[:40]!r} is not a mode of naming rules", fix=f"Use {REFUSE} or {WARN}")
    return mode


def judge_name(
    name: str, pattern: str | None, reserved: Iterable[str], namespace: str, mode: str
) -> str | None:
    """Return the warning about a name in a namespace that only warns; None: the name is accepted.

    Raises InvalidName if the namespace refuses the name.
    """
    try:
        check_against_policy(name, pattern, reserved, namespace)
    except InvalidName as error:
        if mode != WARN:
            raise
        return f"{error.message}; the namespace only warns about it"
    return None


def check_against_policy(name: str, pattern: str | None, reserved: Iterable[str], namespace: str) -> None:
    """Raise InvalidName if the namespace's own naming policy does not accept the name."""
    refused = set(reserved)
    if name in refused:
        proposal = _near_name(name, pattern, refused)
        raise InvalidName(
            value=name,
            what="model name",
            reason=f"namespace {namespace} reserves it",
            proposal=proposal or pattern or name,
            fix=None if proposal else f"Choose another name; see modelyard namespace show {namespace}",
        )
    if pattern and not re.fullmatch(pattern, name):
        raise InvalidName(
            value=name,
            what="model name",
            reason=f"namespace {namespace} takes only names like {pattern}",
            proposal=pattern,
            fix=f"Choose a name that the pattern {pattern} matches; see modelyard namespace show {namespace}",
        )


def _near_name(name: str, pattern: str | None, refused: set[str]) -> str | None:
    """Return a name, longer by one word, that the namespace accepts; None if there is none."""
    words = ("model", "new", "x", "2")
    tried = (name[:at] + word + name[at:] for word in words for at in (len(name), *range(len(name))))
    for candidate in (f"{name}-model", *tried):
        fits = re.fullmatch(NAME_PATTERN, candidate) and (pattern is None or re.fullmatch(pattern, candidate))
        if fits and candidate not in refused:
            return candidate
    return None


def check_text(value: str, what: str, limit: int = MAX_DESCRIPTION_LENGTH) -> str:
    """Check a text like texts.check_text, by default with room for a description."""
    return texts.check_text(value, what, limit)


def check_reason(reason: str | None) -> str | None:
    """Return the reason of a change with credentials masked; None for an empty one. Raises InvalidFact."""
    return check_text(reason, "the reason", MAX_REASON_LENGTH) if reason else None


def require_reason(reason: str | None, what: str) -> str:
    """Check a reason like check_reason, for a change that requires one. what: with its article, as `a recall`."""
    checked = check_reason(reason.strip()) if reason else None
    if checked is None:
        raise Invalid(reason=f"{what} needs a reason", fix='Give one: --reason "…"')
    return checked


def check_revision(what: str, present: int, seen: int | None) -> None:
    """Raise EditConflict if the caller saw another revision. seen None: accept any revision."""
    if seen is not None and seen != present:
        raise EditConflict(what=what, revision=present)


def check_tags(tags: Mapping[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise InvalidFact(what="the tags", reason=f"there are {len(tags)}, at most {MAX_TAGS} are allowed")
    checked: dict[str, str] = {}
    for key, value in tags.items():
        if not key.strip():
            raise InvalidFact(what="a tag", reason="its key is empty")
        name = check_text(key, f"tag key {key[:40]!r}", MAX_TAG_KEY_LENGTH)
        checked[name] = mask_json(check_text(value, f"tag {key!r}", MAX_TAG_VALUE_LENGTH), name)
    return checked


def check_owners(owners: Iterable[str]) -> list[str]:
    unique = sorted({check_text(owner.strip(), "an owner", 200) for owner in owners})
    if len(unique) > MAX_OWNERS or "" in unique:
        raise InvalidFact(what="the owners", reason=f"give at most {MAX_OWNERS}, none of them empty")
    return unique


def words_of(
    namespace: str,
    name: str,
    display_name: str,
    description: str,
    tags: Mapping[str, str],
    owners: Iterable[str],
    card_text: str,
    version_texts: Iterable[str] = (),
) -> str:
    """Return the searched text of a model, the most significant part first, cut to a bounded length."""
    parts = [
        f"{namespace}/{name}",
        re.sub(r"[-._/]+", " ", f"{namespace} {name}"),
        display_name,
        description,
        " ".join(f"{k} {v}" for k, v in tags.items()),
        " ".join(owners),
        card_text,
        *version_texts,
    ]
    return " \n".join(p for p in parts if p)[:MAX_WORDS_LENGTH]


def exposure_warning(visibility: str, was: str) -> str | None:
    """Return a warning of what a wider visibility exposes; None if it is not wider."""
    order = ("private", "signed-in", "public")
    if order.index(visibility) <= order.index(was):
        return None
    if visibility == "public":
        return (
            "everybody can now read its versions, old ones too: files, cards, parameters, metrics, tags, aliases, stages "
            "with their history, checks, evaluations, what the files say, and the names of the accounts that made them; "
            "comments, votes, members, environment and code are for those who are signed in"
        )
    return "every account can now read its versions, old ones too, with comments, votes, members, environment and code"
