"""Secrets of a namespace's builds: set by name, sealed, and told to no one but the agent of a step that names them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.statement import Statement
from modelyard.db.tables import actors, build_secrets
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import BuildSecretNotFound, Denied, Invalid
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import queries as catalog_queries
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Namespace
from modelyard.registry.keyring.keys import Keyring

MAX_SECRETS = 200
MIN_LENGTH, MAX_LENGTH = 8, 32 * 1024
"""In characters. A shorter one could not be masked in logs without masking ordinary words."""
NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,79}$"
_NAME = re.compile(NAME_PATTERN)
_TAKEN = frozenset({"PATH", "HOME", "TMPDIR", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME"})

_p = sa.bindparam
_c = build_secrets.c


class BuildSecret(msgspec.Struct, frozen=True):
    """A secret without its value."""

    name: str
    set_by: str
    set_at: int


# --- use cases -------------------------------------------------------------------------------------------


def list_secrets(tx: Transaction, actor: Actor, namespace: str) -> list[BuildSecret]:
    """List the names, for everybody who may start builds in the namespace. Raises NamespaceNotFound, Denied."""
    found = catalog.find_namespace(tx, actor, namespace, Permission.BUILD_START)
    return [BuildSecret(*row) for row in tx.all(_LIST, namespace_id=found.id)]


def set_secret(
    tx: Transaction, actor: Actor, keyring: Keyring, namespace: str, name: str, value: str
) -> BuildSecret:
    """Set or replace a secret. Raises NamespaceNotFound, Denied, Invalid."""
    found = catalog.find_namespace(tx, actor, namespace, Permission.BUILD_SECRETS)
    check_name(name)
    # Logs are masked line by line.
    longest = max((len(line.strip()) for line in value.splitlines()), default=0)
    if longest < MIN_LENGTH or len(value) > MAX_LENGTH or "\0" in value:
        raise Invalid(
            reason=f"a secret has at most {MAX_LENGTH} characters, no NUL, and a line of at least {MIN_LENGTH} characters",
            fix="Give a longer one; a shorter one could not be masked in logs",
        )
    known = [row[0] for row in tx.all(_LIST, namespace_id=found.id)]
    if name not in known and len(known) >= MAX_SECRETS:
        raise Invalid(
            reason=f"namespace {found.name} has {len(known)} build secrets, the most there may be",
            fix=f"Remove one with: modelyard secret rm {found.name} NAME",
        )
    sealed = keyring.seal(value, _place(found, name))
    tx.run(_SET, namespace_id=found.id, name=name, sealed=sealed, actor_id=actor.id, now=tx.now)
    tx.append(events.BuildSecretSet(namespace=found.name, name=name), actor)
    return BuildSecret(name, actor.name, tx.now)


def remove_secret(tx: Transaction, actor: Actor, namespace: str, name: str) -> None:
    """Remove a secret. Raises NamespaceNotFound, BuildSecretNotFound, Denied."""
    found = catalog.find_namespace(tx, actor, namespace, Permission.BUILD_SECRETS)
    if tx.one(_REMOVE, namespace_id=found.id, name=name) is None:
        raise BuildSecretNotFound(namespace=found.name, name=name[:80])
    tx.append(events.BuildSecretRemoved(namespace=found.name, name=name), actor)


# --- rules -----------------------------------------------------------------------------------------------


def check_name(name: str) -> str:
    """Return the name if a step can have it as a variable. Raises Invalid."""
    if not _NAME.fullmatch(name) or name in _TAKEN or name.upper().startswith("MODELYARD_"):
        raise Invalid(
            reason=f"{name[:80]!r} cannot be the name of a build secret",
            fix="Use letters, digits and _, as for a variable; PATH and its like and MODELYARD_… are taken",
        )
    return name


def refuse_unknown(tx: Transaction, actor: Actor, namespace: str, names: Iterable[str]) -> None:
    """Raise if builds of the namespace cannot have these secrets, or the actor may not use them.

    An account that may start a build with a secret can read it. A role on one model alone is therefore not enough.
    namespace: of the model to build. Raises Denied, BuildSecretNotFound.
    """
    wanted = sorted(set(names))
    if not wanted:
        return
    found = catalog_queries.find_namespace(tx, actor, namespace)
    assert found is not None
    access.check(actor, Permission.BUILD_START, found.place)
    known = {row[0] for row in tx.all(_LIST, namespace_id=found.id)}
    for name in wanted:
        if name not in known:
            raise BuildSecretNotFound(namespace=namespace, name=name)


def claim_of(word: str) -> str:
    """Return the digest of an agent's word that is stored with its attempt; "": the agent has none."""
    return hashlib.sha256(word.encode()).hexdigest() if word else ""


def reveal(
    tx: Transaction,
    actor: Actor,
    keyring: Keyring,
    namespace: str,
    names: Iterable[str],
    *,
    claim: str,
    word: str,
) -> dict[str, str]:
    """Return the values of secrets to the agent of a step. claim: stored with the attempt. word: sent by the agent.

    Raises Denied for a wrong word, since steps, which have the agent's token too, do not know it; BuildSecretNotFound for one that was
    removed meanwhile.
    """
    if not claim or not hmac.compare_digest(claim, claim_of(word)):
        raise Denied(
            actor=actor.name,
            permission="read build secrets",
            where=f"namespace {namespace}",
            who="the server",
            role="the agent that claimed the attempt",
        )
    found = catalog.find_namespace(tx, actor, namespace, Permission.BUILD_REPORT)
    values = {}
    for name in sorted(set(names)):
        row = tx.one(_FIND, namespace_id=found.id, name=name)
        if row is None:
            raise BuildSecretNotFound(namespace=found.name, name=name)
        values[name] = keyring.unseal(row[0], _place(found, name))
    return values


def _place(namespace: Namespace, name: str) -> str:
    return f"build secret {namespace.id} {name}"


# --- SQL -------------------------------------------------------------------------------------------------

_LIST = Statement(
    sa.select(_c.name, actors.c.name, _c.set_at)
    .join(actors, actors.c.id == _c.set_by)
    .where(_c.namespace_id == _p("namespace_id"))
    .order_by(_c.name)
)
_FIND = Statement(sa.select(_c.sealed).where(_c.namespace_id == _p("namespace_id"), _c.name == _p("name")))
_insert = postgresql.insert(build_secrets).values(
    namespace_id=_p("namespace_id"),
    name=_p("name"),
    sealed=_p("sealed"),
    set_by=_p("actor_id"),
    set_at=_p("now"),
)
_SET = Statement(
    _insert.on_conflict_do_update(
        index_elements=["namespace_id", "name"],
        set_={
            "sealed": _insert.excluded.sealed,
            "set_by": _insert.excluded.set_by,
            "set_at": _insert.excluded.set_at,
        },
    )
)
_REMOVE = Statement(
    build_secrets.delete()
    .where(_c.namespace_id == _p("namespace_id"), _c.name == _p("name"))
    .returning(_c.name)
)
