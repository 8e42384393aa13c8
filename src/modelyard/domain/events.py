"""Facts in the past tense. Each change of the registry appends at least one, in its own transaction."""

from __future__ import annotations

from typing import Any, ClassVar, dataclass_transform

from modelyard.domain.names import ModelName

_NEEDED = object()


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=False)
class _Fact:
    """Values under the names that a class writes as in a dataclass.

    They are kept here and not by generated methods, which for all kinds of events together would be a
    twentieth of a server's start.
    """

    _defaults: ClassVar[dict[str, Any]] = {}
    """Every field with its default, in the order they are written."""

    def __init_subclass__(cls) -> None:
        own = {
            name: cls.__dict__.get(name, _NEEDED)
            for name, kind in cls.__annotations__.items()
            if not kind.startswith("ClassVar")
        }
        cls._defaults = {**cls._defaults, **own}

    def __init__(self, **values: Any) -> None:
        found = {**self._defaults, **values}
        missing = [name for name, value in found.items() if value is _NEEDED]
        if missing or len(found) != len(self._defaults):
            unknown = sorted(set(values) - set(self._defaults))
            raise TypeError(f"{type(self).__name__}: missing {missing}, unknown {unknown}")
        self.__dict__.update(found)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"an event does not change: {name}")


class Event(_Fact):
    """What happened, to what. Who and when are added by the transaction that appends it."""

    kind: ClassVar[str]
    may_change_rights: ClassVar[bool] = True
    """False only where it is certain that no account, token, group or role is another one afterwards."""
    namespace: str | None = None
    model: str | None = None
    """`namespace/name` as it was then."""
    version: int | None = None

    def data(self) -> dict[str, Any]:
        """The fields of the kind itself, as JSON values; None fields are left out."""
        common = Event._defaults
        return {n: v for n, v in self.__dict__.items() if n not in common and v is not None}


def about(model: ModelName, version: int | None = None) -> dict[str, Any]:
    """The header of an event of a model, or of one of its versions."""
    named = {"namespace": model.namespace, "model": str(model)}
    return named if version is None else {**named, "version": version}


class ServerInitialised(Event):
    kind: ClassVar[str] = "server.initialised"
    owner: str
    release: str


class NamespaceCreated(Event):
    kind: ClassVar[str] = "namespace.created"


class NamespaceEdited(Event):
    kind: ClassVar[str] = "namespace.edited"
    changes: dict[str, Any]


class NamespaceDeleted(Event):
    kind: ClassVar[str] = "namespace.deleted"


class RoleGranted(Event):
    kind: ClassVar[str] = "role.granted"
    to: str
    role: str


class RoleRevoked(Event):
    kind: ClassVar[str] = "role.revoked"
    to: str


class ActorCreated(Event):
    kind: ClassVar[str] = "actor.created"
    name: str
    actor_kind: str
    is_admin: bool
    is_auditor: bool | None = None


class ActorEdited(Event):
    kind: ClassVar[str] = "actor.edited"
    name: str
    changes: dict[str, Any]


class GroupMemberAdded(Event):
    kind: ClassVar[str] = "group.member_added"
    group: str
    name: str


class GroupMemberRemoved(Event):
    kind: ClassVar[str] = "group.member_removed"
    group: str
    name: str


class SignInLinkMade(Event):
    """For somebody else than its maker."""

    kind: ClassVar[str] = "sign_in.link_made"
    name: str


class SignInFailed(Event):
    """So many attempts failed that they are slowed down; told now and then, not for each.

    what: password, link or token. account: the one that was tried, where there is one of that name.
    """

    kind: ClassVar[str] = "sign_in.failed"
    may_change_rights: ClassVar[bool] = False
    what: str
    address: str
    attempts: int
    account: str | None = None


class TokenCreated(Event):
    kind: ClassVar[str] = "token.created"
    token: int
    owner: str
    name: str


class TokenRevoked(Event):
    kind: ClassVar[str] = "token.revoked"
    token: int
    owner: str


class ModelCreated(Event):
    kind: ClassVar[str] = "model.created"


