"""Facts in the past tense. Each change of the registry appends at least one, in its own transaction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened, to what. Who and when are added by the transaction that appends it."""

    kind: ClassVar[str]
    namespace: str | None = None
    model: str | None = None
    """`namespace/name` as it was then."""
    version: int | None = None

    def data(self) -> dict[str, Any]:
        """The fields of the kind itself, as JSON values; None fields are left out."""
        common = {"namespace", "model", "version"}
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in common}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInitialised(Event):
    kind: ClassVar[str] = "server.initialised"
    owner: str
    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceCreated(Event):
    kind: ClassVar[str] = "namespace.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceEdited(Event):
    kind: ClassVar[str] = "namespace.edited"
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceDeleted(Event):
    kind: ClassVar[str] = "namespace.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted(Event):
    kind: ClassVar[str] = "role.granted"
    to: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRevoked(Event):
    kind: ClassVar[str] = "role.revoked"
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorCreated(Event):
    kind: ClassVar[str] = "actor.created"
    name: str
    actor_kind: str
    is_admin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorEdited(Event):
    kind: ClassVar[str] = "actor.edited"
    name: str
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMemberAdded(Event):
    kind: ClassVar[str] = "group.member_added"
    group: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMemberRemoved(Event):
    kind: ClassVar[str] = "group.member_removed"
    group: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCreated(Event):
    kind: ClassVar[str] = "token.created"
    token: int
    owner: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    kind: ClassVar[str] = "token.revoked"
    token: int
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCreated(Event):
    kind: ClassVar[str] = "model.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEdited(Event):
    kind: ClassVar[str] = "model.edited"
    changes: dict[str, Any]
    """Field → [before, after]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRenamed(Event):
    kind: ClassVar[str] = "model.renamed"
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDeleted(Event):
    kind: ClassVar[str] = "model.deleted"
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRegistered(Event):
    kind: ClassVar[str] = "version.registered"
    digest: str
    record_digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionEdited(Event):
    kind: ClassVar[str] = "version.edited"
    changes: dict[str, Any]
    """Field → [before, after]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionArchived(Event):
    kind: ClassVar[str] = "version.archived"
    digest: str
    record_digest: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRestored(Event):
    kind: ClassVar[str] = "version.restored"
    digest: str
    record_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDeleted(Event):
    kind: ClassVar[str] = "version.deleted"
    digest: str
    record_digest: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMoved(Event):
    """`version` is where the alias stands now."""

    kind: ClassVar[str] = "alias.moved"
    alias: str
    revision: int
    digest: str
    record_digest: str
    from_version: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRemoved(Event):
    """`version` is where the alias stood."""

    kind: ClassVar[str] = "alias.removed"
    alias: str
    revision: int
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDeprecated(Event):
    kind: ClassVar[str] = "version.deprecated"
    digest: str
    replacement: int | None = None
    ends_at: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUndeprecated(Event):
    kind: ClassVar[str] = "version.undeprecated"
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReported(Event):
    kind: ClassVar[str] = "check.reported"
    digest: str
    check: str
    state: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionEvaluated(Event):
    kind: ClassVar[str] = "version.evaluated"
    digest: str
    metrics: list[dict[str, Any]]
    split: str | None = None
    dataset: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAttested(Event):
    kind: ClassVar[str] = "version.attested"
    digest: str
    record_digest: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardEdited(Event):
    """card_digest: sha256 of the text."""

    kind: ClassVar[str] = "card.edited"
    digest: str
    card_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanged(Event):
    """number: of the policy in its namespace or model; policy_digest None: it was taken away."""

    kind: ClassVar[str] = "policy.changed"
    number: int
    policy_digest: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionEvent(Event):
    """What all that happens to a promotion names."""

    promotion: int
    stage: str
    digest: str
    record_digest: str
    policy_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionOpened(PromotionEvent):
    """reviewers: the groups whose votes the policy asks for; missing: the rules that are not met yet."""

    kind: ClassVar[str] = "promotion.opened"
    reviewers: list[str]
    missing: list[str]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionApproved(PromotionEvent):
    kind: ClassVar[str] = "promotion.approved"
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRejected(PromotionEvent):
    """Somebody whose vote counts said no; the promotion is refused for good."""

    kind: ClassVar[str] = "promotion.rejected"
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWaived(PromotionEvent):
    kind: ClassVar[str] = "promotion.rule_waived"
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRefused(PromotionEvent):
    """The gate said no to an attempt. refusals: rule, outcome, measured and needed of each."""

    kind: ClassVar[str] = "promotion.refused"
    refusals: list[dict[str, Any]]
    stays_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionWithdrawn(PromotionEvent):
    kind: ClassVar[str] = "promotion.withdrawn"
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionExpired(PromotionEvent):
    kind: ClassVar[str] = "promotion.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPromoted(PromotionEvent):
    """verdict_digest: of the stored verdict and evidence. warned: rules that a gate in warn mode let pass."""

    kind: ClassVar[str] = "version.promoted"
    from_version: int | None = None
    primary: bool
    verdict_digest: str
    waived: list[str]
    warned: list[str]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRolledBack(PromotionEvent):
    """`version` is where the stage stands now; undid: the promotion that was undone."""

    kind: ClassVar[str] = "stage.rolled_back"
    from_version: int | None
    undid: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDemoted(PromotionEvent):
    """to_version: the primary version of the stage now; None: nobody stands there."""

    kind: ClassVar[str] = "version.demoted"
    to_version: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesCollected(Event):
    kind: ClassVar[str] = "bytes.collected"
    blobs: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeyReplaced(Event):
    """The log's signing key was lost; checkpoints from here on are signed by another."""

    kind: ClassVar[str] = "log.key_replaced"
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCreated(Event):
    kind: ClassVar[str] = "subscription.created"
    subscription: int
    subscription_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEdited(Event):
    kind: ClassVar[str] = "subscription.edited"
    subscription: int
    changed: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionDisabled(Event):
    """By the server: its receiver is gone, or its maker is."""

    kind: ClassVar[str] = "subscription.disabled"
    subscription: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionDeleted(Event):
    kind: ClassVar[str] = "subscription.deleted"
    subscription: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherTrusted(Event):
    """CI jobs of this description may act in the namespace."""

    kind: ClassVar[str] = "publisher.trusted"
    publisher: int
    issuer: str
    claims: dict[str, str]
    role: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherDistrusted(Event):
    kind: ClassVar[str] = "publisher.distrusted"
    publisher: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExchanged(Event):
    """job: what its CI system said of the job that got the token."""

    kind: ClassVar[str] = "token.exchanged"
    token: int
    publisher: int
    job: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentWritten(Event):
    """The words are not in the log, since they may have to be deleted; their hash is."""

    kind: ClassVar[str] = "comment.written"
    comment: int
    promotion: int | None = None
    mentions: list[str]
    text_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentEdited(Event):
    """mentions: whom the earlier text did not mention."""

    kind: ClassVar[str] = "comment.edited"
    comment: int
    mentions: list[str]
    text_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentDeleted(Event):
    kind: ClassVar[str] = "comment.deleted"
    comment: int
    author: str


def all_events() -> dict[str, type[Event]]:
    """Every kind of event by its word."""
    found: dict[str, type[Event]] = {}
    waiting: list[type[Event]] = list(Event.__subclasses__())
    while waiting:
        cls = waiting.pop()
        if "kind" in cls.__dict__:
            found[cls.kind] = cls
        waiting.extend(cls.__subclasses__())
    return found
