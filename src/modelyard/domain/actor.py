"""Actors, roles and permissions.

A role is held on a namespace and inherited by its models; a role on a model replaces it there. Admin is
held on the whole server. Approver groups carry no role: being a member gives the vote a policy asks for.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

MAX_DISPLAY_NAME_LENGTH = 200
MAX_EMAIL_LENGTH = 254
"""Of a whole address. Source: RFC 5321, 4.5.3.1.3, less the angle brackets."""


class Role(enum.IntEnum):
    """Roles in order: each one includes the permissions of those before it."""

    NONE = 0
    AUDITOR = 5
    READER = 10
    CONTRIBUTOR = 20
    MAINTAINER = 30
    OWNER = 40
    ADMIN = 50

    @property
    def word(self) -> str:
        return self._name_.lower()

    @classmethod
    def from_word(cls, word: str) -> Role:
        """Return the role with this name. Raises KeyError."""
        return cls[word.upper()]


class Permission(enum.StrEnum):
    """Every permission that a use case requires."""

    MODEL_READ = "model.read"
    MODEL_PULL = "model.pull"
    MODEL_CREATE = "model.create"
    MODEL_EDIT = "model.edit"
    VERSION_REGISTER = "version.register"
    VERSION_EDIT = "version.edit"
    ALIAS_MOVE = "alias.move"
    VERSION_ARCHIVE = "version.archive"
    VERSION_DEPRECATE = "version.deprecate"
    VERSION_KEEP = "version.keep"
    QUARANTINE_RELEASE = "quarantine.release"
    SCAN_TRUST = "scan.trust"
    SCAN_LOOSEN = "scan.loosen"
    VERSION_RECALL = "version.recall"
    DATASET_PUSH = "dataset.push"
    CHECK_REPORT = "check.report"
    EVALUATION_REPORT = "evaluation.report"
    VERSION_ATTEST = "version.attest"
    BUILD_START = "build.start"
    BUILD_REPORT = "build.report"
    BUILD_SECRETS = "build.secrets"
    BUILD_PRIORITIZE = "build.prioritize"
    SCHEDULE_EDIT = "schedule.edit"
    DEPLOYMENT_WRITE = "deployment.write"
    DEPLOYMENT_PREDICT = "deployment.predict"
    DEPLOYMENT_OBSERVE = "deployment.observe"
    RUN_LOG = "run.log"
    RUN_DELETE = "run.delete"
    PROMOTION_PROPOSE = "promotion.propose"
    PROMOTION_PROMOTE = "promotion.promote"
    PROMOTION_VOTE = "promotion.vote"
    PROMOTION_ROLLBACK = "promotion.rollback"
    PROMOTION_DEMOTE = "promotion.demote"
    PROMOTION_WAIVE = "promotion.waive"
    POLICY_EDIT = "policy.edit"
    MODEL_ARCHIVE = "model.archive"
    MODEL_RENAME = "model.rename"
    VERSION_DELETE = "version.delete"
    MODEL_DELETE = "model.delete"
    MODEL_SHARE = "model.share"
    CONTENT_REDACT = "content.redact"
    COMMENT_WRITE = "comment.write"
    COMMENT_MODERATE = "comment.moderate"
    SUBSCRIPTIONS_MANAGE = "subscriptions.manage"
    NAMESPACE_READ = "namespace.read"
    NAMESPACE_EDIT = "namespace.edit"
    NAMESPACE_DELETE = "namespace.delete"
    MEMBERS_MANAGE = "members.manage"
    NAMESPACE_CREATE = "namespace.create"
    ACTORS_MANAGE = "actors.manage"
    SERVER_OPERATE = "server.operate"
    LOG_READ = "log.read"
    ACCOUNT_MANAGE = "account.manage"


NEEDED_ROLE: dict[Permission, Role] = {
    Permission.MODEL_READ: Role.AUDITOR,
    Permission.MODEL_PULL: Role.READER,
    Permission.NAMESPACE_READ: Role.AUDITOR,
    Permission.LOG_READ: Role.AUDITOR,
    Permission.MODEL_CREATE: Role.CONTRIBUTOR,
    Permission.MODEL_EDIT: Role.CONTRIBUTOR,
    Permission.VERSION_REGISTER: Role.CONTRIBUTOR,
    Permission.VERSION_EDIT: Role.CONTRIBUTOR,
    Permission.ALIAS_MOVE: Role.CONTRIBUTOR,
    Permission.CHECK_REPORT: Role.CONTRIBUTOR,
    Permission.EVALUATION_REPORT: Role.CONTRIBUTOR,
    Permission.VERSION_ATTEST: Role.CONTRIBUTOR,
    Permission.BUILD_START: Role.CONTRIBUTOR,
    Permission.BUILD_REPORT: Role.CONTRIBUTOR,
    Permission.BUILD_SECRETS: Role.MAINTAINER,
    Permission.BUILD_PRIORITIZE: Role.MAINTAINER,
    Permission.SCHEDULE_EDIT: Role.MAINTAINER,
    Permission.DEPLOYMENT_WRITE: Role.MAINTAINER,
    Permission.DEPLOYMENT_PREDICT: Role.READER,
    Permission.DEPLOYMENT_OBSERVE: Role.CONTRIBUTOR,
    Permission.RUN_LOG: Role.CONTRIBUTOR,
    Permission.RUN_DELETE: Role.MAINTAINER,
    Permission.DATASET_PUSH: Role.CONTRIBUTOR,
    Permission.PROMOTION_PROPOSE: Role.CONTRIBUTOR,
    Permission.PROMOTION_PROMOTE: Role.MAINTAINER,
    Permission.PROMOTION_VOTE: Role.MAINTAINER,
    Permission.PROMOTION_ROLLBACK: Role.MAINTAINER,
    Permission.PROMOTION_DEMOTE: Role.MAINTAINER,
    Permission.POLICY_EDIT: Role.MAINTAINER,
    Permission.VERSION_ARCHIVE: Role.MAINTAINER,
    Permission.VERSION_DEPRECATE: Role.MAINTAINER,
    Permission.VERSION_KEEP: Role.MAINTAINER,
    Permission.QUARANTINE_RELEASE: Role.MAINTAINER,
    Permission.SCAN_TRUST: Role.MAINTAINER,
    Permission.VERSION_RECALL: Role.MAINTAINER,
    Permission.MODEL_ARCHIVE: Role.MAINTAINER,
    Permission.MODEL_RENAME: Role.MAINTAINER,
    Permission.COMMENT_WRITE: Role.READER,
    Permission.COMMENT_MODERATE: Role.MAINTAINER,
    Permission.SUBSCRIPTIONS_MANAGE: Role.MAINTAINER,
    Permission.NAMESPACE_EDIT: Role.MAINTAINER,
    Permission.PROMOTION_WAIVE: Role.OWNER,
    Permission.SCAN_LOOSEN: Role.OWNER,
    Permission.VERSION_DELETE: Role.OWNER,
    Permission.MODEL_DELETE: Role.OWNER,
    Permission.MODEL_SHARE: Role.OWNER,
    Permission.CONTENT_REDACT: Role.OWNER,
    Permission.NAMESPACE_DELETE: Role.OWNER,
    Permission.MEMBERS_MANAGE: Role.OWNER,
    Permission.NAMESPACE_CREATE: Role.ADMIN,
    Permission.ACTORS_MANAGE: Role.ADMIN,
    Permission.SERVER_OPERATE: Role.ADMIN,
    Permission.ACCOUNT_MANAGE: Role.NONE,
}
"""The least role that holds each permission. NAMESPACE_CREATE may be opened to all by a setting; PROMOTION_VOTE
is also held by the members of the approver groups that a policy names, wherever they have no role; BUILD_REPORT only
counts with the token of the very attempt that is reported."""

IDENTITY_PERMISSIONS = frozenset({Permission.ACCOUNT_MANAGE, Permission.ACTORS_MANAGE})
"""Permissions that concern proof of identity: they need a full sign-in, and no token's scope includes them.
Decision record: docs/decisions/0019-identity.md."""

READ_PERMISSIONS = frozenset({Permission.MODEL_READ, Permission.MODEL_PULL, Permission.NAMESPACE_READ})
"""Permissions that the visibility 'signed-in' gives to every account, and 'public' to everybody."""


SHARED_PERMISSIONS = frozenset({Permission.COMMENT_WRITE})
"""Permissions that 'signed-in' and 'public' give to every signed-in account."""


class Visibility(enum.StrEnum):
    """The callers who may read a model without a role on it."""

    PRIVATE = "private"
    SIGNED_IN = "signed-in"
    PUBLIC = "public"


class TokenOrigin(enum.StrEnum):
    """The way in which a token was made."""

    LOCAL = "local"
    """Made by the owner of the server's data: at the first start, for the local client, or by a rescue."""
    SIGN_IN = "sign-in"
    """Made by its owner in a full sign-in without a token: by password, link or provider."""
    TOKEN = "token"  # noqa: S105 - a word, no secret
    """Made with another token, or for somebody else."""
    EXCHANGE = "exchange"
    """Made for a CI job in exchange for its identity token."""
    UNKNOWN = "unknown"
    """Made before this was recorded."""