class ModelEdited(Event):
    kind: ClassVar[str] = "model.edited"
    changes: dict[str, Any]
    """Field → [before, after]."""


class ModelRenamed(Event):
    kind: ClassVar[str] = "model.renamed"
    before: str


class ModelDeleted(Event):
    kind: ClassVar[str] = "model.deleted"
    reason: str | None = None


class VersionRegistered(Event):
    kind: ClassVar[str] = "version.registered"
    may_change_rights: ClassVar[bool] = False
    digest: str
    record_digest: str
    size_bytes: int


class VersionEdited(Event):
    kind: ClassVar[str] = "version.edited"
    changes: dict[str, Any]
    """Field → [before, after]."""


class VersionArchived(Event):
    kind: ClassVar[str] = "version.archived"
    digest: str
    record_digest: str
    reason: str | None = None


class VersionRestored(Event):
    kind: ClassVar[str] = "version.restored"
    digest: str
    record_digest: str


class VersionDeleted(Event):
    """orphans: versions that came from it and stay, as far as who deleted it could see them."""

    kind: ClassVar[str] = "version.deleted"
    digest: str
    record_digest: str
    reason: str | None = None
    orphans: list[str] | None = None


class AliasMoved(Event):
    """`version` is where the alias stands now."""

    kind: ClassVar[str] = "alias.moved"
    may_change_rights: ClassVar[bool] = False
    alias: str
    revision: int
    digest: str
    record_digest: str
    from_version: int | None = None
    reason: str | None = None


class AliasRemoved(Event):
    """`version` is where the alias stood."""

    kind: ClassVar[str] = "alias.removed"
    alias: str
    revision: int
    reason: str | None = None


class VersionDeprecated(Event):
    kind: ClassVar[str] = "version.deprecated"
    digest: str
    replacement: int | None = None
    ends_at: str | None = None
    reason: str | None = None


class VersionUndeprecated(Event):
    kind: ClassVar[str] = "version.undeprecated"
    digest: str


class VersionQuarantined(Event):
    """findings: path, why, and where known inside, offset, opcode and name of each; the first few."""

    kind: ClassVar[str] = "version.quarantined"
    digest: str
    verdict: str
    findings: list[dict[str, Any]]


class VersionReleased(Event):
    """Out of the quarantine: by somebody with the right, by trust, or because a later scan found nothing (verdict).

    alone: by the person who pushed it, where no one else held the right.
    """

    kind: ClassVar[str] = "version.released"
    digest: str
    verdict: str
    reason: str
    alone: bool | None = None


class RunFilesReleased(Event):
    """files: path, digest and verdict of each. alone: by the person whose run it is, where no one else held the right."""

    kind: ClassVar[str] = "run.files_released"
    run: str
    files: list[dict[str, Any]]
    reason: str
    alone: bool | None = None


class ScanTrusted(Event):
    """alone: no one else held the right. confirms: another person gave the same trust before."""

    kind: ClassVar[str] = "scan.trusted"
    name: str
    reason: str
    alone: bool | None = None
    confirms: str | None = None


class ServeUnknownChanged(Event):
    """serve: whether versions that name unknown code are served in the namespace."""

    kind: ClassVar[str] = "scan.serve_unknown_changed"
    serve: bool
    reason: str


class ScanUntrusted(Event):
    kind: ClassVar[str] = "scan.untrusted"
    name: str


class VersionRecalled(Event):
    """mode: refuse or warn. aliases: what stood on it. affected: how many versions came from it."""

    kind: ClassVar[str] = "version.recalled"
    digest: str
    record_digest: str
    mode: str
    reason: str
    aliases: list[str]
    affected: int


class RecallLifted(Event):
    kind: ClassVar[str] = "version.recall_lifted"
    digest: str
    record_digest: str
    reason: str | None = None


class AncestorRecalled(Event):
    """Said of each version that came from a recalled one, so that everyone who watches it hears of it."""

    kind: ClassVar[str] = "version.ancestor_recalled"
    digest: str
    ancestor: str
    mode: str
    reason: str
    aliases: list[str]


