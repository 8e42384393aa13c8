"""Trusted publishers: CI jobs that act without a stored secret."""

from __future__ import annotations

from modelyard.wire.base import Answer, Mapped, Request, Text


class TrustPublisher(Request, kw_only=True):
    """A trusted publisher. kind: github, gitlab or other. role: reader, contributor or maintainer.

    repository: owner/name. owner_id: the owner's numeric id. workflow: the file that defines the job. ref: `*` stands
    for any text; default refs/heads/main. claims: additional claims of the token; for the kind other, all claims.
    """

    kind: Text
    issuer: Text | None = None
    repository: Text | None = None
    owner_id: Text | None = None
    workflow: Text | None = None
    ref: Text | None = None
    environment: Text | None = None
    claims: Mapped[Text] = {}
    role: Text = "contributor"
    model: Text | None = None


class Publisher(Answer, kw_only=True):
    id: int
    namespace: str
    model: str | None
    kind: str
    issuer: str
    claims: dict[str, str]
    role: str
    account: str
    created_at: str


class PublisherList(Answer, kw_only=True):
    items: list[Publisher]


class Audience(Answer, kw_only=True):
    """Audience that a CI job's ID token must have."""

    audience: str


class ExchangeToken(Request, kw_only=True):
    """token: the CI job's ID token. namespace: the namespace of the trusted publisher."""

    token: Text
    namespace: Text


class ExchangedToken(Answer, kw_only=True):
    token: str
    expires_at: str
    namespace: str
    model: str | None
    role: str
    account: str