FULL_ORIGINS = frozenset({TokenOrigin.LOCAL, TokenOrigin.SIGN_IN})
"""A token of these origins without a scope counts as its owner's full sign-in."""


class ActorKind(enum.StrEnum):
    USER = "user"
    SERVICE = "service"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Scope:
    """The use of a token: its owner's rights, narrowed. None does not narrow them."""

    permissions: frozenset[Permission] | None = None
    namespace: str | None = None
    model: str | None = None
    """Name of the one model inside `namespace`."""

    @property
    def is_everything(self) -> bool:
        return self.permissions is None and self.namespace is None and self.model is None

    @property
    def key(self) -> str:
        """Return a text that is the same for equal scopes; '' for everything."""
        if self.is_everything:
            return ""
        held = "*" if self.permissions is None else " ".join(sorted(self.permissions))
        return f"{self.namespace or '*'}/{self.model or '*'} {held}"

    def allows(self, permission: Permission, namespace: str | None, model: str | None) -> bool:
        """Return whether the scope includes a permission in a place. namespace None: the whole server."""
        if self.permissions is not None and permission not in self.permissions:
            return False
        if permission in IDENTITY_PERMISSIONS:
            return self.is_everything
        if self.namespace is not None and self.namespace != namespace:
            return False
        return self.model is None or self.model == model


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller. `id` 0 stands for everybody who is not signed in."""

    id: int
    name: str
    kind: ActorKind = ActorKind.USER
    is_admin: bool = False
    default_namespace: str | None = None
    token_id: int | None = None
    scope: Scope = field(default_factory=Scope)
    is_auditor: bool = False
    """Of the whole server."""
    is_full_sign_in: bool = False
    """Proven by a browser session, or by a token that counts as a full sign-in."""
    proof_expires_at: int | None = None
    """Time at which the token expires that proved it."""

    @property
    def sees_everything(self) -> bool:
        """Return whether the actor may see everything on the server, before its token narrows this."""
        return self.is_admin or self.is_auditor

    @property
    def is_anonymous(self) -> bool:
        return self.id == 0


ANONYMOUS = Actor(id=0, name="anonymous")
SYSTEM = Actor(id=0, name="server")
"""The server itself, for changes that no account requested."""
