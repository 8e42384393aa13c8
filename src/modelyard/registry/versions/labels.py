"""What people call a version besides its number: its semantic version, and its pull request."""

from __future__ import annotations

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import Conflict, Invalid
from modelyard.domain.semantic import parse_semver
from modelyard.domain.texts import is_web_address
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.versions import queries
from modelyard.registry.versions.nouns import Version

MAX_URL_LENGTH = 2000


class Labels(msgspec.Struct, frozen=True):
    """Fields that are None stay as they are; an empty text removes the label."""

    semver: str | None = None
    pull_request: str | None = None


def check_labels(labels: Labels) -> Labels:
    """Return them as they are stored. Raises Invalid."""
    semver, url = labels.semver, labels.pull_request
    return Labels(parse_semver(semver) if semver else semver, check_pull_request(url) if url else url)


def check_pull_request(url: str) -> str:
    """Return the address as it is stored and compared. Raises Invalid."""
    plain = url.strip().rstrip("/")
    if not is_web_address(plain) or len(plain) > MAX_URL_LENGTH:
        raise Invalid(
            reason=f"{url[:60]!r} is not the address of a pull request",
            fix=f"Give one that begins with https:// or http://, of at most {MAX_URL_LENGTH} characters",
        )
    return catalog_rules.check_text(plain, "the pull request", MAX_URL_LENGTH)


def refuse_taken(tx: Transaction, model: Model, labels: Labels, version: Version | None = None) -> None:
    """Raise Conflict if another version of the model has the semantic version. version: the one to label."""
    taken = queries.find_semver(tx, model.id, labels.semver) if labels.semver else None
    if taken is not None and (version is None or taken != version.number):
        raise Conflict(
            reason=f"version {taken} of {model.name} has the semantic version {labels.semver}",
            fix=f'Choose another one, or take it away first: modelyard edit {model.name}:{taken} --semver ""',
        )


def changes_of(version: Version, labels: Labels) -> dict[str, list[str | None]]:
    """Return field → [before, after] of the labels that differ from those of the version."""
    changes: dict[str, list[str | None]] = {}
    for name in ("semver", "pull_request"):
        wanted, before = getattr(labels, name), getattr(version, name)
        if wanted is not None and (wanted or None) != before:
            changes[name] = [before, wanted or None]
    return changes


def missing_labels(model: Model, version: Version, labels: Labels) -> bool:
    """Return whether a push of a version that exists brings labels that it lacks. Raises Conflict for other ones."""
    changes = changes_of(version, labels)
    for name, (before, after) in changes.items():
        if before is not None and after is not None:
            what = name.replace("_", " ")
            edit = f"modelyard edit {model.name}:{version.number}"
            fixes = {
                "semver": f"Change it with: {edit} --semver {after}",
                "pull_request": f"Change it with: {edit} --pull-request {after}",
            }
            raise Conflict(
                reason=f"the same files with the same facts are {model.name}:{version.number}, "
                f"and its {what.replace('semver', 'semantic version')} is {before}, not {after}",
                fix=f"{fixes[name]}; or register another version: push again with --force-new",
            )
    return any(after is not None for _, after in changes.values())
