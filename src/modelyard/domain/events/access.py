"""Accounts, groups, roles, sign-ins, tokens, and publishers that CI systems vouch for."""

from __future__ import annotations

from typing import Any

from modelyard.domain.events.base import Event


class ServerInitialised(Event, kind="server.initialised"):
    owner: str
    release: str


class RoleGranted(Event, kind="role.granted"):
    to: str
    role: str


class RoleRevoked(Event, kind="role.revoked"):
    to: str


class ActorCreated(Event, kind="actor.created"):
    name: str
    actor_kind: str
    is_admin: bool
    is_auditor: bool | None = None


class ActorEdited(Event, kind="actor.edited"):
    name: str
    changes: dict[str, Any]


class ActorDeleted(Event, kind="actor.deleted"):
    """Name, display name and e-mail address of an account were taken away. name: the one that it has now."""

    name: str
    tokens: int
    roles: int
    groups: int
    subscriptions: int


class GroupMemberAdded(Event, kind="group.member_added"):
    group: str
    name: str


class GroupMemberRemoved(Event, kind="group.member_removed"):
    group: str
    name: str


class SignInLinkMade(Event, kind="sign_in.link_made"):
    """A sign-in link was made for another account than its maker's."""

    name: str


class SignInFailed(Event, kind="sign_in.failed", may_change_rights=False):
    """Many attempts failed, so they are slowed down; logged now and then, not for each attempt.

    what: password, link or token. account: the one that was tried, if an account of that name exists.
    """

    what: str
    address: str
    attempts: int
    account: str | None = None


class TokenCreated(Event, kind="token.created"):
    token: int
    owner: str
    name: str


class TokenRevoked(Event, kind="token.revoked"):
    token: int
    owner: str


class PublisherTrusted(Event, kind="publisher.trusted"):
    """CI jobs of this description may act in the namespace."""

    publisher: int
    issuer: str
    claims: dict[str, str]
    role: str
    account: str


class PublisherDistrusted(Event, kind="publisher.distrusted"):
    publisher: int


class TokenExchanged(Event, kind="token.exchanged"):
    """A CI job exchanged its identity token. job: its CI system's claims about the job."""

    token: int
    publisher: int
    job: dict[str, str]
