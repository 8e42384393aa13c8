"""Manage trusted publishers, exchange the tokens of CI jobs, and sign people in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Actor, ActorKind, Permission, Role, TokenOrigin
from modelyard.domain.errors import (
    IdTokenRefused,
    Invalid,
    ModelNotFound,
    PublisherNotFound,
    SignInFailed,
)
from modelyard.domain.names import RESERVED_ACCOUNTS, ModelName
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.access import account_queries, secrets, token_queries
from modelyard.registry.access import queries as access_queries
from modelyard.registry.access import rules as access_rules
from modelyard.registry.access import usecases as access
from modelyard.registry.access.nouns import Account
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.usecases import create_model, find_model, find_namespace
from modelyard.registry.oidc import queries, rules
from modelyard.registry.oidc.nouns import Publisher
from modelyard.registry.oidc.providers import CI_ALGORITHMS, Providers, unverified_issuer
from modelyard.registry.oidc.rules import Description

TOKEN_LIFETIME = 15 * 60 * MICROSECONDS
_ROLES = (Role.READER, Role.CONTRIBUTOR, Role.MAINTAINER)


# --- trusted publishers --------------------------------------------------------------------------


def trust_publisher(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    described: Description,
    *,
    role: Role = Role.CONTRIBUTOR,
    model: str | None = None,
) -> Publisher:
    """Allow CI jobs that match this description to act in the namespace, or on one of its models, with this role.

    It creates a service account for them, which holds only this role and counts as the same person as its maker. Since
    this is a way to sign in, a narrow token cannot create one.
    """
    access_rules.check(actor, Permission.ACCOUNT_MANAGE, access_rules.SERVER)
    found = find_namespace(tx, actor, namespace, Permission.MEMBERS_MANAGE)
    if role not in _ROLES:
        raise Invalid(reason=f"a CI job cannot be {role.word}", fix="Use reader, contributor or maintainer")
    issuer, claims = rules.required_claims(described)
    model_id = 0
    if model is not None:
        at = _model_to_trust_for(tx, actor, ModelName.parse(f"{found.name}/{model}"))
        model, model_id = at.name.name, at.id
    account_id = _new_account(
        tx, f"ci-{found.name}"[:80], ActorKind.SERVICE, f"CI of {found.name}", None, made_by=actor.id
    )
    access_queries.set_grant(tx, account_id, found.id, model_id, role)
    made = queries.insert_publisher(
        tx,
        namespace_id=found.id,
        model=model,
        kind=described.kind,
        issuer=issuer,
        claims=claims,
        role=role,
        actor_id=account_id,
        created_by=actor.id,
    )
    publisher = _find(tx, made)
    tx.append(
        events.PublisherTrusted(
            namespace=found.name,
            publisher=made,
            issuer=issuer,
            claims=dict(claims),
            role=role.word,
            account=publisher.account,
        ),
        actor,
        model_id,
    )
    return publisher


def _model_to_trust_for(tx: Transaction, actor: Actor, name: ModelName) -> Model:
    """Return the model that the role is held on.

    Create an empty one if needed, so that a job can push its first version.
    """
    try:
        return find_model(tx, actor, name, Permission.MEMBERS_MANAGE)
    except ModelNotFound:
        return create_model(tx, actor, name)


def _new_account(
    tx: Transaction,
    wanted: str,
    kind: ActorKind,
    display_name: str,
    email: str | None,
    *,
    made_by: int | None = None,
) -> int:
    """Create an account with this name, or the next free name that is not reserved."""
    for number in range(1, 1000):
        name = wanted if number == 1 else f"{wanted}-{number}"
        if name in RESERVED_ACCOUNTS:
            continue
        made = account_queries.insert_actor(
            tx, name=name, kind=kind, display_name=display_name, email=email, made_by=made_by
        )
        if made is not None:
            return made
    raise Invalid(
        reason=f"{wanted} and a thousand names like it are taken", fix="Ask an admin to make the account"
    )


def _find(tx: Transaction, publisher_id: int) -> Publisher:
    publisher = queries.find_publisher(tx, publisher_id)
    if publisher is None:
        raise PublisherNotFound(publisher=publisher_id)
    return publisher


def list_publishers(tx: Transaction, actor: Actor, namespace: str) -> list[Publisher]:
    found = find_namespace(tx, actor, namespace, Permission.NAMESPACE_READ)
    access_rules.refuse_strangers(actor)
    return queries.list_publishers(tx, namespace_id=found.id)


def distrust_publisher(tx: Transaction, actor: Actor, namespace: str, publisher_id: int) -> None:
    """Remove a publisher; its tokens and its account end at once."""
    access_rules.check(actor, Permission.ACCOUNT_MANAGE, access_rules.SERVER)
    found = find_namespace(tx, actor, namespace, Permission.MEMBERS_MANAGE)
    publisher = _find(tx, publisher_id)
    if publisher.namespace_id != found.id:
        raise PublisherNotFound(publisher=publisher_id)
    queries.delete_publisher(tx, publisher)
    tx.append(events.PublisherDistrusted(namespace=found.name, publisher=publisher_id), actor)


# --- the exchange --------------------------------------------------------------------------------


class Exchanged(msgspec.Struct, frozen=True):
    secret: str
    expires_at: int
    publisher: Publisher


def exchange(db: Database, providers: Providers, token: str, audience: str, namespace: str) -> Exchanged:
    """Exchange a CI job's ID token, once, for a token of fifteen minutes for one namespace or model.

    namespace: only its publishers are considered, so trust in other namespaces has no effect. Raises IdTokenRefused,
    ProviderUnavailable. The rules follow PyPI's trusted publishing; the condition on the ref is an addition.
    """
    issuer = unverified_issuer(token)
    trusted = db.read(lambda tx: queries.list_publishers(tx, issuer=issuer, namespace=namespace))
    # Keys are requested only from trusted issuers.
    if not trusted:
        raise IdTokenRefused(reason=f"no publisher of {namespace[:100]} has the issuer {issuer[:200]}")
    claims = providers.verified_claims(token, issuer, CI_ALGORITHMS)
    rules.check_claims(claims, issuer=issuer, audience=audience, now=db.clock() // MICROSECONDS)
    # Compared before the transaction, so that users' patterns never delay other writers.
    matching = [each for each in trusted if rules.describes(each.claims, claims)]
    if not matching:
        told = ", ".join(f"{name} {value}" for name, value in rules.told(claims).items())
        raise IdTokenRefused(reason=f"no trusted publisher matches it: {told[:500]}")
    publisher = max(matching, key=lambda each: each.role)
    return db.write(lambda tx: _exchange(tx, token, claims, publisher))


def _exchange(tx: Transaction, token: str, claims: Mapping[str, Any], publisher: Publisher) -> Exchanged:
    if queries.find_publisher(tx, publisher.id) != publisher:
        raise IdTokenRefused(reason="the publisher that describes it was just removed")
    # The jti identifies a token; a token without one is identified by its whole text.
    jti = claims.get("jti")
    known_as = f"jti {jti}" if isinstance(jti, str) and jti else hashlib.sha256(token.encode()).hexdigest()
    until = (int(claims["exp"]) + rules.LEEWAY_SECONDS + 5) * MICROSECONDS
    if not queries.use_id_token(tx, claims["iss"], known_as[:500], until):
        raise IdTokenRefused(reason="it was used before")
    secret = secrets.new_token("ci")
    expires_at = tx.now + TOKEN_LIFETIME
    token_id = token_queries.insert_token(
        tx,
        token_hash=secrets.hash_secret(secret),
        actor_id=publisher.actor_id,
        name=f"CI, publisher {publisher.id}",
        hint=secrets.hint(secret),
        permissions=None,
        namespace=publisher.namespace,
        model=publisher.model,
        expires_at=expires_at,
        origin=TokenOrigin.EXCHANGE,
        made_with=None,
    )
    tx.append(
        events.TokenExchanged(
            namespace=publisher.namespace, token=token_id, publisher=publisher.id, job=rules.told(claims)
        ),
        Actor(publisher.actor_id, publisher.account, ActorKind.SERVICE),
    )
    return Exchanged(secret, expires_at, publisher)


def forget_id_tokens(tx: Transaction) -> None:
    """Delete expired ID tokens, which could not be used again anyway."""
    queries.forget_id_tokens(tx)


# --- people --------------------------------------------------------------------------------------


class SignInSettings(msgspec.Struct, frozen=True):
    """Settings of signing in. groups: the provider's groups → groups here (`admin`: the server's admins)."""

    groups: Mapping[str, list[str]]
    groups_claim: str = "groups"
    create_accounts: bool = True
    email_domains: Sequence[str] = ()
    """Domains of the addresses that may sign in; empty: all."""


def sign_in(tx: Transaction, claims: Mapping[str, Any], settings: SignInSettings) -> str:
    """Open a browser session for a person whom the provider identified; return its secret.

    The account is found only by issuer and subject. A new one is created if the settings allow it. Memberships of the
    mapped groups are set to the provider's, other memberships are left unchanged. Raises SignInFailed; EmailNotAccepted for
    an address of another domain, also of somebody who signed in before.
    """
    rules.check_domain(claims, settings.email_domains)
    issuer, subject = claims["iss"], claims["sub"]
    name = queries.find_identity(tx, issuer, subject)
    if name is None:
        if not settings.create_accounts:
            raise SignInFailed()
        account_id = _new_account(
            tx,
            rules.proposed_name(claims),
            ActorKind.USER,
            rules.display_name(claims),
            rules.email(claims),
        )
        queries.insert_identity(tx, issuer, subject, account_id)
        made = account_queries.find_actor_by_id(tx, account_id)
        assert made is not None
        name = made.name
        tx.append(events.ActorCreated(name=name, actor_kind="user", is_admin=False), SYSTEM)
    else:
        queries.note_sign_in(tx, issuer, subject)
    account = account_queries.find_actor(tx, name)
    if account is None or account.disabled_at is not None:
        raise SignInFailed()
    _set_groups(tx, account, settings, claims)
    return access.open_session(tx, account.id)


def _set_groups(tx: Transaction, account: Account, settings: SignInSettings, claims: Mapping[str, Any]) -> None:
    mapped = {ours for each in settings.groups.values() for ours in each}
    if not mapped:
        return
    wanted = rules.local_groups(settings.groups, claims.get(settings.groups_claim))
    is_admin = "admin" in wanted
    # The last admin stays an admin, so that the mapping can still be corrected.
    may_change = is_admin or account_queries.count_admins(tx) > 1
    if "admin" in mapped and account.is_admin != is_admin and may_change:
        account_queries.update_actor(tx, account.id, {"is_admin": int(is_admin)})
        tx.append(events.ActorEdited(name=account.name, changes={"is_admin": is_admin}), SYSTEM)
    names = sorted(mapped - {"admin"})
    known = queries.list_group_ids(tx, names)
    for name in names:
        if name not in known and name in wanted:
            made = account_queries.insert_actor(tx, name=name, kind=ActorKind.GROUP, made_by=None)
            if made is None:
                # The name belongs to a user or service account, so an admin must resolve the conflict.
                continue
            known[name] = made
            tx.append(events.ActorCreated(name=name, actor_kind="group", is_admin=False), SYSTEM)
    held = queries.list_memberships(tx, account.id)
    for name, group_id in known.items():
        if name in wanted and group_id not in held:
            account_queries.insert_member(tx, group_id, account.id)
            tx.append(events.GroupMemberAdded(group=name, name=account.name), SYSTEM)
        elif name not in wanted and group_id in held:
            account_queries.delete_member(tx, group_id, account.id)
            tx.append(events.GroupMemberRemoved(group=name, name=account.name), SYSTEM)
