"""Decide which versions a retention rule keeps, and say why. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from modelyard.domain.errors import Invalid
from modelyard.domain.times import parse_duration, seconds

ARCHIVE, DELETE = "archive", "delete"
ACTIONS = (ARCHIVE, DELETE)
MAX_KEEP_VERSIONS = 1_000_000


def check_rule(action: str, keep_versions: int | None, keep_for: str | None) -> None:
    """Raise Invalid for a rule without conditions, or with values that mean nothing."""
    if action not in ACTIONS:
        raise Invalid(
            reason=f"{action[:40]!r} is not an action of a retention rule", fix="Use archive or delete"
        )
    if keep_versions is None and keep_for is None:
        raise Invalid(
            reason="a retention rule without a condition would keep nothing",
            fix="Say how many versions of each model stay (keep_versions), how long every version stays "
            "(keep_for), or both",
        )
    if keep_versions is not None and not 1 <= keep_versions <= MAX_KEEP_VERSIONS:
        raise Invalid(
            reason=f"{keep_versions} is not a number of versions to keep",
            fix=f"Give a number from 1 to {MAX_KEEP_VERSIONS}",
        )
    if keep_for is not None and not parse_duration(keep_for):
        raise Invalid(reason=f"{keep_for!r} keeps nothing", fix="Give a time such as 90d")


def needs_of(
    aliases: Iterable[str],
    holds: Iterable[tuple[str, str]],
    stages: Container[str],
    children: int,
    promotions: Iterable[int],
    kept_because: str | None,
) -> Iterator[str]:
    """Yield in words all that needs a version, whatever the rule says."""
    if kept_because is not None:
        yield f"it is marked to be kept: {kept_because}"
    standing = {name for kind, name in holds if kind == "stage"} | {name for name in aliases if name in stages}
    yield from (f"it is in the stage @{name}" for name in sorted(standing))
    yield from (f"the alias @{name} points at it" for name in sorted(aliases) if name not in standing)
    for kind, name in sorted(holds):
        if kind == "rollback":
            yield f"a rollback of {name} would return to it"
        elif kind not in ("stage", "keep"):
            yield f"the {kind} {name} needs it"
    if children:
        yield f"{children} {'version' if children == 1 else 'versions'} came from it"
    yield from (f"promotion {number} of it is open" for number in promotions)


def condition_met(
    keep_versions: int | None, keep_for: str | None, newer: int, created_at: int, now: int
) -> str | None:
    """Return the condition that keeps a version in words; None: none does. newer: ready versions that are newer."""
    if keep_versions is not None and newer < keep_versions:
        return f"it is among the last {keep_versions}"
    if keep_for is not None and created_at + seconds(parse_duration(keep_for).total_seconds()) > now:
        return f"it is younger than {keep_for}"
    return None


def unmet_words(keep_versions: int | None, keep_for: str | None) -> str:
    """Return in words why the rule does not keep a version."""
    words = []
    if keep_versions is not None:
        words.append(f"not among the last {keep_versions}")
    if keep_for is not None:
        words.append(f"older than {keep_for}")
    return " and ".join(words)
