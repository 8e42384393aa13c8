"""Jump to an object by a few letters: models, versions, runs, datasets, accounts and what waits for the actor."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import ModelyardError
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.access import rules as access
from modelyard.registry.access import usecases as accounts
from modelyard.registry.search import jump_queries, usecases
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.search.usecases import FoundModel
from modelyard.registry.versions.usecases import find_version

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{7,64})\Z")
_VERSION = re.compile(r"([^\s:@]+)(?::v?(\d{1,9})|@(\S+))\Z")


class Landing(msgspec.Struct, frozen=True):
    """An object to jump to. kind: model, version, run, dataset or account.

    name: of the object, of its model for a version, the uid of a run.
    """

    kind: str
    name: str
    words: str
    detail: str = ""
    version: int | None = None
    model: FoundModel | None = None
    """Of the kind model: the model with the fields that a list shows."""


def jump(tx: Transaction, actor: Actor, text: str, limit: int) -> list[Landing]:
    """Find objects by name, by `model:3`, by a digest or a Git commit, at most `limit` of each kind.

    A leading @ finds accounts alone, a leading # digests and commits alone. Raises Unauthenticated for strangers.
    """
    access.refuse_strangers(actor)
    text = text.strip()
    sign, rest = text[:1], text[1:].strip()
    if sign == "@":
        return _people(tx, actor, rest, limit)
    if sign == "#":
        return _by_digest(tx, actor, rest, limit)
    if not text:
        return _models(tx, actor, text, limit)
    return [
        *_by_reference(tx, actor, text, limit),
        *_by_digest(tx, actor, text, limit),
        *_models(tx, actor, text, limit),
        *(
            Landing("run", uid, name, status)
            for uid, name, status in jump_queries.list_runs(tx, actor, text, limit)
        ),
        *(Landing("dataset", name, name) for name in jump_queries.list_datasets(tx, actor, text, limit)),
        *_people(tx, actor, text, limit),
    ]


def _models(tx: Transaction, actor: Actor, text: str, limit: int) -> list[Landing]:
    found = usecases.search_models(tx, actor, ModelSearch.of(text), None, limit)
    return [
        Landing("model", str(row.model.name), str(row.model.name), row.model.description[:120], model=row)
        for row in found
    ]


def _by_reference(tx: Transaction, actor: Actor, text: str, limit: int) -> list[Landing]:
    """Find `scorer:3` and `fraud/scorer@production`. A bare model name is looked for among those it is part of."""
    match = _VERSION.match(text)
    if match is None:
        return []
    model, number, alias = match.groups()
    if "/" in model:
        names: Sequence[ModelName] = [ModelName(*model.split("/", 1))]
    else:
        search = ModelSearch.of(model)
        names = [row.model.name for row in usecases.search_models(tx, actor, search, None, limit)]
    found = []
    for name in names:
        try:
            ref = Ref.parse(f"{name}:{number}" if number else f"{name}@{alias}")
            row, version = find_version(tx, actor, ref)
        except ModelyardError:
            continue
        found.append(_version(row.name, version.number, version.digest))
    return found


def _by_digest(tx: Transaction, actor: Actor, text: str, limit: int) -> list[Landing]:
    """Find versions by the beginning of their digest; 40 digits of it are the commit of Hugging Face clients."""
    match = _DIGEST.match(text.lower())
    if match is None:
        return []
    found = [_version(*row) for row in jump_queries.list_versions(tx, actor, f"sha256:{match[1]}", limit)]
    return found if text.lower().startswith("sha256:") else [*found, *_by_commit(tx, actor, match[1], limit)]


def _by_commit(tx: Transaction, actor: Actor, commit: str, limit: int) -> list[Landing]:
    """Find versions and runs by the beginning of the Git commit that their code fact names."""
    return [
        *(
            Landing("version", str(name), f"{name} v{number}", f"commit {full[:12]}", number)
            for name, number, full in jump_queries.list_versions_of_commit(tx, actor, commit, limit)
        ),
        *(
            Landing("run", uid, name, f"commit {full[:12]}")
            for uid, name, full in jump_queries.list_runs_of_commit(tx, actor, commit, limit)
        ),
    ]


def _version(name: ModelName, number: int, digest: str) -> Landing:
    return Landing("version", str(name), f"{name} v{number}", digest[:19], number)


def _people(tx: Transaction, actor: Actor, text: str, limit: int) -> list[Landing]:
    return [
        Landing("account", row.name, row.name, row.display_name or row.kind.value)
        for row in accounts.find_actors(tx, actor, text, limit)
    ]