class DatasetNoted(Event):
    """A content of a dataset was seen for the first time."""

    kind: ClassVar[str] = "dataset.noted"
    dataset: str
    digest: str
    profile: str | None = None


class CheckReported(Event):
    kind: ClassVar[str] = "check.reported"
    digest: str
    check: str
    state: str
    url: str | None = None


class VersionEvaluated(Event):
    kind: ClassVar[str] = "version.evaluated"
    digest: str
    metrics: list[dict[str, Any]]
    split: str | None = None
    dataset: str | None = None


class VersionAttested(Event):
    kind: ClassVar[str] = "version.attested"
    digest: str
    record_digest: str
    signature: str


class CardEdited(Event):
    """card_digest: sha256 of the text."""

    kind: ClassVar[str] = "card.edited"
    digest: str
    card_digest: str


class PolicyChanged(Event):
    """number: of the policy in its namespace or model. text None: it was taken away. text_digest: of what the text
    says, not of how it is written; promotions name the texts that they were judged by with it. weakened: what
    lets more through than before."""

    kind: ClassVar[str] = "policy.changed"
    number: int
    text_digest: str | None = None
    text: str | None = None
    weakened: list[str] | None = None
    reason: str | None = None


class PromotionEvent(Event):
    """What all that happens to a promotion names.

    effective_digest: of what the policies amount to; text_digests: of the texts that were in force, as
    `policy.changed` names them.
    """

    promotion: int
    stage: str
    digest: str
    record_digest: str
    effective_digest: str
    text_digests: list[str] | None = None


class PromotionOpened(PromotionEvent):
    """reviewers: the groups whose votes the policy asks for; missing: the rules that are not met yet."""

    kind: ClassVar[str] = "promotion.opened"
    reviewers: list[str]
    missing: list[str]
    reason: str | None = None


class PromotionApproved(PromotionEvent):
    kind: ClassVar[str] = "promotion.approved"
    comment: str | None = None


class PromotionRejected(PromotionEvent):
    """Somebody whose vote counts said no; the promotion is refused for good."""

    kind: ClassVar[str] = "promotion.rejected"
    comment: str | None = None


class RuleWaived(PromotionEvent):
    kind: ClassVar[str] = "promotion.rule_waived"
    rule: str
    reason: str


class PromotionRefused(PromotionEvent):
    """The gate said no to an attempt. refusals: rule, outcome, measured and needed of each. verdict: of all rules;
    gate: the rules with their parameters, as the effective policy has them."""

    kind: ClassVar[str] = "promotion.refused"
    refusals: list[dict[str, Any]]
    verdict: dict[str, Any]
    gate: dict[str, Any]
    stays_open: bool


class PromotionWithdrawn(PromotionEvent):
    kind: ClassVar[str] = "promotion.withdrawn"
    reason: str | None = None


class PromotionExpired(PromotionEvent):
    kind: ClassVar[str] = "promotion.expired"


class VersionPromoted(PromotionEvent):
    """verdict: what was measured and needed by each rule, and who reported it; gate: the rules with their
    parameters, as the effective policy has them. verdict_digest: of the stored verdict and evidence. warned: rules
    that a gate in warn mode let pass."""

    kind: ClassVar[str] = "version.promoted"
    from_version: int | None = None
    primary: bool
    verdict: dict[str, Any]
    gate: dict[str, Any]
    verdict_digest: str
    waived: list[str]
    warned: list[str]
    reason: str | None = None


class StageRolledBack(PromotionEvent):
    """`version` is where the stage stands now; undid: the promotion that was undone."""

    kind: ClassVar[str] = "stage.rolled_back"
    from_version: int | None
    undid: int | None
    reason: str


class VersionDemoted(PromotionEvent):
    """to_version: the primary version of the stage now; None: no one stands there."""

    kind: ClassVar[str] = "version.demoted"
    to_version: int | None = None
    reason: str | None = None


