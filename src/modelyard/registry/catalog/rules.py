"""Which names a namespace takes, and what a model is found by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from modelyard.domain import texts
from modelyard.domain.errors import EditConflict, Invalid, InvalidFact, InvalidName
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

# A naming policy needs these and no more. Without groups that repeat, each repeat or choice multiplies the ways
# to match by the length of the name at most, so a few of them are harmless: `a*` twelve times would not be.
_SAFE_PATTERN = re.compile(
    r"(?:[a-z0-9._\-]|\[[a-z0-9._\-]+\]|\(\?:[a-z0-9._\-|]+\)|[?*+|]|\{\d{1,2}(?:,\d{1,2})?\})+\Z"
)

ANY_REVISION = -1
"""What a caller saw who asks only that something is there."""


def check_naming_pattern(pattern: str) -> None:
    """Raises Invalid for a pattern that is no regular expression, or could take for ever."""
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


def check_against_policy(name: str, pattern: str | None, reserved: Iterable[str], namespace: str) -> None:
    """Raises InvalidName when the namespace's own naming policy does not take the name."""
    if name in set(reserved):
        raise InvalidName(
            value=name, what="model name", reason=f"namespace {namespace} reserves it", proposal=f"{name}-model"
        )
    if pattern and not re.fullmatch(pattern, name):
        raise InvalidName(
            value=name,
            what="model name",
            reason=f"namespace {namespace} takes only names like {pattern}",
            proposal=pattern,
            fix=f"Choose a name that the pattern {pattern} matches; see modelyard namespace show {namespace}",
        )


def check_text(value: str, what: str, limit: int = MAX_DESCRIPTION_LENGTH) -> str:
    """As texts.check_text, with room for a description where nothing else is said."""
    return texts.check_text(value, what, limit)


def check_reason(reason: str | None) -> str | None:
    """The reason of a change with its credentials masked; None for an empty one. Raises InvalidFact."""
    return check_text(reason, "the reason", MAX_REASON_LENGTH) if reason else None


def require_reason(reason: str | None, what: str) -> str:
    """As check_reason, for a change that is not made without one. what: with its article, as `a recall`."""
    checked = check_reason(reason.strip()) if reason else None
    if checked is None:
        raise Invalid(reason=f"{what} needs a reason", fix='Give one: --reason "…"')
    return checked


def check_revision(what: str, present: int, seen: int | None) -> None:
    """Raises EditConflict when the caller saw another revision. seen None: whichever it is."""
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
) -> str:
    """Everything a model is found by, the most telling first, cut to a bounded length."""
    parts = [
        f"{namespace}/{name}",
        re.sub(r"[-._/]+", " ", f"{namespace} {name}"),
        display_name,
        description,
        " ".join(f"{k} {v}" for k, v in tags.items()),
        " ".join(owners),
        card_text,
    ]
    return " \n".join(p for p in parts if p)[:MAX_WORDS_LENGTH]


def exposure_warning(visibility: str, was: str) -> str | None:
    """What a wider visibility shows; None where it is not wider."""
    order = ("private", "signed-in", "public")
    if order.index(visibility) <= order.index(was):
        return None
    if visibility == "public":
        return (
            "everybody now reads its versions, old ones too: files, cards, parameters, metrics, tags, aliases, stages "
            "with their history, checks, evaluations, what the files say, and the names of the accounts that made them; "
            "comments, votes, members, environment and code are for those who are signed in"
        )
    return "every account now reads its versions, old ones too, with comments, votes, members, environment and code"