class RunStarted(Event):
    kind: ClassVar[str] = "run.started"
    run: str
    name: str
    experiment: str
    parent: str | None = None


class RunEnded(Event):
    kind: ClassVar[str] = "run.ended"
    run: str
    name: str
    experiment: str
    status: str
    exit_code: int | None = None


class RunDeleted(Event):
    kind: ClassVar[str] = "run.deleted"
    run: str
    name: str
    experiment: str


class BytesCollected(Event):
    kind: ClassVar[str] = "bytes.collected"
    blobs: int
    size_bytes: int


class LogKeyReplaced(Event):
    """The log's signing key was lost; checkpoints from here on are signed by another."""

    kind: ClassVar[str] = "log.key_replaced"
    before: str
    after: str


class SubscriptionCreated(Event):
    kind: ClassVar[str] = "subscription.created"
    subscription: int
    subscription_kind: str


class SubscriptionEdited(Event):
    kind: ClassVar[str] = "subscription.edited"
    subscription: int
    changed: list[str]


class SubscriptionDisabled(Event):
    """By the server: its receiver is gone, or its maker is."""

    kind: ClassVar[str] = "subscription.disabled"
    subscription: int
    reason: str


class SubscriptionDeleted(Event):
    kind: ClassVar[str] = "subscription.deleted"
    subscription: int


class JobFailed(Event):
    """By the server: a background job was given up. A job that is tried again is not an event."""

    kind: ClassVar[str] = "job.failed"
    may_change_rights: ClassVar[bool] = False
    job: int
    job_kind: str
    reason: str


class JobCancelled(Event):
    kind: ClassVar[str] = "job.cancelled"
    may_change_rights: ClassVar[bool] = False
    job: int
    job_kind: str


class JobRetried(Event):
    kind: ClassVar[str] = "job.retried"
    may_change_rights: ClassVar[bool] = False
    job: int
    job_kind: str


class PublisherTrusted(Event):
    """CI jobs of this description may act in the namespace."""

    kind: ClassVar[str] = "publisher.trusted"
    publisher: int
    issuer: str
    claims: dict[str, str]
    role: str
    account: str


class PublisherDistrusted(Event):
    kind: ClassVar[str] = "publisher.distrusted"
    publisher: int


class TokenExchanged(Event):
    """job: what its CI system said of the job that got the token."""

    kind: ClassVar[str] = "token.exchanged"
    token: int
    publisher: int
    job: dict[str, str]


class CommentWritten(Event):
    """The words are not in the log, since they may have to be deleted; their hash is."""

    kind: ClassVar[str] = "comment.written"
    comment: int
    promotion: int | None = None
    mentions: list[str]
    text_sha256: str


class CommentEdited(Event):
    """mentions: whom the earlier text did not mention."""

    kind: ClassVar[str] = "comment.edited"
    comment: int
    mentions: list[str]
    text_sha256: str


class CommentDeleted(Event):
    kind: ClassVar[str] = "comment.deleted"
    comment: int
    author: str


class RowsWritten(Event):
    """By the server itself: rows that no other event vouches for, and those that were there before any did."""

    kind: ClassVar[str] = "rows.written"


class ContentRedacted(Event):
    """A text was taken out for good; the event holds neither it nor a hash of what it stood in.

    rows: table, column, primary key, and the digest of what is left there. events: number of a redacted event →
    its leaf in the tree, which stays, and the digest of what is left of it.
    """

    kind: ClassVar[str] = "content.redacted"
    may_change_rights: ClassVar[bool] = False
    redaction: str
    reason: str
    rows: list[dict[str, Any]]
    events: dict[str, dict[str, str]]


class ContentWithheld(Event):
    """Bytes of a file are no longer served, wherever they lie, because they hold what leaked.

    holder: the version, run or dataset whose file it is. also: other places in the same namespace that hold the
    same bytes, as `holder path`.
    """

    kind: ClassVar[str] = "content.withheld"
    may_change_rights: ClassVar[bool] = False
    holder: str
    path: str
    digest: str
    size_bytes: int
    reason: str
    also: list[str]


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
